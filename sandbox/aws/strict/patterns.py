"""Patterns of service models, written for Java, as compiled Python patterns."""

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache

# A class of Java that Python does not have, as the inside of a Python class.
_NAMED = {"Alnum": "a-zA-Z0-9", "Alpha": "a-zA-Z", "Digit": "0-9", "Print": "\\x20-\\x7E", "ASCII": "\\x00-\\x7F"}
# Models name everything above the basic plane by its first and last pair of surrogates.
_ABOVE = "\\uD800\\uDC00-\\uDBFF\\uDFFF"
_TOKEN = re.compile(r"\\p\{(\w+)\}|\\.|\[|\]|\$\{\d*,?\d*\}|.", re.DOTALL)
_SHORTHAND = re.compile(r"\\[wWdDsS]|\\p\{\w+\}")


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    r"""Compile a model's pattern; values must match it as a whole.

    Example:
        >>> bool(compiled(r"[\p{L}\p{N}-_]*").fullmatch("größe-7"))
        True
    """
    return re.compile("".join(_translated(pattern.replace(_ABOVE, "\\U00010000-\\U0010FFFF"))), re.ASCII)


def _translated(pattern: str) -> Iterator[str]:
    inside, before = False, ""
    for found in _TOKEN.finditer(pattern):
        piece = found[0]
        if piece in "[]":
            inside = piece == "[" or (inside and piece != "]")
            yield piece if piece == "]" or before != "[" else "\\["
        elif found[1]:
            yield _category(found[1]) if inside else f"[{_category(found[1])}]"
        elif piece.startswith("${"):
            yield "$"
        elif inside and piece == "-" and _SHORTHAND.fullmatch(before):
            yield "\\-"
        else:
            yield piece
        before = piece


def _category(name: str) -> str:
    return _NAMED.get(name) or _ranges(name)


@cache
def _ranges(name: str) -> str:
    """Return a Unicode category, such as `L`, as ranges of a class."""
    points = [point for point, category in enumerate(_categories()) if category.startswith(name)]
    starts = [point for before, point in zip([-2, *points], points, strict=False) if point != before + 1]
    ends = [point for point, after in zip(points, [*points[1:], -2], strict=True) if after != point + 1]
    return "".join(f"\\U{start:08X}-\\U{end:08X}" for start, end in zip(starts, ends, strict=True))


@cache
def _categories() -> list[str]:
    return [unicodedata.category(chr(point)) for point in range(sys.maxunicode + 1)]
