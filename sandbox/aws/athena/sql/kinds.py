"""Trino's types: their names, the common type of two, and how each is kept in DuckDB."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.aws.athena.sql.types import split_top_level
from sandbox.aws.errors import UnsupportedSqlError


@dataclass(frozen=True)
class Kind:
    """A type of Trino.

    Attributes:
        name: Its base name, such as `decimal`.
        sizes: Length, or precision and scale; empty for an unbounded varchar.
        parts: Types of elements, of keys and values, or of fields.
        fields: Names of a row's fields; None for one without a name.
    """

    name: str
    sizes: tuple[int, ...] = ()
    parts: tuple[Kind, ...] = ()
    fields: tuple[str | None, ...] = ()

    def __str__(self) -> str:
        if self.name == "row":
            named = zip(self.fields, self.parts, strict=True)
            return f"row({', '.join(f'{name} {part}' if name else str(part) for name, part in named)})"
        inside = ", ".join(map(str, self.parts)) or ",".join(map(str, self.sizes))
        if self.name == "timestamptz":
            return f"timestamp({inside}) with time zone"
        return f"{_SHOWN.get(self.name, self.name)}({inside})" if inside else _SHOWN.get(self.name, self.name)


_SHOWN = {"interval_day": "interval day to second", "interval_year": "interval year to month"}
BOOLEAN, TINYINT, SMALLINT = Kind("boolean"), Kind("tinyint"), Kind("smallint")
INTEGER, BIGINT, REAL, DOUBLE = Kind("integer"), Kind("bigint"), Kind("real"), Kind("double")
VARCHAR, VARBINARY, DATE, JSON = Kind("varchar"), Kind("varbinary"), Kind("date"), Kind("json")
UNKNOWN, UUID = Kind("unknown"), Kind("uuid")
INTERVAL_DAY, INTERVAL_YEAR = Kind("interval_day"), Kind("interval_year")
TIMESTAMP, TIMESTAMPTZ = Kind("timestamp", (3,)), Kind("timestamptz", (3,))

INTEGERS = ("tinyint", "smallint", "integer", "bigint")
NUMBERS = (*INTEGERS, "decimal", "real", "double")
FLOATS = ("real", "double")
TIMES = ("date", "timestamp", "timestamptz")
DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
_DUCK = {
    "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT",
    "real": "FLOAT", "double": "DOUBLE", "varchar": "VARCHAR", "char": "VARCHAR", "varbinary": "BLOB", "date": "DATE",
    "timestamp": "TIMESTAMP", "timestamptz": "STRUCT(u TIMESTAMP, z VARCHAR)", "json": "VARCHAR", "uuid": "VARCHAR",
    "interval_day": "BIGINT", "interval_year": "BIGINT", "unknown": "VARCHAR",
}  # fmt: skip


def array(element: Kind) -> Kind:
    """Return the type of arrays of `element`."""
    return Kind("array", parts=(element,))


def decimal(precision: int, scale: int) -> Kind:
    """Return a decimal type."""
    return Kind("decimal", (precision, scale))


def varchar(length: int) -> Kind:
    """Return a varchar type with a length."""
    return Kind("varchar", (length,))


def row(parts: tuple[Kind, ...], fields: tuple[str | None, ...] = ()) -> Kind:
    """Return a row type; without names unless `fields` gives them."""
    return Kind("row", parts=parts, fields=fields or (None,) * len(parts))


def field_name(kind: Kind, position: int) -> str:
    """Return the name that DuckDB's struct has for a field, which is also how Athena shows it."""
    return kind.fields[position] or f"field{position}"


def duck(kind: Kind) -> str:
    """Return the DuckDB type in which values of a type are kept."""
    if kind.name == "decimal":
        return f"DECIMAL({kind.sizes[0]},{kind.sizes[1]})"
    if kind.name == "array":
        return f"{duck(kind.parts[0])}[]"
    if kind.name == "map":
        return f"MAP({duck(kind.parts[0])}, {duck(kind.parts[1])})"
    if kind.name == "row":
        fields = (f'"{field_name(kind, place)}" {duck(part)}' for place, part in enumerate(kind.parts))
        return f"STRUCT({', '.join(fields)})"
    return _DUCK[kind.name]


def as_decimal(kind: Kind) -> Kind:
    """Return the decimal type that holds an integer type; a decimal is returned as it is."""
    return decimal(DIGITS[kind.name], 0) if kind.name in DIGITS else kind


def common(left: Kind, right: Kind) -> Kind | None:
    """Return the type to which Trino converts both, or None if there is none."""
    if right in (left, UNKNOWN) or left == UNKNOWN:
        return right if left == UNKNOWN else left
    if left.name in NUMBERS and right.name in NUMBERS:
        return _common_number(left, right)
    if left.name in TIMES and right.name in TIMES:
        return _common_time(left, right)
    if {left.name, right.name} <= {"varchar", "char"}:
        return _common_text(left, right)
    if left.name == right.name and left.parts and len(left.parts) == len(right.parts):
        return _common_parts(left, right)
    return None


def _common_number(left: Kind, right: Kind) -> Kind:
    for name in ("double", "real"):
        if name in (left.name, right.name):
            return Kind(name)
    if "decimal" not in (left.name, right.name):
        return max(left, right, key=lambda kind: INTEGERS.index(kind.name))
    one, other = as_decimal(left).sizes, as_decimal(right).sizes
    scale = max(one[1], other[1])
    return decimal(min(38, max(one[0] - one[1], other[0] - other[1]) + scale), scale)


def _common_time(left: Kind, right: Kind) -> Kind:
    widest = max(left, right, key=lambda kind: TIMES.index(kind.name))
    sizes = [size for kind in (left, right) for size in kind.sizes]
    return Kind(widest.name, (max(sizes),))


def _common_text(left: Kind, right: Kind) -> Kind:
    name = "char" if "char" in (left.name, right.name) and left.sizes and right.sizes else "varchar"
    return Kind(name, (max(left.sizes[0], right.sizes[0]),)) if left.sizes and right.sizes else VARCHAR


def _common_parts(left: Kind, right: Kind) -> Kind | None:
    parts = [common(one, other) for one, other in zip(left.parts, right.parts, strict=True)]
    names = tuple(a if a == b else None for a, b in zip(left.fields, right.fields, strict=True))
    known = tuple(part for part in parts if part is not None)
    return Kind(left.name, parts=known, fields=names) if len(known) == len(parts) else None


def coercible(given: Kind, wanted: Kind) -> bool:
    """Return whether Trino converts `given` to `wanted` without a cast."""
    if given.name == "row" and wanted.name == "row" and len(given.parts) == len(wanted.parts):
        return all(map(coercible, given.parts, wanted.parts))
    if given.name == "timestamptz" == wanted.name or given.name == "timestamp" == wanted.name:
        return True
    return common(given, wanted) == wanted


def orderable(kind: Kind) -> bool:
    """Return whether `<` and ORDER BY are defined."""
    return kind.name not in ("map", "json") and all(map(orderable, kind.parts))


def contains(kind: Kind, *names: str) -> bool:
    """Return whether a type is, or has inside, a type of one of the names."""
    return kind.name in names or any(contains(part, *names) for part in kind.parts)


_HIVE = {
    "string": VARCHAR, "boolean": BOOLEAN, "tinyint": TINYINT, "smallint": SMALLINT, "int": INTEGER,
    "integer": INTEGER, "bigint": BIGINT, "float": REAL, "double": DOUBLE, "date": DATE, "timestamp": TIMESTAMP,
    "binary": VARBINARY, "varchar": VARCHAR, "real": REAL, "varbinary": VARBINARY, "decimal": decimal(10, 0),
}  # fmt: skip


def from_hive(text: str) -> Kind:
    """Return the type that a Glue column type has in Trino.

    Raises:
        UnsupportedSqlError: The sandbox does not support the type.

    Example:
        >>> print(from_hive("array<struct<a:int>>"))
        array(row(a integer))
    """
    name = text.strip().lower()
    if name in _HIVE:
        return _HIVE[name]
    sized = re.fullmatch(r"(decimal|char|varchar|timestamp)\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", name)
    if sized:
        sizes = tuple(int(size) for size in sized.groups()[1:] if size)
        return Kind(sized[1], (*sizes, 0) if sized[1] == "decimal" and len(sizes) == 1 else sizes)
    nested = re.fullmatch(r"(array|map|struct)<(.*)>", name, re.DOTALL)
    if not nested:
        raise UnsupportedSqlError(f"column type {text!r}")
    inner = split_top_level(nested[2])
    if nested[1] != "struct":
        return Kind(nested[1], parts=tuple(map(from_hive, inner)))
    pairs = [field.partition(":") for field in inner]
    return row(tuple(from_hive(kind) for _, _, kind in pairs), tuple(field.strip() for field, _, _ in pairs))
