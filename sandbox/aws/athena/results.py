"""Results in Athena's formats: text of values, the CSV object, and the pages of GetQueryResults."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

Row = list[str | None]


def double_text(value: float) -> str:
    """Return Java's text of a double.

    >>> [double_text(value) for value in (1.0, 1e10, 0.00012, float("inf"))]
    ['1.0', '1.0E10', '1.2E-4', 'Infinity']
    """
    return _java_text(value, repr(abs(value)))


def float_text(value: float) -> str:
    """Return Java's text of a 32-bit float."""
    return _java_text(value, str(np.float32(abs(value))))


def _java_text(value: float, shortest: str) -> str:
    if value != value:  # noqa: PLR0124 - the NaN test
        return "NaN"
    sign = "-" if str(value).startswith("-") else ""
    if value in (float("inf"), float("-inf")):
        return f"{sign}Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        plain = format(Decimal(shortest), "f")
        return sign + (plain if "." in plain else f"{plain}.0")
    digits = Decimal(shortest).as_tuple()
    mantissa = "".join(map(str, digits.digits)).rstrip("0") or "0"
    exponent = int(digits.exponent) + len(digits.digits) - 1
    return f"{sign}{mantissa[0]}.{mantissa[1:] or '0'}E{exponent}"


def timestamp_text(value: datetime) -> str:
    """Return Athena's text of a timestamp, with microseconds only if it has any, and in UTC if it has a zone.

    >>> timestamp_text(datetime(2020, 1, 2, 3, 4, 5, 678_000))
    '2020-01-02 03:04:05.678'
    """
    micro = f"{value.microsecond:06d}"
    text = f"{value:%Y-%m-%d %H:%M:%S}.{micro if micro[3:] != '000' else micro[:3]}"
    return f"{text} UTC" if value.tzinfo else text


def value_text(value: Any) -> str | None:  # noqa: ANN401 - any value a column can hold
    """Return Athena's text of a value of any type.

    >>> value_text([1, None, {"a": True}])
    '[1, null, {a=true}]'
    """
    if value is None:
        return None
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return "{" + ", ".join(f"{_inner(key)}={_inner(item)}" for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inner, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_inner(item)}" for key, item in value.items()) + "}"
    for kind, text in _TEXTS:
        if isinstance(value, kind):
            return text(value)
    return str(value)


def _inner(value: Any) -> str:  # noqa: ANN401 - any value a column can hold
    return value_text(value) or ("null" if value is None else "")


_TEXTS: list[tuple[type, Callable[[Any], str]]] = [
    (bool, lambda value: "true" if value else "false"),
    (float, double_text),
    (bytes, lambda value: value.hex(" ")),
    (Decimal, lambda value: format(value, "f")),
    (datetime, timestamp_text),
]


def rows_of(batch: pa.RecordBatch) -> Iterator[Row]:
    """Yield the rows of a record batch as text."""
    columns = []
    for column in batch.columns:
        text = float_text if pa.types.is_float32(column.type) else value_text
        columns.append([None if value is None else text(value) for value in column.to_pylist()])
    return map(list, zip(*columns, strict=True))


def csv_line(row: Iterable[str | None]) -> str:
    r"""Return one line of the CSV object: values are quoted; NULL is empty and unquoted.

    >>> csv_line(["a", None, "b"])
    '"a",,"b"\n'
    """
    return ",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in row) + "\n"


def text_line(row: Iterable[str | None]) -> str:
    """Return one line of a `.txt` object (SHOW, DESCRIBE)."""
    return "\t".join(value or "" for value in row) + "\n"


class RowFile:
    """The rows of one result, one JSON list per line, from which GetQueryResults takes its pages."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def page(self, start: int, count: int) -> list[Row]:
        """Return up to `count` rows, starting at row `start`."""
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in islice(file, start, start + count)]
