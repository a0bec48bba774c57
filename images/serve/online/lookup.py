"""Looks applicants' features up by id: what the server asks for when a request gives nothing but an id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LookupFault:
    """Why one applicant could not be looked up; the others of the request are answered all the same.

    Attributes:
        id: What was asked for.
        reason: What is wrong and what to do, for the answer.
        missing: Whether the id is unknown; otherwise the table could not be asked, and asking again may help.
    """

    id: str
    reason: str
    missing: bool


class LookupSetupError(Exception):
    """The settings name an online table that cannot be asked as they stand; the message says what to change."""


class Lookup(Protocol):
    """Finds features by application id."""

    async def rows(self, ids: Sequence[str]) -> list[Mapping[str, object] | LookupFault]:
        """Return, in the order of `ids`, columns by canonical name as `Scorer.score_rows` takes them, or a fault.

        Never raises for what the table answers or fails to answer; never blocks the event loop.
        """
        ...

    async def close(self) -> None:
        """Close the connections; look-ups under way end with a fault."""
        ...
