"""The dated list of vulnerabilities that may ship, and what of the findings it leaves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from images.supply.errors import ExceptionsError

FILE = Path(__file__).parents[1] / "exceptions.yaml"
FIELDS = {"id", "package", "until", "why"}


@dataclass(frozen=True)
class Finding:
    """One vulnerability of one package.

    Attributes:
        id: `PYSEC-…`, `GHSA-…` or `CVE-…`.
        package: name of the package.
        where: what holds it, for people: `requirements.lock`, or an image.
        aliases: other ids of the same vulnerability.
        fix: what to do about it.
    """

    id: str
    package: str
    where: str
    aliases: frozenset[str] = frozenset()
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.package} has {self.id}; {self.fix or 'no fix is known'}"


@dataclass(frozen=True)
class Exempted:
    """A vulnerability that may ship until a day, and why."""

    id: str
    package: str
    until: date
    why: str

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is this vulnerability of this package."""
        return finding.package == self.package and self.id in {finding.id, *finding.aliases}


def read(path: Path = FILE) -> list[Exempted]:
    """Return the list of exceptions.

    Raises:
        ExceptionsError: an entry lacks a field, has an unknown one, or its day is none.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    if not isinstance(entries, list):
        raise ExceptionsError(f"{path}: the file is a list of exceptions; start each with a dash")
    return [_entry(entry, f"{path.name} entry {number}") for number, entry in enumerate(entries, 1)]


def _entry(given: Any, place: str) -> Exempted:  # noqa: ANN401 - whatever the file holds
    if not isinstance(given, Mapping) or given.keys() != FIELDS or not all(given.values()):
        raise ExceptionsError(f"{place}: give exactly {', '.join(sorted(FIELDS))}, each with a value")
    if type(given["until"]) is not date:
        raise ExceptionsError(f"{place}: until is {given['until']!r}; write the last day as YYYY-MM-DD")
    return Exempted(str(given["id"]), str(given["package"]), given["until"], str(given["why"]))


def judge(findings: Iterable[Finding], exempted: Iterable[Exempted], today: date) -> list[str]:
    """Return what stands in the way of shipping, each with what to do; empty if nothing does.

    Example:
        >>> lax = Exempted("CVE-1", "zlib", date(2026, 12, 31), "never called")
        >>> judge([Finding("CVE-1", "zlib", "serve")], [lax], date(2026, 12, 1))
        []
        >>> judge([Finding("CVE-1", "zlib", "serve")], [lax], date(2027, 1, 1))
        ['serve: zlib has CVE-1; no fix is known (its exception ended on 2026-12-31)']
    """
    listed = list(exempted)
    return [fault for finding in sorted(findings, key=str) for fault in _fault(finding, listed, today)]


def _fault(finding: Finding, exempted: list[Exempted], today: date) -> list[str]:
    ends = [one.until for one in exempted if one.covers(finding)]
    if not ends:
        return [str(finding)]
    return [] if max(ends) >= today else [f"{finding} (its exception ended on {max(ends)})"]


def idle(findings: Iterable[Finding], exempted: Iterable[Exempted]) -> list[str]:
    """Return the exceptions of what is no longer found, which the list should lose."""
    found = list(findings)
    return [f"{one.package} {one.id}" for one in exempted if not any(one.covers(finding) for finding in found)]
