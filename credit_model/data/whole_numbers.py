"""How Arrow columns of whole numbers are written as text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.rule import EXACT


def without_point(text: pa.Array, *, pattern: str) -> pa.Array:
    """Return text with whole numbers written without a decimal point: `1` for `1.0`.

    Args:
        text: Array of strings.
        pattern: Regular expression whose first group is the whole number.
    """
    return pc.replace_substring_regex(text, pattern=pattern, replacement=r"\1")


def floats_as_text(array: pa.Array) -> pa.Array:
    """Return floats as text: exact whole ones as digits without a point or an exponent, others as Arrow writes them."""
    floats = array.cast(pa.float64())
    whole = pc.and_(pc.equal(pc.floor(floats), floats), pc.less_equal(pc.abs(floats), EXACT))
    digits = pc.if_else(whole, floats, pa.scalar(None, pa.float64())).cast(pa.int64()).cast(pa.string())
    return pc.if_else(whole, digits, floats.cast(pa.string()))
