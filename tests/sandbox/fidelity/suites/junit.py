"""What pytest's JUnit file says: one result for each test."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

_ERROR = re.compile(r"^E\s+(\S.*)$", re.MULTILINE)
_LONGEST = 240


@dataclass(frozen=True)
class Result:
    """One test of a suite: its id, and its error in one line, None if it passed; `skipped` says why it did not run."""

    test: str
    error: str | None = None
    skipped: str | None = None


def results(path: Path) -> list[Result]:
    """Return the results in a JUnit file; a test that failed and then failed to clean up has one."""
    found: dict[str, Result] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        result = _result(case)
        if result.test not in found or result.error:
            found.setdefault(result.test, result)
            if found[result.test].error is None:
                found[result.test] = result
    return list(found.values())


def _result(case: ElementTree.Element) -> Result:
    test = f"{case.get('classname', '')}::{case.get('name', '')}"
    for kind in ("failure", "error"):
        problem = case.find(kind)
        if problem is not None:
            return Result(test, error=_line(problem))
    skipped = case.find("skipped")
    return Result(test, skipped=skipped.get("message", "") if skipped is not None else None)


def _line(problem: ElementTree.Element) -> str:
    """Return the last line that pytest marks as the error, else its message."""
    marked = _ERROR.findall(problem.text or "")
    text = next((line for line in marked if re.match(r"[\w.]*(Error|Exception|Failed|exit)\b", line)), "")
    return (text or problem.get("message") or (marked[0] if marked else "")).replace("\n", " ")[:_LONGEST]
