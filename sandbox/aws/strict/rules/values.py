"""Rules of DynamoDB about single values: exactly one type each, numbers of 38 digits, sets without duplicates."""

import re
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal, InvalidOperation
from itertools import filterfalse
from typing import Any

from sandbox.aws.strict.requests import Call

_MOST_DIGITS = 38
_USUAL = re.compile(r"-?\d{1,18}(?:\.\d{1,20})?").fullmatch
_EXACT = Context(prec=60)
_LARGEST, _SMALLEST = Decimal("9.9999999999999999999999999999999999999E+125"), Decimal("1E-130")
_ONE = "must contain exactly one of the supported datatypes"
_NULL = "One or more parameter values were invalid: Null attribute value types must have the value of true"
_SETS = {"SS": "string", "NS": "number", "BS": "binary"}
_HOLDING = ("Item", "Key", "ExpressionAttributeValues", "ExclusiveStartKey")


def broken(call: Call) -> str | None:
    """Return what is wrong with the first wrong value of a request."""
    return next((found for value in _values(call.parameters) if (found := _wrong(value))), None)


def normal(text: str) -> str:
    """Return a number as DynamoDB gives it back.

    >>> normal("1.0"), normal("0100"), normal("1e2"), normal("-0")
    ('1', '100', '100', '0')
    """
    number = Decimal(text)
    return f"{number.normalize(_EXACT):f}" if number else "0"


def _values(request: dict[str, Any]) -> Iterator[Any]:
    """Yield all attribute values of a request, its actions and its batches."""
    for name in _HOLDING:
        held = request.get(name)
        if held:
            yield from filterfalse(_plain, held.values())
    for action in request.get("TransactItems") or []:
        for inner in action.values():
            yield from _values(inner)
    for wanted in (request.get("RequestItems") or {}).values():
        for part in wanted.get("Keys") or [] if isinstance(wanted, dict) else []:
            yield from part.values()
        for write in wanted if isinstance(wanted, list) else []:
            for inner in write.values():
                yield from _values(inner)


def _plain(value: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether a value is certainly right: a text, or a usual number."""
    try:
        ((kind, inner),) = value.items()
    except ValueError:
        return False
    return kind == "S" or (kind == "N" and _USUAL(inner) is not None)


def _wrong(value: Any) -> str | None:  # noqa: ANN401 - JSON
    if len(value) != 1:
        return f"Supplied AttributeValue {'has more than one datatypes set' if value else 'is empty'}, {_ONE}"
    ((kind, inner),) = value.items()
    if kind in ("S", "B", "BOOL"):
        return None
    if kind == "N":
        return _number(inner)
    if kind in _SETS:
        return _set(kind, inner)
    if kind == "NULL":
        return None if inner else _NULL
    return _nested(inner.values() if kind == "M" else inner)


def _nested(values: Iterable[Any]) -> str | None:
    return next((found for item in values if (found := _wrong(item))), None)


def _number(text: str) -> str | None:
    if text.isdigit() and len(text) <= _MOST_DIGITS:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        shown = f": {text}" if text else ""
        return f"The parameter cannot be converted to a numeric value{shown}"
    if abs(number) > _LARGEST:
        return "Number overflow. Attempting to store a number with magnitude larger than supported range"
    if number and abs(number) < _SMALLEST:
        return "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    digits = "".join(str(digit) for digit in number.as_tuple().digits).strip("0")
    return "Attempting to store more than 38 significant digits in a Number" if len(digits) > _MOST_DIGITS else None


def _set(kind: str, inner: list[str]) -> str | None:
    if not inner:
        return f"One or more parameter values were invalid: An {_SETS[kind]} set  may not be empty"
    wrong = next((found for item in inner if kind == "NS" and (found := _number(item))), None)
    if wrong:
        return wrong
    items = [normal(item) for item in inner] if kind == "NS" else inner
    if len(set(items)) < len(items):
        return f"One or more parameter values were invalid: Input collection [{', '.join(inner)}] contains duplicates."
    return None
