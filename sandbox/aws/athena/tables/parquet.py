"""Parquet files as DuckDB relations: declared columns matched to stored ones, and types that do not fit."""

from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.aws.athena.catalog import Table
from sandbox.aws.athena.sql.types import from_hive
from sandbox.aws.athena.tables.text import files, milliseconds, quote
from sandbox.aws.errors import QueryError

Stored = tuple[tuple[str, str], ...]
# Which stored Parquet types may stand for which declared type; anything else is HIVE_BAD_DATA, as in Athena.
_READABLE: list[tuple[Callable[[pa.DataType], bool], set[str]]] = [
    (pa.types.is_boolean, {"BOOLEAN"}),
    (pa.types.is_integer, {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DECIMAL"}),
    (pa.types.is_float32, {"FLOAT", "DOUBLE"}),
    (pa.types.is_float64, {"DOUBLE", "FLOAT"}),
    (pa.types.is_decimal, {"DECIMAL", "DOUBLE", "FLOAT"}),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), {"VARCHAR", "BLOB"}),
    (pa.types.is_dictionary, {"VARCHAR"}),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), {"BLOB", "VARCHAR"}),
    (pa.types.is_date, {"DATE"}),
    (pa.types.is_timestamp, {"TIMESTAMP"}),
]


@lru_cache(maxsize=4096)
def _metadata(path: Path) -> tuple[pa.Schema, dict[str, int], int]:
    """Return a Parquet file's schema, compressed bytes per top-level column, and number of rows."""
    with pq.ParquetFile(path) as file:
        sizes: dict[str, int] = defaultdict(int)
        for group in range(file.metadata.num_row_groups):
            for index in range(file.metadata.num_columns):
                column = file.metadata.row_group(group).column(index)
                sizes[column.path_in_schema.split(".")[0].lower()] += column.total_compressed_size
        return file.schema_arrow, dict(sizes), file.metadata.num_rows


def match(path: Path, table: Table, place: str, used: frozenset[str]) -> tuple[Stored, int]:
    """Match the declared columns to a file's by name, ignoring case, and sum the bytes of the used ones.

    Raises:
        QueryError: HIVE_BAD_DATA; it is no Parquet file, or a stored type cannot be read as the declared one.
    """
    try:
        schema, sizes, _ = _metadata(path)
    except pa.ArrowInvalid as error:
        raise QueryError(f"HIVE_BAD_DATA: Not valid Parquet file: {place}: {error}") from error
    names = {name.lower(): name for name in schema.names}
    if table.options.get("parquet.column.index.access", "").lower() == "true":
        names = dict(zip(table.columns, schema.names, strict=False))
    stored = []
    for column, kind in table.columns.items():
        if column in names:
            _compatible(schema.field(names[column]).type, kind, f"{table.database}.{table.name}.{column}", place)
            stored.append((column, names[column]))
    return tuple(stored), sum(size for name, size in sizes.items() if name in used)


def _compatible(stored: pa.DataType, declared: str, column: str, place: str) -> None:
    wanted = from_hive(declared)
    nested = wanted.endswith("]") or wanted.startswith(("MAP(", "STRUCT("))
    wrong = pa.types.is_nested(stored) != nested
    for matches, allowed in _READABLE:
        wrong = wrong or (matches(stored) and wanted.split("(")[0] not in allowed)
    if wrong:
        raise QueryError(
            f"HIVE_BAD_DATA: Field {column}'s type {stored} in parquet file {place} is incompatible with "
            f"type {declared} defined in table schema"
        )


def branch(table: Table, stored: dict[str, str], paths: list[Path]) -> tuple[list[str], str]:
    """Return the SELECT items and the FROM text that read some files which store the same columns."""
    columns = []
    for name, kind in table.columns.items():
        wanted = from_hive(kind)
        source = quote(stored[name]) if name in stored else "NULL"
        value = f"CAST({source} AS {wanted})"
        # Athena reads a Glue timestamp with millisecond precision, rounded.
        columns.append(f"{milliseconds(value) if wanted == 'TIMESTAMP' else value} AS {quote(name)}")
    return columns, f"read_parquet({files(paths)}, union_by_name = true)"
