"""The interface of look-ups: features by application id, for requests that hold only an id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LookupFault:
    """Why one applicant could not be looked up; the request's others are still answered.

    Attributes:
        id: The id.
        reason: What is wrong and what to do, for the answer.
        missing: Whether the id is unknown; otherwise the table did not answer, and a retry may help.
    """

    id: str
    reason: str
    missing: bool


class LookupSetupError(Exception):
    """The online table cannot be used with these settings; the message says what to change."""


class Lookup(Protocol):
    """Finds features by application id."""

    async def rows(self, ids: Sequence[str]) -> list[Mapping[str, object] | LookupFault]:
        """Return columns by canonical name, as `Scorer.score_rows` takes them, or a fault, in the order of `ids`.

        Never raises because of the table, and never blocks the event loop.
        """
        ...

    async def close(self) -> None:
        """Close the connections; look-ups under way end with a fault."""
        ...
