"""The function `format`: Java's format strings."""

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox.aws.athena.sql.udf.failure import invalid, unsupported

_SPECIFIER = re.compile(
    r"%(?P<index>\d+\$)?(?P<flags>[-#+ 0,(]*)(?P<width>\d+)?(?:\.(?P<digits>\d+))?(?P<kind>[a-zA-Z%])"
)
_INTEGERS = ("tinyint", "smallint", "integer", "bigint")


def formatted(shape: str, values: list[str | None], kinds: list[str]) -> str:
    """Fill a format string with values, whose types are named."""
    text, place, following = "", 0, 0
    for found in _SPECIFIER.finditer(shape):
        text += _plain(shape[place : found.start()], shape)
        place = found.end()
        if found["kind"] in "%n":
            text += "%" if found["kind"] == "%" else "\n"
            continue
        position = int(found["index"][:-1]) - 1 if found["index"] else following
        following += not found["index"]
        if position >= len(values):
            raise invalid(f"Invalid format string: {shape} (Format specifier '{found[0]}')")
        text += _padded(_converted(found, values[position], kinds[position], shape), found)
    return text + _plain(shape[place:], shape)


def _plain(text: str, shape: str) -> str:
    if "%" in text:
        raise invalid(f"Invalid format string: {shape}")
    return text


def _padded(text: str, found: re.Match[str]) -> str:
    width = int(found["width"] or 0)
    if "-" in found["flags"]:
        return text.ljust(width)
    if "0" in found["flags"] and found["kind"] in "dfxXo":
        sign = text[:1] if text[:1] in ("-", "+") else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _converted(found: re.Match[str], value: str | None, kind: str, shape: str) -> str:
    letter = found["kind"]
    if letter in "sS":
        text = "null" if value is None else value
        text = text[: int(found["digits"])] if found["digits"] else text
        return text.upper() if letter == "S" else text
    if value is None:
        return "null"
    if letter in "bB":
        return value if kind == "boolean" else "true"
    if letter in "dxXo" and kind in _INTEGERS:
        return _integer(found, int(value))
    if letter == "f" and kind in ("double", "real", "decimal"):
        return _fixed(found, value)
    if letter in "eEgGaAcChH" or letter in "tT":
        raise unsupported(f"format {found[0]}")
    raise invalid(f"Invalid format string: {shape} ({letter} != {kind})")


def _integer(found: re.Match[str], value: int) -> str:
    letter, flags = found["kind"], found["flags"]
    if letter == "d":
        return _signed(format(abs(value), "," if "," in flags else "d"), negative=value < 0, flags=flags)
    return format(value % 2**64 if value < 0 else value, letter)


def _fixed(found: re.Match[str], value: str) -> str:
    number = Decimal(value.replace("inf", "Infinity")) if value not in ("nan", "inf", "-inf") else None
    if number is None:
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[value]
    digits = int(found["digits"]) if found["digits"] else 6
    rounded = abs(number).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    text = format(rounded, ",f" if "," in found["flags"] else "f")
    return _signed(text, negative=number.is_signed(), flags=found["flags"])


def _signed(text: str, *, negative: bool, flags: str) -> str:
    if negative:
        return f"({text})" if "(" in flags else f"-{text}"
    return f"+{text}" if "+" in flags else f" {text}" if " " in flags else text


FUNCTIONS: dict[str, tuple[Callable[..., Any], list[str], str]] = {
    "format": (formatted, ["VARCHAR", "VARCHAR[]", "VARCHAR[]"], "VARCHAR")
}
