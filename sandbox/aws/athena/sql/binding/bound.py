"""Bound expressions: a Trino type and the DuckDB text that computes the value, and the errors of binding."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.kinds import Kind
from sandbox.aws.errors import QueryError


@dataclass(frozen=True)
class Bound:
    """An expression whose names and types are known.

    Attributes:
        kind: Its type in Trino.
        sql: DuckDB text.
        literal: The text of a varchar literal or the digits of an integer literal.
    """

    kind: Kind
    sql: str
    literal: str | None = None


@dataclass(frozen=True)
class Lambda:
    """A lambda that can be bound once the types of its parameters are known."""

    arity: int
    bind: Callable[[tuple[Kind, ...]], Bound] = field(compare=False)


Argument = Bound | Lambda


def text(value: str) -> str:
    """Quote a string for DuckDB."""
    return "'" + value.replace("'", "''") + "'"


def place(node: exp.Expr) -> str:
    """Return `line L:C` of the first name in an expression, or of the first column of a statement without one."""
    for found in node.walk():
        if "line" in found.meta and "col" in found.meta:
            column = int(found.meta["col"]) - len(str(found.name)) + 1
            return f"line {found.meta['line']}:{max(column, 1)}"
    return "line 1:8"


def mismatch(node: exp.Expr, message: str) -> QueryError:
    """Return Trino's TYPE_MISMATCH."""
    return QueryError(f"TYPE_MISMATCH: {place(node)}: {message}")


def coerced(value: Bound, wanted: Kind) -> Bound:
    """Convert a value as Trino does without a cast; the caller has checked that it does."""
    if value.kind == wanted:
        return value
    return Bound(wanted, _coerced(value.sql, value.kind, wanted), value.literal)


def _coerced(sql: str, given: Kind, wanted: Kind) -> str:
    if given.name == "unknown":
        return f"CAST({sql} AS {kinds.duck(wanted)})"
    if wanted.name == "timestamptz" and given.name != "timestamptz":
        return f"athena_zoned(CAST({sql} AS TIMESTAMP), 'UTC')"
    if given.name == "char" and wanted.name == "varchar":
        return f"rpad({sql}, {given.sizes[0]}, ' ')"
    if given.name == "varchar" and wanted.name == "char":
        return f"rtrim({sql}, ' ')"
    if given.parts and kinds.contains(wanted, "timestamptz", "char") and given != wanted:
        return _coerced_parts(sql, given, wanted)
    same = kinds.duck(given) == kinds.duck(wanted)
    return sql if same else f"CAST({sql} AS {kinds.duck(wanted)})"


def _coerced_parts(sql: str, given: Kind, wanted: Kind) -> str:
    if given.name == "array":
        return f"list_transform({sql}, lambda e: {_coerced('e', given.parts[0], wanted.parts[0])})"
    return f"CAST({sql} AS {kinds.duck(wanted)})"


def unified(values: list[Bound]) -> list[Bound] | None:
    """Convert values to their common type; None if there is none."""
    kind: Kind | None = kinds.UNKNOWN
    for value in values:
        kind = kinds.common(kind, value.kind) if kind else None
    return [coerced(value, kind) for value in values] if kind else None


def same_type(node: exp.Expr, values: list[Bound], message: str) -> list[Bound]:
    """Convert values to their common type.

    Raises:
        QueryError: They have none.
    """
    found = unified(values)
    if found is None:
        raise mismatch(node, f"{message}: {', '.join(str(value.kind) for value in values)}")
    return found
