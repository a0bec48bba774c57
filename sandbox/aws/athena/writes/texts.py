"""Texts of values as Hive's SerDes write them into JSON and delimited files."""

import base64
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sandbox.aws.athena.results import double_text, float_text


def moment_text(value: datetime) -> str:
    """Return Hive's text of a timestamp: no zeros at the end of its fraction.

    >>> moment_text(datetime(2024, 1, 2, 3, 4, 5, 120_000)), moment_text(datetime(2024, 1, 2))
    ('2024-01-02 03:04:05.12', '2024-01-02 00:00:00')
    """
    fraction = f".{value.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{value:%Y-%m-%d %H:%M:%S}{fraction}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _json_double(value: float) -> str:
    text = double_text(value)
    return text if text[-1].isdigit() else f'"{text}"'


def _json_list(value: list[Any]) -> str:
    """Return the text of an array, or of a map, which Arrow gives as a list of pairs."""
    if value and isinstance(value[0], tuple):
        return "{" + ",".join(f"{_quoted(str(key))}:{json_text(item)}" for key, item in value) + "}"
    return "[" + ",".join(map(json_text, value)) + "]"


def json_text(value: Any) -> str:  # noqa: ANN401 - any value a column can hold
    """Return the JSON text of a value.

    >>> json_text({"A": [1.0, None, True]})
    '{"a":[1.0,null,true]}'
    """
    if value is None:
        return "null"
    text = next((text for kind, text in _JSON if isinstance(value, kind)), None)
    return text(value) if text else _quoted(str(value))


_JSON: list[tuple[type, Callable[[Any], str]]] = [
    (bool, json.dumps),
    (int, str),
    (float, _json_double),
    (Decimal, str),
    (list, _json_list),
    (
        dict,
        lambda value: "{" + ",".join(f"{_quoted(key.lower())}:{json_text(item)}" for key, item in value.items()) + "}",
    ),
    (datetime, lambda value: _quoted(moment_text(value))),
    (bytes, lambda value: _quoted(value.decode(errors="replace"))),
]


def lazy_text(value: Any, kind: pa.DataType, depth: int = 2) -> str:  # noqa: ANN401 - any value a column can hold
    r"""Return the text of a value in delimited text; control codes separate nested values.

    >>> lazy_text([1, None], pa.list_(pa.int64()))
    '1\x02\\N'
    """
    if value is None:
        return "\\N"
    if pa.types.is_nested(kind):
        return _nested(value, kind, depth)
    if pa.types.is_float32(kind):
        return float_text(value)
    text = next((text for kind, text in _LAZY if isinstance(value, kind)), str)
    return text(value)


def _nested(value: Any, kind: pa.DataType, depth: int) -> str:  # noqa: ANN401
    if pa.types.is_map(kind):
        pairs = ((lazy_text(key, kind.key_type, depth + 2), item) for key, item in value)
        parts = [f"{key}{chr(depth + 1)}{lazy_text(item, kind.item_type, depth + 2)}" for key, item in pairs]
    elif pa.types.is_struct(kind):
        parts = [lazy_text(item, kind.field(name).type, depth + 1) for name, item in value.items()]
    else:
        parts = [lazy_text(item, kind.value_type, depth + 1) for item in value]
    return chr(depth).join(parts)


_LAZY: list[tuple[type, Callable[[Any], str]]] = [
    (bool, lambda value: "true" if value else "false"),
    (float, double_text),
    (datetime, moment_text),
    (bytes, lambda value: base64.b64encode(value).decode()),
]
