"""Binds GROUP BY: columns, positions, GROUPING SETS, ROLLUP and CUBE."""

from typing import Any

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding.bound import Bound, place
from sandbox.aws.athena.sql.binding.expressions import Binder
from sandbox.aws.errors import QueryError, UnsupportedSqlError

Items = list[tuple[str | None, Bound]]


def bind(binder: Binder, select: exp.Select, items: Items) -> str:
    """Return ` GROUP BY …`; empty if the query has none.

    Raises:
        QueryError: A position or a type is wrong.
    """
    group = select.args.get("group")
    if group is None:
        return ""
    parts = [_element(binder, item, items) for item in group.expressions]
    return f" GROUP BY {', '.join(parts)}"


def _element(binder: Binder, node: Any, items: Items) -> str:  # noqa: ANN401 - sqlglot's nodes differ
    if isinstance(node, exp.GroupingSets):
        return f"GROUPING SETS ({', '.join(_set(binder, item, items) for item in node.expressions)})"
    if isinstance(node, (exp.Rollup, exp.Cube)):
        word = "ROLLUP" if isinstance(node, exp.Rollup) else "CUBE"
        return f"{word} ({', '.join(_set(binder, item, items, bare=True) for item in node.expressions)})"
    if isinstance(node, exp.Tuple):
        return _set(binder, node, items)
    return _key(binder, node, items)


def _set(binder: Binder, node: Any, items: Items, *, bare: bool = False) -> str:  # noqa: ANN401
    if isinstance(node, exp.Tuple):
        return f"({', '.join(_key(binder, item, items) for item in node.expressions)})"
    key = _key(binder, node.this if isinstance(node, exp.Paren) else node, items)
    return key if bare else f"({key})"


def _key(binder: Binder, node: exp.Expr, items: Items) -> str:
    if isinstance(node, exp.Literal) and not node.is_string:
        position = int(node.this) if node.this.isdigit() else 0
        if not 1 <= position <= len(items):
            raise QueryError(
                f"INVALID_COLUMN_REFERENCE: {place(node)}: GROUP BY position {node.this} is not in select list"
            )
        value = items[position - 1][1]
    else:
        value = binder.bind(node)
    if kinds.contains(value.kind, "timestamptz"):
        raise UnsupportedSqlError("GROUP BY of a timestamp with time zone: CAST it AS timestamp")
    return value.sql
