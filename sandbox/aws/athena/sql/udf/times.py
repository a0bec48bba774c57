"""Dates and times: MySQL's and Joda's formats, ISO 8601, zones."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.aws.athena.sql.udf.failure import invalid, unsupported

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MYSQL: dict[str, Callable[[datetime], str]] = {
    "a": lambda t: _DAYS[t.weekday()][:3],
    "b": lambda t: _MONTHS[t.month - 1][:3],
    "c": lambda t: str(t.month),
    "d": lambda t: f"{t.day:02d}",
    "e": lambda t: str(t.day),
    "f": lambda t: f"{t.microsecond:06d}",
    "H": lambda t: f"{t.hour:02d}",
    "h": lambda t: f"{(t.hour - 1) % 12 + 1:02d}",
    "I": lambda t: f"{(t.hour - 1) % 12 + 1:02d}",
    "i": lambda t: f"{t.minute:02d}",
    "j": lambda t: f"{t.timetuple().tm_yday:03d}",
    "k": lambda t: str(t.hour),
    "l": lambda t: str((t.hour - 1) % 12 + 1),
    "M": lambda t: _MONTHS[t.month - 1],
    "m": lambda t: f"{t.month:02d}",
    "p": lambda t: "AM" if t.hour < 12 else "PM",
    "r": lambda t: f"{(t.hour - 1) % 12 + 1:02d}:{t:%M:%S} {'AM' if t.hour < 12 else 'PM'}",
    "S": lambda t: f"{t.second:02d}",
    "s": lambda t: f"{t.second:02d}",
    "T": lambda t: f"{t:%H:%M:%S}",
    "v": lambda t: f"{t.isocalendar().week:02d}",
    "W": lambda t: _DAYS[t.weekday()],
    "x": lambda t: f"{t.isocalendar().year:04d}",
    "Y": lambda t: f"{t.year:04d}",
    "y": lambda t: f"{t.year % 100:02d}",
}  # fmt: skip
_READ = {
    "Y": r"(?P<Y>\d{4})", "y": r"(?P<y>\d{2})", "m": r"(?P<m>\d{1,2})", "c": r"(?P<m>\d{1,2})", "d": r"(?P<d>\d{1,2})",
    "e": r"(?P<d>\d{1,2})", "H": r"(?P<H>\d{1,2})", "k": r"(?P<H>\d{1,2})", "h": r"(?P<h>\d{1,2})",
    "I": r"(?P<h>\d{1,2})", "l": r"(?P<h>\d{1,2})", "i": r"(?P<i>\d{1,2})", "s": r"(?P<s>\d{1,2})",
    "S": r"(?P<s>\d{1,2})", "f": r"(?P<f>\d{1,9})", "p": r"(?P<p>[AaPp][Mm])", "j": r"(?P<j>\d{1,3})",
    "b": rf"(?P<b>{'|'.join(name[:3] for name in _MONTHS)})", "M": rf"(?P<b>{'|'.join(_MONTHS)})",
    "a": rf"(?:{'|'.join(name[:3] for name in _DAYS)})", "W": rf"(?:{'|'.join(_DAYS)})",
    "T": r"(?P<H>\d{1,2}):(?P<i>\d{1,2}):(?P<s>\d{1,2})",
}  # fmt: skip


def _pieces(shape: str) -> list[tuple[str, bool]]:
    """Split a MySQL format into letters (True) and text (False)."""
    pieces, place = [], 0
    while place < len(shape):
        special = shape[place] == "%" and place + 1 < len(shape)
        pieces.append((shape[place + special], special))
        place += 1 + special
    return pieces


def date_format(value: datetime, shape: str) -> str:
    """Format a time as MySQL does."""
    text = ""
    for letter, special in _pieces(shape):
        if special and letter in "DUuVwX":
            raise invalid(f"%{letter} not supported in date format string")
        text += _MYSQL[letter](value) if special and letter in _MYSQL else letter
    return text


@lru_cache(maxsize=128)
def _reader(shape: str) -> re.Pattern[str]:
    parts, seen = [], set[str]()
    if {("Y", True), ("y", True)} <= set(_pieces(shape)):
        raise unsupported(f"date format {shape}")
    for letter, special in _pieces(shape):
        if special and letter in "DUuVwXvx":
            raise invalid(f"%{letter} not supported in date format string")
        piece = _READ.get(letter, re.escape(letter)) if special else re.escape(letter)
        names = set(re.findall(r"\?P<(\w)>", piece))
        if names & seen:
            raise unsupported(f"date format {shape}")
        seen |= names
        parts.append(piece)
    return re.compile("".join(parts), re.IGNORECASE)


def date_parse(text: str, shape: str) -> datetime:
    """Read a time in a format of MySQL."""
    found = _reader(shape).fullmatch(text)
    if not found:
        raise invalid(f'Invalid format: "{text}" does not match {shape}')
    given = {name: value for name, value in found.groupdict().items() if value is not None}
    try:
        return _assembled(given)
    except ValueError as error:
        raise invalid(f'Cannot parse "{text}": {error}') from error


def _assembled(given: dict[str, str]) -> datetime:
    year = int(given.get("Y", 1970))
    if "y" in given:
        short = int(given["y"])
        year = short + (1900 if short >= 70 else 2000)
    month = int(given.get("m", 1))
    if "b" in given:
        month = next(place for place, name in enumerate(_MONTHS, 1) if name[:3].lower() == given["b"][:3].lower())
    hour = int(given.get("H", 0))
    if "h" in given:
        if not 1 <= int(given["h"]) <= 12:
            raise ValueError("Value for clockhourOfHalfday must be in the range [1,12]")
        hour = int(given["h"]) % 12 + (12 if given.get("p", "am").lower() == "pm" else 0)
    fraction = int(given.get("f", "0").ljust(6, "0")[:6]) // 1000 * 1000
    found = datetime(
        year, month, int(given.get("d", 1)), hour, int(given.get("i", 0)), int(given.get("s", 0)), fraction
    )
    return found + timedelta(days=int(given["j"]) - 1) if "j" in given and "m" not in given else found


def zone(name: str) -> str:
    """Return the canonical name of a zone: `UTC`, `+02:00` or a region."""
    if name.upper() in ("UTC", "Z", "GMT", "UT", "GREENWICH", "ZULU", "ETC/UTC", "+00:00", "-00:00"):
        return "UTC"
    found = re.fullmatch(r"([+-])(\d{1,2})(?::?(\d{2}))?", name)
    if found:
        hours, minutes = int(found[2]), int(found[3] or 0)
        if hours > 14 or minutes > 59:
            raise invalid(f"'{name}' is not a valid time zone")
        return "UTC" if hours == minutes == 0 else f"{found[1]}{hours:02d}:{minutes:02d}"
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError) as error:
        raise invalid(f"'{name}' is not a valid time zone") from error


def zone_of(hours: int, minutes: int) -> str:
    """Return the zone of an offset."""
    if abs(hours) > 14 or not -59 <= minutes <= 59 or hours * minutes < 0:
        raise invalid(f"Invalid offset hours and minutes: {hours}, {minutes}")
    sign = "-" if hours < 0 or minutes < 0 else "+"
    return zone(f"{sign}{abs(hours):02d}:{abs(minutes):02d}")


_ISO = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?|-W(\d{2})(?:-(\d))?|-(\d{3}))?"
    r"(?:T(?:(\d{2})(?::(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?"
)


def _iso_day(found: re.Match[str]) -> date:
    if found[4]:
        return date.fromisocalendar(int(found[1]), int(found[4]), int(found[5] or 1))
    if found[6]:
        return date(int(found[1]), 1, 1) + timedelta(days=int(found[6]) - 1)
    return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))


def iso8601(text: str) -> str:
    """Read an ISO 8601 time; return it as a timestamp literal with a zone."""
    found = _ISO.fullmatch(text)
    try:
        if not found:
            raise ValueError("no ISO 8601")
        day = _iso_day(found)
        clock = [int(found[place] or 0) for place in (7, 8, 9)]
        if clock[0] > 23 or clock[1] > 59 or clock[2] > 59:
            raise ValueError("out of range")
    except ValueError as error:
        raise invalid(f'Invalid format: "{text}"') from error
    fraction = (found[10] or "0").ljust(3, "0")[:3]
    return f"{day} {clock[0]:02d}:{clock[1]:02d}:{clock[2]:02d}.{fraction} {zone(found[11] or 'UTC')}"


def iso8601_date(text: str) -> date:
    """Read an ISO 8601 date."""
    found = _ISO.fullmatch(text)
    try:
        if not found or "T" in text:
            raise ValueError("no date")
        return _iso_day(found)
    except ValueError as error:
        raise invalid(f'Invalid format: "{text}"') from error


_JODA = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letter>[a-zA-Z])(?P=letter)*|(?P<plain>.)", re.DOTALL)


def _joda_tokens(shape: str) -> list[tuple[str, int]]:
    """Split a Joda pattern into letters with their counts; plain text has the count 0."""
    tokens = []
    for found in _JODA.finditer(shape):
        if found["quoted"] is not None:
            tokens.append((found["quoted"].replace("''", "'") or "'", 0))
        elif found["letter"]:
            tokens.append((found["letter"], len(found[0])))
        else:
            tokens.append((found["plain"], 0))
    return tokens


def format_datetime(value: datetime, shape: str, name: str) -> str:
    """Format a time, given in its zone, with a pattern of Joda."""
    return "".join(letter if not count else _joda(value, letter, count, name) for letter, count in _joda_tokens(shape))


def _joda(value: datetime, letter: str, count: int, name: str) -> str:
    numbers = {
        "y": value.year, "Y": value.year, "x": value.isocalendar().year, "w": value.isocalendar().week,
        "e": value.isoweekday(), "D": value.timetuple().tm_yday, "d": value.day, "H": value.hour, "m": value.minute,
        "h": (value.hour - 1) % 12 + 1, "K": value.hour % 12, "k": value.hour or 24, "s": value.second,
    }  # fmt: skip
    if letter in numbers:
        short = letter in "yYx" and count == 2
        return f"{numbers[letter] % 100:02d}" if short else str(numbers[letter]).zfill(count)
    if letter == "M":
        month = _MONTHS[value.month - 1]
        return month if count > 3 else month[:3] if count == 3 else str(value.month).zfill(count)
    if letter == "Z" and (count > 2 or name == "UTC" or name[0] in "+-"):
        offset = "+00:00" if name == "UTC" else name
        return name if count > 2 else offset if count == 2 else offset.replace(":", "")
    words = {
        "E": _DAYS[value.weekday()] if count > 3 else _DAYS[value.weekday()][:3],
        "S": f"{value.microsecond:06d}".ljust(count, "0")[:count],
        "a": "AM" if value.hour < 12 else "PM",
    }
    if letter not in words:
        raise unsupported(f"format letter {letter}")
    return words[letter]


def parse_datetime(text: str, shape: str) -> str:
    """Read a time in a pattern of Joda; return it as a timestamp literal with a zone."""
    given, pattern = (
        {"y": "Y", "Y": "Y", "M": "m", "d": "d", "H": "H", "h": "h", "m": "i", "s": "s", "S": "f", "a": "p"},
        "",
    )
    for letter, count in _joda_tokens(shape):
        if not count:
            pattern += re.escape(letter)
        elif letter == "Z":
            pattern += r"(?P<Z>Z|[+-]\d{2}:?\d{2})" if count < 3 else r"(?P<Z>[A-Za-z_/+\-0-9:]+)"
        elif letter in given and not (letter == "M" and count > 2) and not (letter in "yY" and count == 2):
            piece = {"p": "[AaPp][Mm]", "f": r"\d{1,9}", "Y": r"\d{4}"}.get(given[letter], r"\d{1,2}")
            pattern += f"(?P<{given[letter]}>{piece})"
        else:
            raise unsupported(f"format {shape}")
    found = re.fullmatch(pattern, text)
    try:
        if not found:
            raise ValueError("no match")
        parts = {name: value for name, value in found.groupdict().items() if value is not None}
        offset = parts.pop("Z", "UTC")
        return f"{_assembled(parts).isoformat(' ', 'milliseconds')} {zone(offset)}"
    except ValueError as error:
        raise invalid(f'Invalid format: "{text}" does not match {shape}') from error


def teradata_parse(text: str, shape: str) -> datetime:
    """Read a time in a format of Teradata: yyyy, mm, dd, hh, hh24, mi, ss."""
    letters = {"yyyy": "Y", "yy": "y", "mm": "m", "dd": "d", "hh24": "H", "hh": "h", "mi": "i", "ss": "s"}
    pattern, place = "", 0
    while place < len(shape):
        token = next((name for name in ("hh24", *letters) if shape.startswith(name, place)), None)
        if token is None and shape[place].isalpha():
            raise invalid(f"Failed to tokenize string [{shape}] at offset [{place}]")
        pattern += f"%{letters[token]}" if token else shape[place]
        place += len(token or " ")
    return date_parse(text, pattern)


def human_seconds(value: float) -> str:
    """Return seconds as weeks, days, hours, minutes and seconds."""
    rest, parts = int(value), list[str]()
    for size, name in ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        amount, rest = divmod(rest, size)
        if amount or (name == "second" and not parts):
            parts.append(f"{amount} {name}{'' if amount == 1 else 's'}")
    return ", ".join(parts)


FUNCTIONS: dict[str, tuple[Callable[..., Any], list[str], str]] = {
    "date_format": (date_format, ["TIMESTAMP", "VARCHAR"], "VARCHAR"),
    "date_parse": (date_parse, ["VARCHAR", "VARCHAR"], "TIMESTAMP"),
    "format_datetime": (format_datetime, ["TIMESTAMP", "VARCHAR", "VARCHAR"], "VARCHAR"),
    "parse_datetime": (parse_datetime, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "teradata_parse": (teradata_parse, ["VARCHAR", "VARCHAR"], "TIMESTAMP"),
    "iso8601": (iso8601, ["VARCHAR"], "VARCHAR"),
    "iso8601_date": (iso8601_date, ["VARCHAR"], "DATE"),
    "zone_of": (zone_of, ["BIGINT", "BIGINT"], "VARCHAR"),
    "zone": (zone, ["VARCHAR"], "VARCHAR"),
    "human_seconds": (human_seconds, ["DOUBLE"], "VARCHAR"),
}
