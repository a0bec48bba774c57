"""One probe about tables, and how an answer to it compares with Athena's."""

import re
from dataclasses import dataclass

from tests.sandbox.fidelity.outcome import Finding, Outcome

Rows = list[list[str | None]]


@dataclass(frozen=True)
class Rejected:
    """Athena rejects the statement, with a message that this pattern finds."""

    pattern: str


@dataclass(frozen=True)
class Probe:
    """One statement and what Athena answers.

    Attributes:
        probe: Its id.
        sql: `BUCKET` stands for the bucket of the probes, and `DB` for their database.
        expected: The rows as text, without the header of a SELECT, or how Athena rejects it.
        source: Where the expectation comes from.
        parameters: ExecutionParameters of the request.
    """

    probe: str
    sql: str
    expected: Rows | Rejected
    source: str
    parameters: tuple[str, ...] = ()


def compare(probe: Probe, answer: Rows | str) -> Finding:
    """Compare an answer, which is rows or the reason of a failure, with what Athena answers."""
    return Finding(probe.probe, _outcome(probe.expected, answer), str(answer))


def _outcome(expected: Rows | Rejected, answer: Rows | str) -> Outcome:
    if isinstance(answer, str):
        if isinstance(expected, Rejected) and re.search(expected.pattern, answer):
            return Outcome.RIGHT
        return Outcome.REFUSED if "the sandbox cannot reproduce it" in answer else Outcome.MISLEADING
    if isinstance(expected, Rejected):
        return Outcome.LENIENT
    return Outcome.RIGHT if answer == expected else Outcome.WRONG
