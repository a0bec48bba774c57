"""Looks applicants' features up by id: what the server asks for when a request gives nothing but an id."""

import os
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


def lookup_from_environment(environment: Mapping[str, str] = os.environ) -> Lookup | None:
    """Return the look-up that the environment asks for, or None where it names no table.

    Args:
        environment: `CREDIT_ONLINE_TABLE` (a DynamoDB table) and `CREDIT_ONLINE_TIMEOUT_MS` are read.

    Raises:
        LookupSetupError: a setting is malformed, or there is no AWS region or no credentials.
    """
    table = environment.get("CREDIT_ONLINE_TABLE")
    if not table:
        return None
    from images.serve.dynamo import DynamoLookup  # noqa: PLC0415 - botocore is imported only where it is needed

    return DynamoLookup.connect(table, timeout=_milliseconds(environment.get("CREDIT_ONLINE_TIMEOUT_MS") or "5"))


def _milliseconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 60_000:
        raise LookupSetupError(f"CREDIT_ONLINE_TIMEOUT_MS={text!r} is not a number of milliseconds from 0 to 60000")
    return number / 1000
