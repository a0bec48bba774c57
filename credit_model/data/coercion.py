"""Conversion of raw columns to the contract's types, with a fault for every value that does not fit."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field
from math import inf

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.contract import TIMESTAMP_TYPE
from credit_model.contract.rule import EMPTY, EXACT, FALSE_WORDS, TRUE_WORDS, WHOLE_WITH_POINT, Rule
from credit_model.data.whole_numbers import floats_as_text, without_point

Mask = npt.NDArray[np.bool_]

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_ZONED = r"(Z|[+-]\d{2}:?\d{2})$"
_NOT_FINITE = ("nan", "inf", "+inf", "-inf", "infinity", "-infinity")


@dataclass(frozen=True)
class Fault:
    """One value that breaks the contract.

    Attributes:
        row: Zero-based row in the array.
        reason: What is wrong, starting with the value.
    """

    row: int
    reason: str


@dataclass
class Coerced:
    """A column in canonical type.

    Attributes:
        values: Array of the contract's type; faulty values are null.
        faults: Every faulty value.
    """

    values: pa.Array
    faults: list[Fault] = field(default_factory=list)

    def reject(self, mask: Mask, raw: pa.Array, reason: str) -> None:
        """Record the rows of `mask` as faulty; `{}` in the reason stands for the raw value."""
        rows = np.flatnonzero(mask)
        if not rows.size:
            return
        self.faults += [Fault(row, reason.replace("{}", show(value_at(raw, row)), 1)) for row in rows.tolist()]
        self.values = pc.if_else(pa.array(mask), pa.scalar(None, self.values.type), self.values)


def show(value: object) -> str:
    """Return a value as messages show it: text in quotes, long or nested values cut.

    Example:
        >>> show("a"), show(7.0), show([1, 2])
        ("'a'", '7', '[1, 2]')
    """
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # whole numbers of a CSV are read as float64
    return reprlib.repr(value) if isinstance(value, list | tuple | dict | bytes) else str(value)


def flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return one array with plain (not dictionary-encoded) values."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def value_at(array: pa.Array, row: int) -> object:
    """Return one raw value for a message; a description where Python has no such value (a date after the year 9999)."""
    try:
        found: object = array[row].as_py()
    except (ArithmeticError, LookupError, ValueError):
        return f"a {array.type} that cannot be read"
    return found


def coerce(values: pa.Array | pa.ChunkedArray, rule: Rule, *, closed: bool = True) -> Coerced:
    """Return the canonical values of a contract column.

    Example:
        >>> found = coerce(pa.array(["18", "150"]), Rule("integer", low=18, high=100))
        >>> found.values.to_pylist(), found.faults
        ([18, None], [Fault(row=1, reason="'150' is above 100")])

    Args:
        values: Text, numbers, booleans or dictionaries of them, shape (rows,).
        rule: What a legal value of the column is.
        closed: Whether an unlisted level of a closed categorical column is a fault (in an ordinal column it always is).

    Returns:
        Values of the contract's Arrow type for that kind, shape (rows,), and the faults: wrong type, NaN or infinity,
        out of bounds, unknown level, required value missing.
    """
    array = flat(values)
    if rule.kind == "boolean":
        coerced = to_boolean(array)
    elif rule.is_number:
        coerced = _number(array, rule)
    else:
        coerced = _levels(array, rule, closed=closed)
    if not rule.nullable:
        coerced.reject(_missing(array, rule), array, "a value is missing; the contract requires one")
    return coerced


def _missing(array: pa.Array, rule: Rule) -> Mask:
    # Blank text is a missing level; as a number or a boolean it is a fault of its own.
    blank = rule.has_levels and is_text(array)
    return _mask(pc.or_kleene(pc.is_null(array), pc.equal(_text(array), EMPTY)) if blank else pc.is_null(array))


def to_boolean(array: pa.Array) -> Coerced:
    """Return booleans from true, false, 0 and 1, as text in any case or as numbers.

    Example:
        >>> to_boolean(pa.array(["True", "0"])).values.to_pylist()
        [True, False]
    """
    if pa.types.is_boolean(array.type) or pa.types.is_null(array.type):
        return Coerced(array.cast(pa.bool_()))
    if not is_plain(array):
        return _all_wrong(array, pa.bool_(), "{} is not true or false")
    # Adding zero turns -0.0 into 0.0, which is written as "0" and not as "-0".
    plain = pc.add(array.cast(pa.float64()), 0.0) if pa.types.is_floating(array.type) else array
    text = pc.utf8_lower(_text(plain))
    known = pc.is_in(text, value_set=pa.array([*TRUE_WORDS, *FALSE_WORDS]))
    coerced = Coerced(pc.if_else(known, pc.is_in(text, value_set=pa.array(TRUE_WORDS)), pa.scalar(None, pa.bool_())))
    coerced.reject(_mask(pc.and_(pc.is_valid(text), pc.invert(known))), array, "{} is not true or false")
    return coerced


def to_timestamp(array: pa.Array) -> Coerced:
    """Return UTC microseconds from ISO 8601 text (no zone means UTC), dates or timestamps."""
    if pa.types.is_null(array.type):
        return Coerced(array.cast(TIMESTAMP_TYPE))
    if pa.types.is_temporal(array.type) and not pa.types.is_time(array.type) and not pa.types.is_duration(array.type):
        return Coerced(_utc(array))
    if not is_text(array):
        return _all_wrong(array, TIMESTAMP_TYPE, "{} is not an ISO 8601 time")
    text = _text(array)
    try:
        return Coerced(_parse_times(text))
    except pa.ArrowInvalid:
        parsed = [_parse_time(value) for value in text.to_pylist()]
    coerced = Coerced(pa.array(parsed, TIMESTAMP_TYPE))
    wrong = pc.and_(pc.is_valid(text), pc.is_null(coerced.values))
    coerced.reject(_mask(wrong), array, "{} is not an ISO 8601 time such as 2025-03-31T14:05:00Z")
    return coerced


def _mask(values: pa.Array) -> Mask:
    filled = pc.fill_null(values, fill_value=False)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.bool_)


def is_text(array: pa.Array) -> bool:
    """Return whether values are text, not dictionary-encoded."""
    kind = array.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_plain(array: pa.Array) -> bool:
    """Return whether each value can be written as text: no lists, structs or bytes."""
    kind = array.type
    return is_text(array) or any(test(kind) for test in (pa.types.is_primitive, pa.types.is_decimal, pa.types.is_null))


def _all_wrong(array: pa.Array, kind: pa.DataType, reason: str) -> Coerced:
    """Return faults for every value of a column of the wrong type."""
    coerced = Coerced(pa.nulls(len(array), kind))
    coerced.reject(_mask(pc.is_valid(array)), array, reason)
    return coerced


def _text(array: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(array.cast(pa.string()))


def _number(array: pa.Array, rule: Rule) -> Coerced:
    coerced = _text_to_float(array) if is_text(array) else _to_float(array)
    floats = coerced.values
    coerced.reject(_mask(pc.invert(pc.is_finite(floats))), array, "{} is not a finite number")
    if rule.low > -inf:
        coerced.reject(_mask(pc.less(floats, rule.low)), array, f"{{}} is below {rule.low:g}")
    if rule.high < inf:
        coerced.reject(_mask(pc.greater(floats, rule.high)), array, f"{{}} is above {rule.high:g}")
    if rule.is_whole:
        finite = coerced.values
        coerced.reject(_mask(pc.not_equal(finite, pc.floor(finite))), array, "{} is not a whole number")
        coerced.reject(_mask(pc.greater(pc.abs(coerced.values), EXACT)), array, "{} is too large for a whole number")
        coerced.values = coerced.values.cast(pa.int64())
    return coerced


def _to_float(array: pa.Array) -> Coerced:
    kind = array.type
    if pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Coerced(array.cast(pa.float64(), safe=False))
    return _all_wrong(array, pa.float64(), "{} is not a number")


def _text_to_float(array: pa.Array) -> Coerced:
    try:
        return Coerced(array.cast(pa.float64()))
    except pa.ArrowInvalid:
        text = _text(array)
    # Words such as nan and inf are not in the pattern, so that they get a message of their own.
    words = pc.is_in(pc.utf8_lower(text), value_set=pa.array(_NOT_FINITE))
    legal = pc.match_substring_regex(text, _NUMBER)
    coerced = Coerced(pc.if_else(legal, text, pa.scalar(None, pa.string())).cast(pa.float64()))
    coerced.reject(_mask(words), array, "{} is not a finite number")
    wrong = pc.and_(pc.is_valid(text), pc.invert(pc.or_(legal, words)))
    coerced.reject(_mask(wrong), array, "{} is not a number")
    return coerced


def _levels(array: pa.Array, rule: Rule, *, closed: bool) -> Coerced:
    if pa.types.is_boolean(array.type) or pa.types.is_temporal(array.type) or not is_plain(array):
        return _all_wrong(array, pa.string(), "{} is not a level")
    floating = pa.types.is_floating(array.type)
    text = _text(floats_as_text(array) if floating else array)
    coerced = Coerced(pc.if_else(pc.equal(text, EMPTY), pa.scalar(None, pa.string()), text))
    if floating:
        infinite = pc.and_(pc.is_valid(array), pc.invert(pc.is_finite(array.cast(pa.float64()))))
        coerced.reject(_mask(infinite), array, "{} is not a finite number")
    return coerced if rule.open else _listed(coerced, array, rule, closed=closed)


def _listed(coerced: Coerced, array: pa.Array, rule: Rule, *, closed: bool) -> Coerced:
    text = coerced.values
    listed = pa.array(rule.levels, pa.string())
    known = pc.is_in(text, value_set=listed)
    if not pc.all(pc.or_(known, pc.is_null(text))).as_py():
        text = pc.if_else(known, text, without_point(text, pattern=WHOLE_WITH_POINT))
        known = pc.is_in(text, value_set=listed)
    coerced.values = text
    if rule.refuses_unlisted(closed=closed):
        unknown = pc.and_(pc.is_valid(text), pc.invert(known))
        coerced.reject(_mask(unknown), array, f"{{}} is not one of {rule.listing}")
    return coerced


def _utc(array: pa.Array) -> pa.Array:
    if getattr(array.type, "tz", None):
        return array.cast(TIMESTAMP_TYPE, safe=False)
    return pc.assume_timezone(array.cast(pa.timestamp("us"), safe=False), "UTC")


def _parse_times(text: pa.Array) -> pa.Array:
    zoned = pc.match_substring_regex(text, _ZONED)
    missing = pa.scalar(None, pa.string())
    with_zone = pc.if_else(zoned, text, missing).cast(TIMESTAMP_TYPE)
    return pc.coalesce(with_zone, _utc(pc.if_else(zoned, missing, text).cast(pa.timestamp("us"))))


def _parse_time(value: str | None) -> object:
    try:
        return None if value is None else _parse_times(pa.array([value])).to_pylist()[0]
    except pa.ArrowInvalid:
        return None
