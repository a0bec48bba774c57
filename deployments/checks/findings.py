"""What a check has found, and how findings are printed."""

from collections.abc import Iterable
from dataclasses import dataclass

OK, NOTE, STOP = "ok", "note", "STOP"


@dataclass(frozen=True)
class Finding:
    """One line of a check's table.

    Attributes:
        level: `ok`; `note`, which stops nothing; or `STOP`, which would end a deployment.
        what: what was looked at.
        said: what was found and, unless it is ok, what to do.
    """

    level: str
    what: str
    said: str

    def __str__(self) -> str:
        """Return a line for people."""
        return f"{self.level:<4}  {self.what:<34} {self.said}"


def report(findings: Iterable[Finding]) -> int:
    """Print findings as they come; return exit code 1 if one stops a deployment."""
    stopped = 0
    for finding in findings:
        print(finding, flush=True)
        stopped |= finding.level == STOP
    return int(stopped)
