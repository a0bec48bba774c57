"""`information_schema`: its tables, filled from Glue, as constant relations for DuckDB."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sandbox.aws.athena.catalog import Catalog
from sandbox.aws.athena.tables import views
from sandbox.aws.athena.tables.trino import trino_type

NAME = "information_schema"
_CATALOG = "awsdatacatalog"
_Rows = Iterator[tuple[object, ...]]
COLUMNS: dict[str, dict[str, str]] = {
    "schemata": {"catalog_name": "string", "schema_name": "string"},
    "tables": dict.fromkeys(("table_catalog", "table_schema", "table_name", "table_type"), "string"),
    "views": dict.fromkeys(("table_catalog", "table_schema", "table_name", "view_definition"), "string"),
    "columns": {
        **dict.fromkeys(("table_catalog", "table_schema", "table_name", "column_name"), "string"),
        "ordinal_position": "bigint",
        **dict.fromkeys(("column_default", "is_nullable", "data_type"), "string"),
    },
}


def constant(rows: Iterable[tuple[object, ...]], columns: dict[str, str]) -> str:
    """Return a relation of constant rows; `columns` maps names to DuckDB types."""
    names = list(columns)
    lines = ", ".join("(" + ", ".join(map(_literal, row)) + ")" for row in rows)
    typed = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in columns.items())
    if not lines:
        empty = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in columns.items())
        return f"SELECT {empty} WHERE false"
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"SELECT {typed} FROM (VALUES {lines}) AS given({quoted})"  # noqa: S608 - our own text


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def rows(catalog: Catalog, table: str) -> _Rows:
    """Yield the rows of one of the tables."""
    yield from _ROWS[table](catalog)


def _schemata(catalog: Catalog) -> _Rows:
    for database in catalog.databases():
        yield _CATALOG, database["Name"]
    yield _CATALOG, NAME


def _described(catalog: Catalog) -> Iterator[tuple[str, dict[str, Any]]]:
    for database in catalog.databases():
        for raw in catalog.tables(database["Name"]):
            yield database["Name"], raw


def _tables(catalog: Catalog) -> _Rows:
    for database, raw in _described(catalog):
        yield _CATALOG, database, raw["Name"], "VIEW" if views.is_view(raw) else "BASE TABLE"
    for name in COLUMNS:
        yield _CATALOG, NAME, name, "BASE TABLE"


def _views(catalog: Catalog) -> _Rows:
    for database, raw in _described(catalog):
        if views.is_view(raw):
            yield _CATALOG, database, raw["Name"], views.decode(raw)["originalSql"]


def _columns(catalog: Catalog) -> _Rows:
    for database, raw in _described(catalog):
        found = [*raw.get("StorageDescriptor", {}).get("Columns", []), *raw.get("PartitionKeys", [])]
        for place, column in enumerate(found, start=1):
            kind = trino_type(column["Type"])
            yield _CATALOG, database, raw["Name"], column["Name"].lower(), place, None, "YES", kind
    for table, columns in COLUMNS.items():
        for place, (name, kind) in enumerate(columns.items(), start=1):
            yield _CATALOG, NAME, table, name, place, None, "YES", trino_type(kind)


_ROWS: dict[str, Callable[[Catalog], _Rows]] = {
    "schemata": _schemata,
    "tables": _tables,
    "views": _views,
    "columns": _columns,
}
