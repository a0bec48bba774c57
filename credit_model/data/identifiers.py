"""Application ids: one rule for what an id is and how it is written, for Python values and for Arrow columns.

An id is text or a whole number. Text loses the blanks at both ends; if nothing is left, there is no id. A whole number
is written in digits: 1, 1.0 and the text "1.0", as which many tools write a 1, are the same id. Anything else (true,
NaN, a fraction, a date, a list) is refused, as is a float too large to be exact.
"""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.rule import EXACT
from credit_model.data.coercion import Coerced, Fault, flat, is_text, show, value_at
from credit_model.data.whole_numbers import floats_as_text, without_point
from credit_model.errors import CreditModelError

# Narrower than `WHOLE_WITH_POINT` of the contract: any text is an id, so only what a tool makes of a whole number is
# rewritten. "007.0" and "+7.0" were typed as text, and stay as they are.
_WHOLE = r"^(0|-?[1-9][0-9]*)\.0+$"
_WHOLE_TEXT = re.compile(_WHOLE)
# Beyond the widest decimal of Arrow.
_MOST = 10**76


class IdentifierError(CreditModelError):
    """A value that cannot be an application id; the message says what to send."""


def identifier(value: object) -> str | None:
    """Return the application id of a plain Python or NumPy value as text; None for null and blank text.

    Example:
        >>> identifier(" a-1 "), identifier(7.0), identifier("7.0"), identifier("NA"), identifier(" ")
        ('a-1', '7', '7', 'NA', None)

    Raises:
        IdentifierError: Neither text nor a whole number, or a float too large to be exact.
    """
    if isinstance(value, str):
        text = value.strip()
        found = _WHOLE_TEXT.match(text) if ".0" in text else None
        return found[1] if found else text or None
    if value is None:
        return None
    if isinstance(value, np.generic):
        return identifier(value.item())
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise IdentifierError(_not_an_id(value))
    return _digits(value)


def _is_finite(value: float | Decimal) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else isinstance(value, int) or isfinite(value)


def _digits(value: float | Decimal) -> str:
    if not _is_finite(value) or not -_MOST < value < _MOST or value != int(value):
        raise IdentifierError(_not_an_id(value))
    if isinstance(value, float) and abs(value) > EXACT:
        raise IdentifierError(_inexact(value))
    return str(int(value))


def identifiers(values: pa.Array | pa.ChunkedArray) -> Coerced:
    """Return the application ids of a column as text, null where there is none, as `identifier` gives for each value.

    Args:
        values: Of any type.

    Returns:
        Text, and a fault for every value that cannot be an id.
    """
    array = flat(values)
    kind = array.type
    if is_text(array):
        text = pc.utf8_trim_whitespace(array.cast(pa.string()))
        if pc.any(pc.match_substring(text, ".0")).as_py():  # this look takes a tenth of the time of the rewriting
            text = without_point(text, pattern=_WHOLE)
        if pc.min(pc.binary_length(text)).as_py() == 0:
            text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
        return Coerced(text)
    if pa.types.is_integer(kind) or pa.types.is_null(kind):
        return Coerced(array.cast(pa.string()))
    if pa.types.is_floating(kind):
        return _of_floats(array)
    if pa.types.is_decimal(kind):
        return _one_by_one(array)
    return _all_refused(array)


def required_identifiers(values: pa.Array | pa.ChunkedArray) -> Coerced:
    """Return what `identifiers` does, with a fault for every row without an id as well."""
    array = flat(values)
    coerced = identifiers(array)
    refused = np.zeros(len(array), dtype=np.bool_)
    refused[[fault.row for fault in coerced.faults]] = True
    missing = np.asarray(coerced.values.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
    coerced.reject(missing & ~refused, array, "the application id is missing")
    return coerced


def _of_floats(array: pa.Array) -> Coerced:
    floats = array.cast(pa.float64())
    coerced = Coerced(floats_as_text(floats))
    numbers = floats.to_numpy(zero_copy_only=False)
    given = np.asarray(array.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(numbers) & (np.floor(numbers) == numbers) & (np.abs(numbers) < _MOST)
        exact = np.abs(numbers) <= EXACT
    coerced.reject(given & ~whole, array, _not_an_id())
    coerced.reject(given & whole & ~exact, array, _inexact())
    return coerced


def _one_by_one(array: pa.Array) -> Coerced:
    """Read decimals value by value; few files have them."""
    texts: list[str | None] = []
    faults = []
    for row, value in enumerate(array.to_pylist()):
        try:
            texts.append(identifier(value))
        except IdentifierError as error:
            texts.append(None)
            faults.append(Fault(row, str(error)))
    return Coerced(pa.array(texts, pa.string()), faults)


def _all_refused(array: pa.Array) -> Coerced:
    rows = np.flatnonzero(array.is_valid().to_numpy(zero_copy_only=False)).tolist()
    faults = [Fault(row, _not_an_id(value_at(array, row))) for row in rows]
    return Coerced(pa.nulls(len(array), pa.string()), faults)


def _not_an_id(*value: object) -> str:
    return f"{show(value[0]) if value else '{}'} is not an application id; send text or a whole number"


def _inexact(*value: object) -> str:
    return f"{show(value[0]) if value else '{}'} is too large for an exact id as a number; send it as text"
