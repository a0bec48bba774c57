"""Java's date patterns, as far as partition projection needs them."""

import re
from datetime import datetime

from sandbox.aws.errors import UnsupportedSqlError

_FIELD = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
# Java's letters → Python's directive and the pattern of its text.
_DIRECTIVES = {
    "yyyy": ("%Y", r"\d{4}"),
    "uuuu": ("%Y", r"\d{4}"),
    "YYYY": ("%G", r"\d{4}"),
    "yy": ("%y", r"\d{2}"),
    "MM": ("%m", r"\d{2}"),
    "MMM": ("%b", r"[A-Za-z]{3}"),
    "MMMM": ("%B", r"[A-Za-z]+"),
    "dd": ("%d", r"\d{2}"),
    "DDD": ("%j", r"\d{3}"),
    "HH": ("%H", r"\d{2}"),
    "mm": ("%M", r"\d{2}"),
    "ss": ("%S", r"\d{2}"),
}
_SINGLE = {"M": "MM", "d": "dd", "H": "HH", "m": "mm", "s": "ss"}


class DateFormat:
    """A pattern such as `yyyy/MM/dd`.

    Args:
        pattern: In the letters of Java's `DateTimeFormatter`.

    Raises:
        UnsupportedSqlError: The pattern has letters that the sandbox does not know.

    Example:
        >>> form = DateFormat("yyyy/MM/d'T'HH")
        >>> form.text(datetime(2024, 2, 3, 4))
        '2024/02/3T04'
        >>> form.parse("2024/02/13T04"), form.finest
        (datetime.datetime(2024, 2, 13, 4, 0), 'HOURS')
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._parts: list[tuple[str, str]] = []
        for found in _FIELD.finditer(pattern):
            self._parts.append(self._part(found))

    def _part(self, found: re.Match[str]) -> tuple[str, str]:
        text = found[0]
        if found[1] is not None:
            return ("'", found[1] or "'")
        if not text[0].isalpha():
            return ("'", text)
        if text not in _DIRECTIVES and text not in _SINGLE and text not in {"y", "u"}:
            raise UnsupportedSqlError(f"the date format {self.pattern!r}: {text}")
        return (text, "")

    @property
    def finest(self) -> str:
        """The finest unit of the pattern."""
        letters = {field[0] for field, _ in self._parts}
        for unit, marks in {"SECONDS": "s", "MINUTES": "m", "HOURS": "H", "DAYS": "dD", "MONTHS": "M"}.items():
            if letters & set(marks):
                return unit
        return "MONTHS"

    def text(self, moment: datetime) -> str:
        """Return the text of a moment."""
        return "".join(fixed if field == "'" else self._field(field, moment) for field, fixed in self._parts)

    def _field(self, field: str, moment: datetime) -> str:
        if field in {"y", "u"}:
            return str(moment.year)
        if field in _SINGLE:
            return str(int(moment.strftime(_DIRECTIVES[_SINGLE[field]][0])))
        return moment.strftime(_DIRECTIVES[field][0])

    def parse(self, text: str) -> datetime | None:
        """Return the moment of a text, or None if it is not in this format."""
        shape, directives = "", []
        for field, fixed in self._parts:
            if field == "'":
                shape += re.escape(fixed)
                continue
            known = _DIRECTIVES.get(_SINGLE.get(field, "yyyy" if field in {"y", "u"} else field), ("", ""))
            directives.append(known[0])
            shape += f"({known[1] if field not in _SINGLE else chr(92) + 'd{1,2}'})"
        found = re.fullmatch(shape, text)
        if not found:
            return None
        try:
            return datetime.strptime("\0".join(found.groups()), "\0".join(directives))
        except ValueError:
            return None

    def floor(self, moment: datetime) -> datetime:
        """Return the moment without what the pattern leaves out."""
        return self.parse(self.text(moment)) or moment
