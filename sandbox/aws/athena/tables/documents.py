"""JSON lines as Hive's and OpenX's JSON SerDes read them, converted to Arrow tables of the declared types."""

import base64
import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from sandbox.aws.athena.sql.types import split_top_level
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_SIMPLE = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "binary": pa.binary(),
}
_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_MOMENT = re.compile(r"(\d{1,10})-(\d{1,2})-(\d{1,2})(?:[ Tt](\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d{1,9})?)?)?")


class Number(str):
    """A number as it is written."""

    __slots__ = ()


def arrow_type(glue: str) -> pa.DataType:
    """Return the Arrow type of a Glue column.

    Raises:
        UnsupportedSqlError: There is none.

    Example:
        >>> arrow_type("array<decimal(5,2)>")
        ListType(list<item: decimal128(5, 2)>)
    """
    name = glue.strip().lower()
    if name in _SIMPLE:
        return _SIMPLE[name]
    if re.fullmatch(r"(var)?char(\(\d+\))?", name):
        return pa.string()
    decimal = re.fullmatch(r"decimal(?:\((\d+),\s*(\d+)\))?", name)
    if decimal:
        return pa.decimal128(int(decimal[1] or 10), int(decimal[2] or 0))
    nested = re.fullmatch(r"(array|map|struct)<(.*)>", name, re.DOTALL)
    if not nested:
        raise UnsupportedSqlError(f"columns of type {glue} in JSON")
    inner = split_top_level(nested[2])
    if nested[1] == "array":
        return pa.list_(arrow_type(inner[0]))
    if nested[1] == "map":
        return pa.map_(arrow_type(inner[0]), arrow_type(inner[1]))
    return pa.struct([(field.strip(), arrow_type(kind)) for field, _, kind in (part.partition(":") for part in inner)])


class Documents:
    """Reads lines of JSON.

    Args:
        columns: Names and Glue types.
        options: The table's properties.
        openx: Whether the SerDe is OpenX's, which is more lenient.
    """

    def __init__(self, columns: dict[str, str], options: dict[str, str], *, openx: bool) -> None:
        self._columns = columns
        self._openx = openx
        self._lenient = openx and options.get("ignore.malformed.json", "").lower() == "true"
        self._dots = openx and options.get("dots.in.keys", "").lower() == "true"
        self._exact = openx and options.get("case.insensitive", "true").lower() == "false"
        prefix = "mapping."
        self._mapping = (
            {value: name.removeprefix(prefix) for name, value in options.items() if name.startswith(prefix)}
            if openx
            else {}
        )
        if "timestamp.formats" in options:
            raise UnsupportedSqlError("timestamp.formats of JSON tables")

    def table(self, lines: list[str]) -> pa.Table:
        """Return the rows of some lines.

        Raises:
            QueryError: HIVE_BAD_DATA; a line is no JSON, or a value does not fit its column.
        """
        rows = [self._row(line) for line in lines]
        arrays = [pa.array([row.get(name) for row in rows], arrow_type(kind)) for name, kind in self._columns.items()]
        return pa.Table.from_arrays(arrays, names=list(self._columns))

    def _row(self, line: str) -> dict[str, Any]:
        text = line.strip()
        if self._openx and not text.startswith(("{", "[")):
            return {}
        try:
            found = json.loads(text, parse_int=Number, parse_float=Number)
        except ValueError as error:
            if self._lenient:
                return {}
            raise QueryError(f"HIVE_CURSOR_ERROR: Row is not a valid JSON Object - JSONException: {error}") from error
        if isinstance(found, list) and self._openx:
            found = dict(zip(self._columns, found, strict=False))
        if not isinstance(found, dict):
            raise QueryError("HIVE_CURSOR_ERROR: Row is not a valid JSON Object")
        named = {self._name(key): value for key, value in found.items()}
        return {name: self._value(named.get(name), kind) for name, kind in self._columns.items()}

    def _name(self, key: str) -> str:
        if key in self._mapping:
            return self._mapping[key].lower()
        key = self._mapping.get(key.lower(), key)
        key = key.replace(".", "_") if self._dots else key
        return key if self._exact else key.lower()

    def _value(self, value: Any, kind: str) -> Any:  # noqa: ANN401 - any value that JSON has
        if value is None:
            return None
        nested = re.fullmatch(r"(array|map|struct)<(.*)>", kind, re.DOTALL)
        if nested:
            return self._nested(value, nested[1], split_top_level(nested[2]))
        if isinstance(value, (dict, list)):
            if self._openx and re.match(r"string|varchar|char", kind):
                return _compact(value)
            raise QueryError(f"HIVE_BAD_DATA: Invalid JSON: {kind} value must be a scalar json value")
        try:
            return self._scalar(value, kind)
        except (ValueError, InvalidOperation, OverflowError) as error:
            if self._openx and kind in {*_BITS, "float", "double", "date", "timestamp"}:
                return None
            raise QueryError(f"HIVE_BAD_DATA: Error parsing {value!r} as {kind}: {error}") from error

    def _scalar(self, value: Any, kind: str) -> Any:  # noqa: ANN401
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)
        if kind in _BITS:
            return _integer(value, text, _BITS[kind], lenient=self._openx)
        if kind in {"float", "double"} and not self._openx and not isinstance(value, Number):
            raise ValueError("it is not a number")
        if kind.startswith("decimal"):
            scale = int(kind.rstrip(")").partition(",")[2] or 0)
            return Decimal(text).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
        size = re.fullmatch(r"(?:var)?char\((\d+)\)", kind)
        return text[: int(size[1])] if size else _SCALARS.get(kind, str)(text)

    def _nested(self, value: Any, outer: str, inner: list[str]) -> Any:  # noqa: ANN401
        if outer == "array":
            items = value if isinstance(value, list) else [value] if self._openx else _refuse(outer)
            return [self._value(item, inner[0]) for item in items]
        if isinstance(value, list) and outer == "struct" and self._openx:
            fields = [part.partition(":") for part in inner]
            return {name: self._value(item, kind) for (name, _, kind), item in zip(fields, value, strict=False)}
        if not isinstance(value, dict):
            return None if self._openx and value == "" else _refuse(outer)
        if outer == "map":
            return [(self._value(key, inner[0]), self._value(item, inner[1])) for key, item in value.items()]
        named = {key.lower(): item for key, item in value.items()}
        parts = [part.partition(":") for part in inner]
        return {name.strip(): self._value(named.get(name.strip()), kind) for name, _, kind in parts}


def _refuse(outer: str) -> list[Any]:
    raise QueryError(f"HIVE_BAD_DATA: Invalid JSON: a {outer} was expected")


def _compact(value: object) -> str:
    """Return JSON text with its numbers as they were written."""
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_compact(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def _integer(value: object, text: str, bits: int, *, lenient: bool) -> int:
    if not lenient and not isinstance(value, Number):
        raise ValueError("it is not a number")
    number = int(Decimal(text))
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError(f"it is out of the range of {bits} bits")
    return number


def _moment(text: str) -> datetime:
    found = _MOMENT.fullmatch(text.strip())
    if not found:
        raise ValueError("it is not a timestamp")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    base = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)
    micros = round(float(found[7] or 0) * 1_000) * 1_000
    return base + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second, microseconds=micros)


def _date(text: str) -> date:
    return _moment(text.strip().split(" ")[0]).date()


_SCALARS: dict[str, Callable[[str], Any]] = {
    "boolean": lambda text: text.lower() == "true",
    "float": float,
    "double": float,
    "date": _date,
    "timestamp": _moment,
    "binary": base64.b64decode,
}
