"""What came of one probe of the sandbox, and the score of a table of probes."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How the sandbox's answer to a probe stands to that of AWS."""

    RIGHT = "right"
    REFUSED = "refused"  # AWS answers; the sandbox says clearly that it does not model this
    WRONG = "wrong"  # another answer, in silence
    LENIENT = "lenient"  # AWS rejects; the sandbox accepts
    MISLEADING = "misleading"  # both reject, for different reasons; or the sandbox alone, and says something else


@dataclass(frozen=True)
class Finding:
    """One probe and what came of it.

    Attributes:
        probe: Its id in its table.
        outcome: How the answer stands to that of AWS.
        answered: What the sandbox answered.
    """

    probe: str
    outcome: Outcome
    answered: str


def score(findings: list[Finding]) -> dict[Outcome, int]:
    """Count the findings of each outcome, those that did not occur too."""
    counts = Counter(finding.outcome for finding in findings)
    return {outcome: counts[outcome] for outcome in Outcome}
