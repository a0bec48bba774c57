"""Whole numbers: how far float64 tells one from the next, and how they are written as text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

# The largest whole number that float64 tells from its neighbours: 2**53 may stand for 2**53 + 1 as well.
EXACT = float(2**53 - 1)


def without_point(text: pa.Array, *, pattern: str) -> pa.Array:
    """Text with whole numbers written without a decimal point, as `1` for the `1.0` that many tools make of it.

    Args:
        text: Array of strings.
        pattern: Regular expression whose first group is the whole number.
    """
    return pc.replace_substring_regex(text, pattern=pattern, replacement=r"\1")


def floats_as_text(array: pa.Array) -> pa.Array:
    """Floats as text: whole ones that are exact without a point or an exponent, all others as Arrow writes them."""
    floats = array.cast(pa.float64())
    whole = pc.and_(pc.equal(pc.floor(floats), floats), pc.less_equal(pc.abs(floats), EXACT))
    digits = pc.if_else(whole, floats, pa.scalar(None, pa.float64())).cast(pa.int64()).cast(pa.string())
    return pc.if_else(whole, digits, floats.cast(pa.string()))
