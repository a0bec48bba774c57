"""Types and typed literals as they are written in a query."""

import calendar
import re
from typing import Any

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding import casts
from sandbox.aws.athena.sql.binding.bound import Bound, place, text
from sandbox.aws.athena.sql.kinds import Kind
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_SIMPLE = {
    exp.DType.BOOLEAN: kinds.BOOLEAN, exp.DType.TINYINT: kinds.TINYINT, exp.DType.SMALLINT: kinds.SMALLINT,
    exp.DType.INT: kinds.INTEGER, exp.DType.BIGINT: kinds.BIGINT, exp.DType.FLOAT: kinds.REAL,
    exp.DType.DOUBLE: kinds.DOUBLE, exp.DType.DATE: kinds.DATE, exp.DType.JSON: kinds.JSON,
    exp.DType.VARBINARY: kinds.VARBINARY, exp.DType.UUID: kinds.UUID,
}  # fmt: skip
# Words that sqlglot takes for a type and Trino does not know.
_STRANGE_WORDS = """
string text float long byte short bool int2 int4 int8 int64 float4 float8 float64 datetime binary bytes
number numeric nvarchar blob clob struct object variant list tinytext mediumint uint
"""
STRANGE = frozenset(_STRANGE_WORDS.split())
_ZONE = r" ?(?:[A-Za-z]+(?:/[A-Za-z_+\-0-9]+)*|[+-]\d{1,2}(?::?\d{2})?)"
_DATE = r"[+-]?\d{4,}-\d{1,2}-\d{1,2}"
_CLOCK = r"(?: \d{1,2}:\d{1,2}(?::\d{1,2}(?:\.(?P<digits>\d+))?)?)?"
_TIMESTAMP = re.compile(rf"\s*{_DATE}{_CLOCK}(?P<zone>{_ZONE})?\s*")


def written_kind(node: exp.DataType) -> Kind:
    """Return the type that is written in a cast.

    Raises:
        QueryError: Trino has no such type.
    """
    word = str(node.meta.get("written", "")).lower()
    if word in STRANGE:
        raise QueryError(f"TYPE_NOT_FOUND: {place(node)}: Unknown type: {word}")
    if node.this in _SIMPLE:
        return _SIMPLE[node.this]
    rule = _SIZED.get(node.this)
    if rule is None:
        raise UnsupportedSqlError(f"type {node.sql('athena')}")
    found: Kind = rule(node)
    return found


def _sizes(node: exp.DataType) -> tuple[int, ...]:
    return tuple(int(item.name) for item in node.expressions)


def _decimal(node: exp.DataType) -> Kind:
    given = _sizes(node) or (38, 0)
    precision, scale = given if len(given) == 2 else (given[0], 0)
    if not 1 <= precision <= 38 or scale > precision:
        raise QueryError(f"INVALID_FUNCTION_ARGUMENT: {place(node)}: Invalid decimal precision or scale: {given}")
    return kinds.decimal(precision, scale)


def _timestamp(name: str, node: exp.DataType) -> Kind:
    return Kind(name, _sizes(node) or (3,))


def _row(node: exp.DataType) -> Kind:
    fields = [(item.name.lower(), item.args["kind"]) if isinstance(item, exp.ColumnDef) else (None, item) for item in node.expressions]  # fmt: skip  # noqa: E501
    return kinds.row(tuple(written_kind(kind) for _, kind in fields), tuple(name for name, _ in fields))


def _nested(name: str, node: exp.DataType) -> Kind:
    return Kind(name, parts=tuple(written_kind(item) for item in node.expressions))


_SIZED: dict[Any, Any] = {
    exp.DType.DECIMAL: _decimal,
    exp.DType.VARCHAR: lambda node: Kind("varchar", _sizes(node)),
    exp.DType.CHAR: lambda node: Kind("char", _sizes(node) or (1,)),
    exp.DType.TIMESTAMP: lambda node: _timestamp("timestamp", node),
    exp.DType.TIMESTAMPTZ: lambda node: _timestamp("timestamptz", node),
    exp.DType.ARRAY: lambda node: _nested("array", node),
    exp.DType.MAP: lambda node: _nested("map", node),
    exp.DType.STRUCT: _row,
}


def literal_kind(node: exp.Cast) -> Bound:
    """Bind a typed literal, such as `DATE '2020-01-01'` or `DECIMAL '1.5'`.

    Raises:
        QueryError: The text is no value of the type.
    """
    if not (isinstance(node.this, exp.Literal) and node.this.is_string):
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input. Expecting: <string>")
    value, target = node.this.this, node.args["to"].this
    if target == exp.DType.DECIMAL:
        return _decimal_literal(node, value)
    if target in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ):
        return _timestamp_literal(node, value)
    kind = written_kind(node.args["to"])
    if kind.name == "date" and not _is_date(value):
        raise QueryError(f"INVALID_LITERAL: {place(node)}: '{value}' is not a valid date literal")
    if kind.name == "varchar" or (kind.name == "char" and not node.args["to"].expressions):
        return Bound(Kind(kind.name, (len(value),)), text(value), value)
    return Bound(kind, casts.converted(text(value), kinds.varchar(len(value)), kind))


def _is_date(value: str) -> bool:
    if not re.fullmatch(r"\s*[+-]?\d{4,}-\d{1,2}-\d{1,2}\s*", value):
        return False
    year, month, day = (int(part) for part in value.strip().lstrip("+-").split("-"))
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(min(year, 9999), month)[1] if year else False


def _is_time(value: str) -> bool:
    day, _, rest = value.strip().partition(" ")
    clock = re.match(r"(\d+):(\d+)(?::(\d+))?", rest)
    limits = zip((24, 60, 60), clock.groups("0"), strict=True) if clock else ()
    return _is_date(day) and all(int(part) < limit for limit, part in limits)


def _decimal_literal(node: exp.Cast, value: str) -> Bound:
    found = re.fullmatch(r"[+-]?(\d*)(?:\.(\d*))?", value.strip())
    if not found or not (found[1] or found[2]):
        raise QueryError(f"INVALID_LITERAL: {place(node)}: '{value}' is not a valid decimal literal")
    scale = len(found[2] or "")
    kind = kinds.decimal(max(len(found[1].lstrip("0")) + scale, 1), scale)
    return Bound(kind, f"CAST({text(value.strip())} AS {kinds.duck(kind)})")


def _timestamp_literal(node: exp.Cast, value: str) -> Bound:
    found = _TIMESTAMP.fullmatch(value)
    if not found or not _is_time(value):
        raise QueryError(f"INVALID_LITERAL: {place(node)}: '{value}' is not a valid timestamp literal")
    digits = len(found["digits"] or "")
    if digits > 6:
        raise UnsupportedSqlError("a timestamp literal finer than microseconds")
    name = "timestamptz" if found["zone"] else "timestamp"
    return Bound(Kind(name, (digits,)), f"athena_text_to_{name}({text(value)})")
