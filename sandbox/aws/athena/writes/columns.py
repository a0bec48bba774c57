"""Which result columns a table can store: their names, types and the precision of their times."""

import re

from sqlglot import exp

from sandbox.aws.athena.engine import Column
from sandbox.aws.athena.sql import dialect
from sandbox.aws.errors import QueryError

_INTEGERS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}
_WIDER = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DECIMAL", "FLOAT", "DOUBLE"]


def check_columns(columns: list[Column], *, creates_table: bool, stored: bool = True) -> None:
    """Refuse result columns that a Hive table, or a view (not `stored`), cannot have.

    Raises:
        QueryError: A column cannot be stored; the message is Athena's.
    """
    seen: set[str] = set()
    for position, column in enumerate(columns, start=1):
        if column.untyped:
            reason = f"COLUMN_TYPE_UNKNOWN: line 1:1: Column type is unknown at position {position}"
            raise QueryError(reason if creates_table else "NOT_SUPPORTED: Unsupported Hive type: unknown")
        if stored and column.kind == "TIMESTAMP WITH TIME ZONE":
            raise QueryError(
                f"NOT_SUPPORTED: Unsupported Hive type: timestamp(3) with time zone (column {column.name}); "
                "CAST it AS timestamp"
            )
        if column.name.lower() in seen:
            raise QueryError(f"DUPLICATE_COLUMN_NAME: line 1:1: Column name '{column.name}' specified more than once")
        seen.add(column.name.lower())


def require_names(columns: list[Column], query: str) -> None:
    """Refuse a column that only Athena has named (`_col0`), unless the query has that name itself.

    Raises:
        QueryError: MISSING_COLUMN_NAME.
    """
    for place, column in enumerate(columns):
        if column.name == f"_col{place}" and not re.search(rf"\b{column.name}\b|\*", _outside(query)):
            raise QueryError(f"MISSING_COLUMN_NAME: line 1:1: Column name not specified at position {place + 1}")


def _outside(query: str) -> str:
    """Return a query without what is in parentheses, so that `count(*)` is not taken for `*`."""
    while (shorter := re.sub(r"\([^()]*\)", " ", query)) != query:
        query = shorter
    return query


def check_precision(query: str, columns: list[Column]) -> None:
    """Refuse a timestamp whose precision the query states as another than 3, which is what Athena's tables have.

    Raises:
        QueryError: NOT_SUPPORTED, with Trino's message.
    """
    select = dialect.parse_query(query)
    while isinstance(select, (exp.SetOperation, exp.Subquery)):
        select = select.this
    if not isinstance(select, exp.Select) or any(item.is_star for item in select.expressions):
        return
    for item, column in zip(select.expressions, columns, strict=False):
        precision = _precision(item.unalias()) if column.kind == "TIMESTAMP" else None
        if precision not in (None, 3):
            raise QueryError(
                f"NOT_SUPPORTED: Incorrect timestamp precision for timestamp({precision}); the configured precision is "
                f"MILLISECONDS; column name: {column.name}"
            )


def _precision(node: exp.Expr) -> int | None:
    """Return the precision of an expression of type timestamp as far as it shows, else None."""
    if isinstance(node, exp.Cast):
        stated = node.to.expressions
        return int(stated[0].name) if stated else 3
    if isinstance(node, (exp.TimestampTrunc, exp.DateAdd, exp.Max, exp.Min, exp.AnyValue, exp.Paren)):
        return _precision(node.this)
    if isinstance(node, exp.Coalesce):
        return max((found for item in [node.this, *node.expressions] if (found := _precision(item))), default=None)
    return None


def assignable(given: str, wanted: str) -> bool:
    """Return whether INSERT converts a DuckDB type to that of the table's column by itself: only to wider ones.

    >>> [assignable(*pair) for pair in (("INTEGER", "BIGINT"), ("BIGINT", "INTEGER"), ("DECIMAL(3,1)", "DOUBLE"))]
    [True, False, True]
    """
    if given == wanted or (given, wanted) == ("DATE", "TIMESTAMP"):
        return True
    if given.endswith("[]") and wanted.endswith("[]"):
        return assignable(given[:-2], wanted[:-2])
    kinds = [kind.partition("(")[0] for kind in (given, wanted)]
    if wanted.startswith("DECIMAL") and kinds[0] in {*_INTEGERS, "DECIMAL"}:
        whole, fraction = _digits(given)
        most, places = _digits(wanted)
        return whole <= most and fraction <= places
    return all(kind in _WIDER for kind in kinds) and _WIDER.index(kinds[0]) <= _WIDER.index(kinds[1])


def _digits(kind: str) -> tuple[int, int]:
    """Return how many digits a number has before and after its point."""
    found = re.search(r"\((\d+),\s*(\d+)\)", kind)
    return (int(found[1]) - int(found[2]), int(found[2])) if found else (_INTEGERS.get(kind, 38), 0)
