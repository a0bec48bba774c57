"""The fast path from a raw column to the model's numbers, for columns without a fault.

`data.coercion` makes canonical Arrow columns and names every fault, in several passes over the values. Scoring needs
only numbers, and nearly every block is clean: here a column is converted once and checked by its extremes. A column
with a fault takes the slow path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.rule import Rule
from credit_model.data.coercion import coerce
from credit_model.types import Floats

# Canonical values of a column as numbers, NaN for missing ones.
Numbers = Callable[[pa.Array], Floats]


def read_quickly(array: pa.Array, rule: Rule, out: Floats, numbers: Numbers) -> bool:
    """Write the numbers of a raw column, or return False for a column that needs the slow path.

    Args:
        array: Values as a file or client delivers them, possibly dictionary-encoded, shape (rows,).
        rule: What a legal value of the column is.
        out: Where to write, shape (rows,). Undefined where the answer is False.
        numbers: Turns canonical values of the column into numbers.

    Returns:
        False where a value is at fault or the type is one that only the slow path reads.
    """
    if not len(array):
        return True
    if array.null_count and not rule.nullable:
        return False
    if rule.is_number:
        return _is_number(array.type) and _numbers(array, rule, out)
    if pa.types.is_boolean(array.type) and rule.kind == "boolean":
        np.copyto(out, numbers(array))
        return True
    return _is_text(array.type) and _distinct(array, rule, out, numbers)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _numbers(array: pa.Array, rule: Rule, out: Floats) -> bool:
    np.copyto(out, array.to_numpy(zero_copy_only=False), casting="unsafe")
    missing = array.null_count
    if missing == len(array):
        return True
    # min and max pass NaN on, fmin and fmax ignore it: where nulls are NaN, other NaNs must be counted.
    low, high = (np.fmin.reduce(out), np.fmax.reduce(out)) if missing else (out.min(), out.max())
    # NaN and infinity are never within the limits.
    if not (rule.limits[0] <= low and high <= rule.limits[1]):
        return False
    floating = pa.types.is_floating(array.type)
    if missing and floating and np.count_nonzero(np.isnan(out)) != missing:
        return False
    if not (rule.is_whole and floating):
        return True
    return bool(np.count_nonzero(np.floor(out) == out) == len(out) - missing)


def _distinct(array: pa.Array, rule: Rule, out: Floats, numbers: Numbers) -> bool:
    """Check each distinct text once."""
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    coerced = coerce(encoded.dictionary, rule, closed=False)
    if coerced.faults:
        return False
    found = np.append(numbers(coerced.values), np.nan)
    np.take(found, level_places(encoded, len(found) - 1), out=out, mode="clip")
    return True


def level_places(encoded: pa.DictionaryArray, missing: int) -> npt.NDArray[np.integer[Any]]:
    """Return the place of each value's level in the dictionary, shape (rows,).

    Args:
        encoded: Dictionary-encoded values.
        missing: Place to give null.
    """
    indices = encoded.indices
    if indices.type.bit_width < 32:
        # A narrow type may not reach the place after the last level, as eight bits do not with 128 levels.
        indices = indices.cast(pa.int32())
    places: npt.NDArray[np.integer[Any]] = pc.fill_null(indices, pa.scalar(missing, indices.type)).to_numpy(
        zero_copy_only=False
    )
    return places
