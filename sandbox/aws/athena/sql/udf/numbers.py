"""Numbers: their text in Java, exact division of decimals, bases and bits."""

import decimal
import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from sandbox.aws.athena.sql.udf.failure import FunctionError, invalid

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_EXACT = decimal.Context(prec=120, rounding=decimal.ROUND_HALF_UP)


def scientific(value: float, shortest: str) -> str:
    """Return the text of a cast to varchar: one digit before the point, and an exponent.

    >>> [scientific(value, repr(abs(value))) for value in (1.5, 0.0, -120.0)]
    ['1.5E0', '0E0', '-1.2E2']
    """
    if math.isnan(value):
        return "NaN"
    sign = "-" if math.copysign(1, value) < 0 else ""
    if math.isinf(value):
        return f"{sign}Infinity"
    if value == 0:
        return f"{sign}0E0"
    _, digits, exponent = decimal.Decimal(shortest).as_tuple()
    mantissa = "".join(map(str, digits)).rstrip("0") or "0"
    return f"{sign}{mantissa[0]}.{mantissa[1:] or '0'}E{int(exponent) + len(digits) - 1}"


def cube_root(value: float) -> float:
    """Return the cube root to the nearest double, as Java does."""
    root = math.cbrt(value)
    return root - (root**3 - value) / (3 * root**2) if root and math.isfinite(root) else root


def double_text(value: float) -> str:
    """Return the text of a double."""
    return scientific(value, repr(abs(value)))


def real_text(value: float) -> str:
    """Return the text of a 32-bit float."""
    return scientific(value, str(np.float32(abs(value))))


def _shown(value: decimal.Decimal, scale: int) -> str:
    found = value.quantize(decimal.Decimal(1).scaleb(-scale), context=_EXACT)
    if len(found.as_tuple().digits) > 38:
        raise FunctionError("NUMERIC_VALUE_OUT_OF_RANGE: Decimal overflow")
    return format(found, "f")


def decimal_divide(left: str, right: str, scale: int) -> str:
    """Divide two decimals and round half up."""
    if decimal.Decimal(right) == 0:
        raise FunctionError("DIVISION_BY_ZERO: Division by zero")
    return _shown(_EXACT.divide(decimal.Decimal(left), decimal.Decimal(right)), scale)


def decimal_modulo(left: str, right: str, scale: int) -> str:
    """Return the remainder, with the sign of the dividend."""
    if decimal.Decimal(right) == 0:
        raise FunctionError("DIVISION_BY_ZERO: Division by zero")
    return _shown(_EXACT.remainder(decimal.Decimal(left), decimal.Decimal(right)), scale)


def decimal_round(value: str, digits: int, scale: int) -> str:
    """Round a decimal half up to some digits, and keep its scale."""
    step = decimal.Decimal(1).scaleb(-min(digits, scale))
    return _shown(decimal.Decimal(value).quantize(step, context=_EXACT), scale)


def decimal_truncate(value: str, digits: int, scale: int) -> str:
    """Cut a decimal off after some digits, and keep its scale."""
    step = decimal.Decimal(1).scaleb(-min(digits, scale))
    return _shown(decimal.Decimal(value).quantize(step, rounding=decimal.ROUND_DOWN, context=_EXACT), scale)


def to_base(value: int, radix: int) -> str:
    """Write a number in a base."""
    _check_radix(radix)
    rest, text = abs(value), ""
    while rest:
        rest, digit = divmod(rest, radix)
        text = _DIGITS[digit] + text
    return ("-" if value < 0 else "") + (text or "0")


def from_base(text: str, radix: int) -> int:
    """Read a number in a base."""
    _check_radix(radix)
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits or any(char not in _DIGITS[:radix] for char in digits.lower()):
        raise invalid(f"Not a valid base-{radix} number: {text}")
    value = int(text, radix)
    if not -(2**63) <= value < 2**63:
        raise invalid(f"Not a valid base-{radix} number: {text}")
    return value


def _check_radix(radix: int) -> None:
    if not 2 <= radix <= 36:
        raise invalid("Radix must be between 2 and 36")


def shift(how: str, value: int, count: int, bits: int) -> int:
    """Shift an integer of `bits` bits."""
    mask = (1 << bits) - 1
    if count < 0:
        raise invalid("Shift must be positive")
    if how == "arithmetic":
        return value >> min(count, bits - 1)
    found = ((value & mask) << count) & mask if how == "left" else (value & mask) >> count
    return found - (1 << bits) if found >> (bits - 1) else found


def bit_count(value: int, bits: int) -> int:
    """Count the ones of an integer in two's complement of `bits` bits."""
    if not 2 <= bits <= 64:
        raise invalid(f"Bits specified in bit_count must be between 2 and 64, got {bits}")
    if not -(1 << (bits - 1)) <= value < (1 << (bits - 1)):
        raise invalid(
            f"Number must be representable with the bits specified. {value} cannot be represented with {bits} bits"
        )
    return (value & ((1 << bits) - 1)).bit_count()


def normal_cdf(mean: float, deviation: float, value: float) -> float:
    """Return the normal distribution function."""
    if deviation <= 0:
        raise invalid("standardDeviation must be > 0")
    return NormalDist(mean, deviation).cdf(value)


def inverse_normal_cdf(mean: float, deviation: float, share: float) -> float:
    """Return the quantile of a normal distribution."""
    if not 0 < share < 1:
        raise invalid("p must be 0 > p > 1")
    if deviation <= 0:
        raise invalid("standardDeviation must be > 0")
    return NormalDist(mean, deviation).inv_cdf(share)


FUNCTIONS: dict[str, tuple[Callable[..., Any], list[str], str]] = {
    "cbrt": (cube_root, ["DOUBLE"], "DOUBLE"),
    "double_text": (double_text, ["DOUBLE"], "VARCHAR"),
    "real_text": (real_text, ["FLOAT"], "VARCHAR"),
    "decimal_divide": (decimal_divide, ["VARCHAR", "VARCHAR", "INTEGER"], "VARCHAR"),
    "decimal_modulo": (decimal_modulo, ["VARCHAR", "VARCHAR", "INTEGER"], "VARCHAR"),
    "decimal_round": (decimal_round, ["VARCHAR", "INTEGER", "INTEGER"], "VARCHAR"),
    "decimal_truncate": (decimal_truncate, ["VARCHAR", "INTEGER", "INTEGER"], "VARCHAR"),
    "to_base": (to_base, ["BIGINT", "BIGINT"], "VARCHAR"),
    "from_base": (from_base, ["VARCHAR", "BIGINT"], "BIGINT"),
    "shift": (shift, ["VARCHAR", "BIGINT", "BIGINT", "INTEGER"], "BIGINT"),
    "bit_count": (bit_count, ["BIGINT", "BIGINT"], "BIGINT"),
    "normal_cdf": (normal_cdf, ["DOUBLE", "DOUBLE", "DOUBLE"], "DOUBLE"),
    "inverse_normal_cdf": (inverse_normal_cdf, ["DOUBLE", "DOUBLE", "DOUBLE"], "DOUBLE"),
}
