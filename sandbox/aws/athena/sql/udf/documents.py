"""JSON: paths, scalars as they are written, and the text of documents."""

import decimal
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sandbox.aws.athena.sql.udf.failure import FunctionError, invalid
from sandbox.aws.athena.sql.udf.numbers import scientific

_STEP = re.compile(r"\.(?P<name>[\w:\-]+)|\[\s*(?P<bare>\w[\w\-]*)\s*\]|\[\s*\"(?P<quoted>(?:[^\"\\]|\\.)*)\"\s*\]")
_MISSING = object()


class Number(str):
    """A number as it is written."""

    __slots__ = ()


class Fields(list[tuple[str, Any]]):
    """The fields of an object in their order, with repeated names."""


def _read(text: str) -> Any:  # noqa: ANN401 - any document
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_refused, object_pairs_hook=Fields)


def _refused(word: str) -> None:
    raise ValueError(word)


@lru_cache(maxsize=256)
def _steps(path: str) -> tuple[str, ...]:
    if not path.startswith("$"):
        raise invalid(f"Invalid JSON path: '{path}'")
    steps, place = [], 1
    while place < len(path):
        found = _STEP.match(path, place)
        if not found:
            raise invalid(f"Invalid JSON path: '{path}'")
        quoted = found["quoted"]
        steps.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found["name"] or found["bare"])
        place = found.end()
    return tuple(steps)


def _step(value: Any, step: str) -> Any:  # noqa: ANN401 - any document
    if isinstance(value, Fields):
        return next((item for name, item in value if name == step), _MISSING)
    if isinstance(value, list) and step.isdigit() and int(step) < len(value):
        return value[int(step)]
    return _MISSING


def found_at(text: str, path: str) -> Any:  # noqa: ANN401 - any document
    """Return what a path leads to; `_MISSING` if there is nothing or the text is no JSON."""
    steps = _steps(path)
    try:
        value = _read(text)
    except ValueError:
        return _MISSING
    for step in steps:
        value = _step(value, step)
    return value


def scalar_text(value: Any) -> str | None:  # noqa: ANN401 - any document
    """Return the text of a scalar; None of anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else None


def scalar(text: str, path: str) -> str | None:
    """Return the scalar at a path as it is written."""
    return scalar_text(found_at(text, path))


def extract(text: str, path: str) -> str | None:
    """Return the document at a path."""
    value = found_at(text, path)
    return None if value is _MISSING else written(value)


def written(value: Any, *, ordered: bool = False) -> str:  # noqa: ANN401 - any document
    """Return a document without spaces; its names sorted if `ordered`."""
    if isinstance(value, Number):
        return _number(value) if ordered else str(value)
    if isinstance(value, Fields):
        pairs = sorted(dict(value).items()) if ordered else value
        return "{" + ",".join(f"{_quoted(name)}:{written(item, ordered=ordered)}" for name, item in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item, ordered=ordered) for item in value) + "]"
    return _quoted(value)


def _quoted(value: Any) -> str:  # noqa: ANN401 - a scalar
    return json.dumps(value, ensure_ascii=False)


def _number(text: Number) -> str:
    """Return a number as Java prints it after reading it."""
    if text.lstrip("-").isdigit():
        return str(int(text))
    value = float(text)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    return scientific(value, repr(abs(value)))


def parse(text: str) -> str:
    """Check a document and return it in its canonical form."""
    try:
        return written(_read(text), ordered=True)
    except (ValueError, RecursionError) as error:
        raise invalid(f"Cannot convert value to JSON: '{text}'") from error


def _array(text: str) -> list[Any] | None:
    try:
        value = _read(text)
    except ValueError:
        return None
    return value if isinstance(value, list) and not isinstance(value, Fields) else None


def array_length(text: str) -> int | None:
    """Return the length of an array; None if it is none."""
    value = _array(text)
    return None if value is None else len(value)


def array_get(text: str, index: int) -> str | None:
    """Return an element, counted from 0, or from the end if negative."""
    value = _array(text)
    if value is None or not -len(value) <= index < len(value):
        return None
    return None if value[index] is None else written(value[index])


def array_contains(text: str, wanted: str) -> bool | None:
    """Return whether an array has a value."""
    value = _array(text)
    if value is None:
        return None
    target = json.loads(wanted)
    return any(_same(item, target) for item in value)


def _same(item: Any, target: Any) -> bool:  # noqa: ANN401 - scalars
    if isinstance(item, Number):
        number = isinstance(target, (int, float)) and not isinstance(target, bool)
        integral = item.lstrip("-").isdigit() == isinstance(target, int)
        return number and integral and float(item) == float(target)
    return type(item) is type(target) and bool(item == target)


def size(text: str, path: str) -> int | None:
    """Return the number of elements or fields at a path; 0 for a scalar."""
    value = found_at(text, path)
    if value is _MISSING:
        return None
    return len(value) if isinstance(value, list) else 0


def is_scalar(text: str) -> bool:
    """Return whether a document is a scalar."""
    try:
        return not isinstance(_read(text), list)
    except ValueError as error:
        raise invalid(f"Invalid JSON value: {text}") from error


def text_of(document: str) -> str | None:
    """Return the text of a cast of a scalar to varchar."""
    value = _read(document)
    if isinstance(value, list):
        raise FunctionError(f"INVALID_CAST_ARGUMENT: Cannot cast '{document}' to varchar")
    if isinstance(value, Number):
        return _number(value)
    return scalar_text(value)


def cast(document: str, shape: str) -> str:
    """Convert a document to a type, as Trino casts JSON; return it in an array, as JSON that has exactly that type.

    Args:
        document: JSON.
        shape: JSON of the type: a name, `["array", T]`, `["map", K, V]` or `["row", [names], [types]]`.
    """
    try:
        return json.dumps([_cast(_read(document), json.loads(shape))], ensure_ascii=False)
    except (ValueError, decimal.InvalidOperation) as error:
        raise FunctionError(f"INVALID_CAST_ARGUMENT: Cannot cast to {shape}: {error}") from error


def _cast(value: Any, shape: Any) -> Any:  # noqa: ANN401 - any document
    if value is None:
        return None
    if isinstance(shape, str):
        return _cast_scalar(value, shape)
    if shape[0] == "array":
        if not isinstance(value, list) or isinstance(value, Fields):
            raise ValueError("expected a JSON array")
        return [_cast(item, shape[1]) for item in value]
    if shape[0] == "map":
        if not isinstance(value, Fields):
            raise ValueError("expected a JSON object")
        return {str(_cast_scalar(name, shape[1])): _cast(item, shape[2]) for name, item in value}
    return _cast_row(value, shape[1], shape[2])


def _cast_row(value: Any, names: list[str], shapes: list[Any]) -> dict[str, Any]:  # noqa: ANN401
    if isinstance(value, Fields):
        given = {name.lower(): item for name, item in value}
        return {name: _cast(given.get(name), shape) for name, shape in zip(names, shapes, strict=True)}
    if not isinstance(value, list) or len(value) != len(names):
        raise ValueError("expected a JSON array or object with the fields of the row")
    return {name: _cast(item, shape) for name, item, shape in zip(names, value, shapes, strict=True)}


def _cast_scalar(value: Any, kind: str) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        raise ValueError(f"unexpected token when cast to {kind}")
    if kind == "varchar":
        integral = not isinstance(value, Number) or value.lstrip("-").isdigit()
        return scalar_text(value) if integral else scientific(float(value), repr(abs(float(value))))
    if kind == "boolean":
        words = {"true": True, "false": False, "t": True, "f": False, "1": True, "0": False}
        if isinstance(value, str) and not isinstance(value, Number):
            if value.lower() not in words:
                raise ValueError(f"cannot cast '{value}' to boolean")
            return words[value.lower()]
        return value if isinstance(value, bool) else float(value) != 0
    if kind == "date":
        return str(value)
    number = decimal.Decimal(int(value) if isinstance(value, bool) else value)
    if kind in ("tinyint", "smallint", "integer", "bigint"):
        if isinstance(value, str) and not isinstance(value, Number) and not value.lstrip("+-").isdigit():
            raise ValueError(f"cannot cast '{value}' to {kind}")
        return int(number.quantize(decimal.Decimal(1), rounding=decimal.ROUND_HALF_UP))
    return str(number)


FUNCTIONS: dict[str, tuple[Callable[..., Any], list[str], str]] = {
    "json_cast": (cast, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "json_scalar": (scalar, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "json_extract": (extract, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "json_parse": (parse, ["VARCHAR"], "VARCHAR"),
    "json_array_length": (array_length, ["VARCHAR"], "BIGINT"),
    "json_array_get": (array_get, ["VARCHAR", "BIGINT"], "VARCHAR"),
    "json_array_contains": (array_contains, ["VARCHAR", "VARCHAR"], "BOOLEAN"),
    "json_size": (size, ["VARCHAR", "VARCHAR"], "BIGINT"),
    "is_json_scalar": (is_scalar, ["VARCHAR"], "BOOLEAN"),
    "json_text": (text_of, ["VARCHAR"], "VARCHAR"),
}
