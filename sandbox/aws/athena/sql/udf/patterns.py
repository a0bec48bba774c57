"""Regular expressions in Java's dialect."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sandbox.aws.athena.sql.udf.failure import invalid, unsupported

_NAMED = re.compile(r"\(\?<(?![=!])")
_FLAGS = re.compile(r"^\(\?([imsx]+)\)")


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of Java's dialect, where it says the same in Python's."""
    translated = _NAMED.sub("(?P<", pattern)
    if re.search(r"\\p\{|\\P\{|\[[^\]]*&&|\\[QEGXR]|\\h", translated):
        raise unsupported(f"regular expression {pattern}")
    translated = _scoped(re.sub(r"\\z", r"\\Z", translated), pattern)
    try:
        return re.compile(translated, re.ASCII if re.search(r"\\[dwsDWSbB]", translated) else 0)
    except re.error as error:
        raise invalid(f"{error}: {pattern}") from error


def _scoped(translated: str, pattern: str) -> str:
    """Let flags inside a pattern hold for the rest of it; Python has them at the start only."""
    found = re.search(r"(?<!\\)\(\?([imsx]+)\)", translated)
    if not found or found.start() == 0:
        return translated
    before, rest = translated[: found.start()], translated[found.end() :]
    if "|" in rest or before.count("(") != before.count(")"):
        raise unsupported(f"regular expression {pattern}")
    return f"{before}(?{found[1]}:{rest})"


def extract(text: str, pattern: str, group: int) -> str | None:
    """Return a group of the first match."""
    expression = _with_group(pattern, group)
    found = expression.search(text)
    return found[group] if found else None


def _with_group(pattern: str, group: int) -> re.Pattern[str]:
    expression = compiled(pattern)
    if group < 0:
        raise invalid("Group cannot be negative")
    if group > expression.groups:
        raise invalid(f"Pattern has {expression.groups} groups. Cannot access group {group}")
    return expression


def extract_all(text: str, pattern: str, group: int) -> list[str | None]:
    """Return a group of each match."""
    return [found[group] for found in _with_group(pattern, group).finditer(text)]


def replace(text: str, pattern: str, replacement: str) -> str:
    """Replace each match; `$1` and `${name}` stand for groups, and a backslash takes a character as it is."""
    expression = compiled(pattern)
    return expression.sub(lambda found: _filled(found, replacement), text)


def _filled(found: re.Match[str], replacement: str) -> str:
    text, place = "", 0
    while place < len(replacement):
        char = replacement[place]
        if char == "\\":
            if place + 1 == len(replacement):
                raise invalid(f"Illegal replacement sequence: {replacement}")
            text += replacement[place + 1]
            place += 2
        elif char == "$":
            value, place = _group(found, replacement, place + 1)
            text += value
        else:
            text += char
            place += 1
    return text


def _group(found: re.Match[str], replacement: str, place: int) -> tuple[str, int]:
    named = re.compile(r"\{(\w+)\}").match(replacement, place)
    if named:
        try:
            return found[named[1]] or "", named.end()
        except IndexError:
            raise invalid(f"Illegal replacement sequence: unknown group {{ {named[1]} }}") from None
    if not replacement[place : place + 1].isdigit():
        raise invalid(f"Illegal replacement sequence: {replacement}")
    number, place = int(replacement[place]), place + 1
    if number > found.re.groups:
        raise invalid(f"Illegal replacement sequence: unknown group {number}")
    while replacement[place : place + 1].isdigit() and int(f"{number}{replacement[place]}") <= found.re.groups:
        number, place = int(f"{number}{replacement[place]}"), place + 1
    return found[number] or "", place


def split(text: str, pattern: str) -> list[str]:
    """Split at each match."""
    parts, start = [], 0
    for found in compiled(pattern).finditer(text):
        parts.append(text[start : found.start()])
        start = found.end()
    return [*parts, text[start:]]


def position(text: str, pattern: str, start: int, occurrence: int) -> int:
    """Return the position of a match from `start` on; -1 without one."""
    if start < 1:
        raise invalid("start position cannot be smaller than 1")
    if occurrence < 1:
        raise invalid("occurrence cannot be smaller than 1")
    matches = [found.start() + 1 for found in compiled(pattern).finditer(text, start - 1)]
    return matches[occurrence - 1] if len(matches) >= occurrence else -1


FUNCTIONS: dict[str, tuple[Callable[..., Any], list[str], str]] = {
    "regexp_like": (lambda text, pattern: compiled(pattern).search(text) is not None, ["VARCHAR"] * 2, "BOOLEAN"),
    "regexp_extract": (extract, ["VARCHAR", "VARCHAR", "BIGINT"], "VARCHAR"),
    "regexp_extract_all": (extract_all, ["VARCHAR", "VARCHAR", "BIGINT"], "VARCHAR[]"),
    "regexp_replace": (replace, ["VARCHAR", "VARCHAR", "VARCHAR"], "VARCHAR"),
    "regexp_split": (split, ["VARCHAR", "VARCHAR"], "VARCHAR[]"),
    "regexp_count": (lambda text, pattern: len(compiled(pattern).findall(text)), ["VARCHAR", "VARCHAR"], "BIGINT"),
    "regexp_position": (position, ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT"], "BIGINT"),
}
