"""The quick way from a raw column to the model's numbers, for columns without a fault; any other goes the slow way.

`coercion` makes canonical Arrow columns and names every fault, at several passes over the values. Scoring needs numbers
only, and nearly every block is clean: here a column is converted once and judged by its extremes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.contract import Column
from credit_model.data.coercion import coerce
from credit_model.data.whole_numbers import EXACT
from credit_model.types import Floats

# Canonical values of a column as numbers, NaN for missing ones.
Numbers = Callable[[pa.Array, Column], Floats]


def read_quickly(array: pa.Array, column: Column, out: Floats, numbers: Numbers) -> bool:
    """Writes the numbers of a raw column; False where it has a fault or a type that takes the slow way.

    Args:
        array: Values as a file or client delivers them, possibly dictionary-encoded.
        column: What the contract says about the column.
        out: Where to write, shape (rows,); its content is undefined where the answer is False.
        numbers: Turns canonical values of the column into numbers.
    """
    if not len(array):
        return True
    if array.null_count and not column.nullable:
        return False
    if column.kind in {"numeric", "integer"}:
        return _is_number(array.type) and _numbers(array, column, out)
    if pa.types.is_boolean(array.type) and column.kind == "boolean":
        np.copyto(out, numbers(array, column))
        return True
    return _is_text(array.type) and _distinct(array, column, out, numbers)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _numbers(array: pa.Array, column: Column, out: Floats) -> bool:
    np.copyto(out, array.to_numpy(zero_copy_only=False), casting="unsafe")
    missing = array.null_count
    if missing == len(array):
        return True
    # min and max pass NaN on, fmin and fmax pass over it: where nulls are NaN, other NaNs must be counted.
    low, high = (np.fmin.reduce(out), np.fmax.reduce(out)) if missing else (out.min(), out.max())
    floor = -inf if column.min is None else column.min
    ceiling = inf if column.max is None else column.max
    if not (np.isfinite(low) and np.isfinite(high) and floor <= low and high <= ceiling):
        return False
    floating = pa.types.is_floating(array.type)
    if missing and floating and np.count_nonzero(np.isnan(out)) != missing:
        return False
    return column.kind == "numeric" or _is_whole(out, missing, low=low, high=high, floating=floating)


def _is_whole(values: Floats, missing: int, *, low: float, high: float, floating: bool) -> bool:
    if low < -EXACT or high > EXACT:
        return False
    return not floating or np.count_nonzero(np.floor(values) == values) == len(values) - missing


def _distinct(array: pa.Array, column: Column, out: Floats, numbers: Numbers) -> bool:
    """Each distinct text is judged once."""
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    coerced = coerce(encoded.dictionary, column, closed=False)
    if coerced.faults:
        return False
    found = np.append(numbers(coerced.values, column), np.nan)
    places = pc.fill_null(encoded.indices, pa.scalar(len(found) - 1, encoded.indices.type))
    np.take(found, places.to_numpy(zero_copy_only=False), out=out, mode="clip")
    return True
