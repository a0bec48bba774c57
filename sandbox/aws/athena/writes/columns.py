"""Which result columns a table can store: their names, types and the precision of their times."""

import re

from sandbox.aws.athena.engine import Column
from sandbox.aws.errors import QueryError

_FAMILIES = [
    {"VARCHAR"},
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"},
    {"FLOAT", "DOUBLE"},
    {"DATE"},
    {"TIMESTAMP"},
    {"BOOLEAN"},
]


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


def assignable(given: str, wanted: str) -> bool:
    """Return whether INSERT converts a DuckDB type to that of the table's column by itself."""
    if given == wanted or (given.startswith("DECIMAL") and wanted.startswith("DECIMAL")):
        return True
    return any(given in family and wanted in family for family in _FAMILIES)
