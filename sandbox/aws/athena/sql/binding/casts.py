"""CAST and TRY_CAST: which pairs of types Trino converts, and the DuckDB text with Trino's result."""

import json
from collections.abc import Callable

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding.bound import Bound, coerced, mismatch, text
from sandbox.aws.athena.sql.kinds import Kind
from sandbox.aws.errors import UnsupportedSqlError

_SCALARS = ("boolean", *kinds.NUMBERS)
# From each type to those that Trino casts it to, besides itself.
_ALLOWED: dict[str, tuple[str, ...]] = {
    "boolean": (*_SCALARS, "varchar", "char", "json"),
    **dict.fromkeys(kinds.NUMBERS, (*_SCALARS, "varchar", "char", "json")),
    "varchar": (*_SCALARS, "char", "varbinary", "date", "timestamp", "timestamptz", "json", "uuid", "interval_day"),
    "char": ("varchar", *kinds.NUMBERS, "varbinary"),
    "date": ("timestamp", "timestamptz", "varchar", "char", "json"),
    "timestamp": ("date", "timestamptz", "varchar", "char", "json"),
    "timestamptz": ("date", "timestamp", "varchar", "char", "json"),
    "json": (*_SCALARS, "varchar", "array", "map", "row", "date"),
    "array": ("json",), "map": ("json",), "row": ("json",),
    "interval_day": ("varchar",), "interval_year": ("varchar",), "uuid": ("varchar",), "varbinary": ("uuid",),
}  # fmt: skip
_CHECKED = {"timestamptz": "timestamptz", "interval_day": None, "uuid": None}


def cast(node: exp.Expr, value: Bound, wanted: Kind, *, attempt: bool = False) -> Bound:
    """Return `CAST(value AS wanted)`, or TRY_CAST.

    Raises:
        QueryError: Trino has no such cast.
        UnsupportedSqlError: The sandbox does not reproduce it.
    """
    if not allowed(value.kind, wanted):
        raise mismatch(node, f"Cannot cast {value.kind} to {wanted}")
    sql = converted(value.sql, value.kind, wanted)
    return Bound(wanted, f"TRY({sql})" if attempt and sql != value.sql else sql)


def allowed(given: Kind, wanted: Kind) -> bool:
    """Return whether Trino has a cast between two types."""
    if given.name == "unknown" or given == wanted:
        return True
    if given.name == wanted.name:
        return len(given.parts) == len(wanted.parts) and all(map(allowed, given.parts, wanted.parts))
    return wanted.name in _ALLOWED.get(given.name, ())


def converted(sql: str, given: Kind, wanted: Kind) -> str:
    """Return the text of a cast that Trino has."""
    if given == wanted:
        return sql
    if given.name == "unknown":
        return f"CAST({sql} AS {kinds.duck(wanted)})"
    if given.name == "json" and wanted.name != "varchar":
        return _from_json(sql, wanted)
    if given.parts and wanted.parts:
        return _nested(sql, given, wanted)
    rule = _TO.get(wanted.name) or _plain
    return rule(sql, given, wanted)


def _plain(sql: str, given: Kind, wanted: Kind) -> str:
    if given.name in ("varchar", "char"):
        return _from_text(sql, wanted)
    if given.name in ("double", "decimal") and wanted.name == "real":
        return f"athena_to_real(CAST({sql} AS DOUBLE))"
    if given.name in kinds.FLOATS and wanted.name in kinds.INTEGERS:
        # Trino rounds halves away from zero; DuckDB's cast rounds them to even.
        return f"CAST(athena_round({sql}) AS {kinds.duck(wanted)})"
    return f"CAST({sql} AS {kinds.duck(wanted)})"


def _from_text(sql: str, wanted: Kind) -> str:
    if wanted.name in ("interval_day", "uuid"):
        raise UnsupportedSqlError(f"cast of varchar to {wanted}")
    checked = f"athena_text_to_{wanted.name}({sql})"
    return f"CAST({checked} AS {kinds.duck(wanted)})" if wanted.name == "decimal" else checked


def _to_text(sql: str, given: Kind, wanted: Kind) -> str:
    if given.name in ("varchar", "char"):
        value = f"rpad({sql}, {given.sizes[0]}, ' ')" if given.name == "char" else sql
        return f"substring({value}, 1, {wanted.sizes[0]})" if wanted.sizes else value
    value = as_text(sql, given)
    if not wanted.sizes or (given.name == "boolean" and wanted.sizes[0] >= len("false")):
        return value
    return f"athena_fits({value}, {wanted.sizes[0]}, {text(str(wanted))})"


def as_text(sql: str, given: Kind) -> str:
    """Return the text of a cast to varchar without a length."""
    if given.name in kinds.FLOATS:
        return f"athena_{given.name}_text({sql})"
    if given.name == "timestamp":
        return f"athena_timestamp_text({sql}, {given.sizes[0]})"
    if given.name == "timestamptz":
        return f"athena_zoned_text({sql}, {given.sizes[0]})"
    if given.name in ("interval_day", "interval_year"):
        return f"athena_{given.name}_text({sql})"
    if given.name == "json":
        return f"athena_json_text({sql})"
    return f"CAST({sql} AS VARCHAR)"


def _to_char(sql: str, given: Kind, wanted: Kind) -> str:
    if given.name not in ("varchar", "char"):
        raise UnsupportedSqlError(f"cast of {given} to {wanted}")
    return f"rtrim(substring({sql}, 1, {wanted.sizes[0]}), ' ')"


def _to_boolean(sql: str, given: Kind, wanted: Kind) -> str:
    return f"({sql} <> 0)" if given.name in kinds.NUMBERS else _plain(sql, given, wanted)


def _to_date(sql: str, given: Kind, wanted: Kind) -> str:
    if given.name == "timestamptz":
        return f"CAST(athena_local({sql}) AS DATE)"
    return _plain(sql, given, wanted)


def _to_timestamp(sql: str, given: Kind, wanted: Kind) -> str:
    digits = wanted.sizes[0]
    if digits > 6:
        raise UnsupportedSqlError(f"{wanted}: use a precision of 6 or less")
    local = f"athena_local({sql})" if given.name == "timestamptz" else _plain(sql, given, wanted)
    finer = given.sizes[0] if given.name in ("timestamp", "timestamptz") else 0 if given.name == "date" else 12
    return f"athena_precision({local}, {digits})" if finer > digits and digits < 6 else local


def _to_zoned(sql: str, given: Kind, wanted: Kind) -> str:
    if given.name == "timestamptz":
        return sql
    return coerced(Bound(given, sql), wanted).sql if given.name in kinds.TIMES else _plain(sql, given, wanted)


def _to_json(sql: str, given: Kind, wanted: Kind) -> str:
    if kinds.contains(given, "timestamptz", "timestamp", "decimal", "char", "real", "double", "json") or any(
        kind.name == "row" and None in kind.fields for kind in (given, *given.parts)
    ):
        raise UnsupportedSqlError(f"cast of {given} to {wanted}")
    value = f"CAST(to_json({sql}) AS VARCHAR)"
    if kinds.contains(given, "map") and kinds.contains(given, "row"):
        raise UnsupportedSqlError(f"cast of {given} to {wanted}")
    return f"athena_json_parse({value})" if kinds.contains(given, "map") else value


def _from_json(sql: str, wanted: Kind) -> str:
    if kinds.contains(wanted, "timestamptz", "timestamp", "char", "json"):
        raise UnsupportedSqlError(f"cast of json to {wanted}")
    # DuckDB keeps the quotes of a text unless it is inside an array.
    done = f"athena_json_cast({sql}, {text(json.dumps(_shape(wanted)))})"
    return f"(CAST(CAST({done} AS JSON) AS {kinds.duck(wanted)}[]))[1]"


def _shape(kind: Kind) -> object:
    if kind.name == "row":
        names = [kinds.field_name(kind, position) for position in range(len(kind.parts))]
        return ["row", names, [_shape(part) for part in kind.parts]]
    return [kind.name, *map(_shape, kind.parts)] if kind.parts else kind.name


def _nested(sql: str, given: Kind, wanted: Kind) -> str:
    if given.name == "array":
        return f"list_transform({sql}, lambda e: {converted('e', given.parts[0], wanted.parts[0])})"
    if given.name == "map":
        key, value = (converted(f"e.{name}", a, b) for name, a, b in zip(("key", "value"), given.parts, wanted.parts))  # noqa: B905
        return f"map_from_entries(list_transform(map_entries({sql}), lambda e: {{'k': {key}, 'v': {value}}}))"
    fields = []
    for position, (one, other) in enumerate(zip(given.parts, wanted.parts, strict=True)):
        value = converted(f'({sql})."{kinds.field_name(given, position)}"', one, other)
        fields.append(f'"{kinds.field_name(wanted, position)}" := {value}')
    return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({', '.join(fields)}) END"


def _to_binary(sql: str, given: Kind, wanted: Kind) -> str:
    return f"encode({sql})" if given.name == "varchar" else _plain(sql, given, wanted)


_TO: dict[str, Callable[[str, Kind, Kind], str]] = {
    "varchar": _to_text,
    "char": _to_char,
    "boolean": _to_boolean,
    "date": _to_date,
    "timestamp": _to_timestamp,
    "timestamptz": _to_zoned,
    "json": _to_json,
    "varbinary": _to_binary,
}
