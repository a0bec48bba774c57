"""Glue tables as DuckDB relations: the files of their partitions, staged locally and cast to the declared types."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.aws.athena.catalog import CSV, Partition, Table
from sandbox.aws.athena.sql.types import from_hive
from sandbox.aws.errors import QueryError
from sandbox.aws.storage import Object, Storage

_GZIP = b"\x1f\x8b"
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


@dataclass
class Relation:
    """A table's FROM text for DuckDB, and the bytes that a query of its `columns` scans."""

    sql: str
    scanned: int = 0
    branches: list[str] = field(default_factory=list)


def relation(storage: Storage, table: Table, partitions: list[Partition], used: set[str]) -> Relation:
    """Stage the table's visible files and describe them to DuckDB.

    Args:
        storage: Where the files are.
        table: The Glue table.
        partitions: The partitions to read; a table without keys has one partition without values.
        used: The column names in the query, to count the bytes scanned.

    Raises:
        QueryError: A file does not match the table's declaration.
    """
    groups: dict[tuple[tuple[str, ...], tuple[tuple[str, str], ...], bool], list[Path]] = defaultdict(list)
    result = Relation("")
    for partition in partitions:
        for item in visible(storage, partition):
            path = storage.stage(item)
            if table.format == CSV:
                groups[partition.values, (), path.open("rb").read(2) == _GZIP].append(path)
                result.scanned += item.size
            else:
                stored, scanned = _parquet(path, table, item, frozenset(used))
                groups[partition.values, stored, False].append(path)
                result.scanned += scanned
    for (values, stored, packed), paths in groups.items():
        keys = dict(zip(table.keys, values, strict=True))
        if table.format == CSV:
            result.branches.append(_csv_branch(table, keys, paths, packed))
        else:
            result.branches.append(_parquet_branch(table, keys, dict(stored), paths))
    result.sql = " UNION ALL ".join(result.branches) or _empty(table)
    return result


def visible(storage: Storage, partition: Partition) -> Iterator[Object]:
    """List the files that Athena reads: not empty, no part of the path below the location starts with `_` or `.`."""
    for item in storage.objects(partition.location):
        parts = item.place.key[len(partition.location.key) :].split("/")
        if item.size and parts[-1] and not any(part.startswith(("_", ".")) for part in parts):
            yield item


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _files(paths: list[Path]) -> str:
    return "[" + ", ".join(_text(str(path)) for path in paths) + "]"


def _key_columns(table: Table, keys: dict[str, str]) -> list[str]:
    return [
        f"CAST({'NULL' if keys[name] == '__HIVE_DEFAULT_PARTITION__' else _text(keys[name])} AS {from_hive(kind)}) "
        f"AS {_quote(name)}"
        for name, kind in table.keys.items()
    ]


def _empty(table: Table) -> str:
    columns = ", ".join(f"CAST(NULL AS {from_hive(kind)}) AS {_quote(name)}" for name, kind in table.schema.items())
    return f"SELECT {columns} WHERE false"


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


def _parquet(path: Path, table: Table, item: Object, used: frozenset[str]) -> tuple[tuple[tuple[str, str], ...], int]:
    """Match the declared columns to a file's by name, ignoring case, and sum the bytes of the used ones."""
    try:
        schema, sizes, _ = _metadata(path)
    except pa.ArrowInvalid as error:
        raise QueryError(f"HIVE_BAD_DATA: Not valid Parquet file: {item.place}: {error}") from error
    names = {name.lower(): name for name in schema.names}
    stored = []
    for column, kind in table.columns.items():
        if column in names:
            _compatible(schema.field(names[column]).type, kind, f"{table.database}.{table.name}.{column}", item)
            stored.append((column, names[column]))
    return tuple(stored), sum(size for name, size in sizes.items() if name in used)


def _compatible(stored: pa.DataType, declared: str, column: str, item: Object) -> None:
    wanted = from_hive(declared)
    for matches, allowed in _READABLE:
        if matches(stored) and wanted.split("(")[0] not in allowed:
            raise QueryError(
                f"HIVE_BAD_DATA: Field {column}'s type {stored} in parquet file {item.place} is incompatible with "
                f"type {declared} defined in table schema"
            )


def _parquet_branch(table: Table, keys: dict[str, str], stored: dict[str, str], paths: list[Path]) -> str:
    columns = []
    for name, kind in table.columns.items():
        wanted = from_hive(kind)
        source = _quote(stored[name]) if name in stored else "NULL"
        value = f"CAST({source} AS {wanted})"
        if wanted == "TIMESTAMP":
            # Athena reads a Glue timestamp with millisecond precision, rounded.
            value = f"date_trunc('milliseconds', {value} + INTERVAL 500 MICROSECOND)"
        columns.append(f"{value} AS {_quote(name)}")
    columns += _key_columns(table, keys)
    return f"SELECT {', '.join(columns)} FROM read_parquet({_files(paths)}, union_by_name = true)"  # noqa: S608 - our own text


def _csv_branch(table: Table, keys: dict[str, str], paths: list[Path], packed: bool) -> str:
    strict = "OpenCSVSerde" in table.serde
    options = table.options
    delimiter = options.get("separatorchar", ",") if strict else options.get("field.delim", "\x01")
    quote = options.get("quotechar", '"') if strict else ""
    escape = options.get("escapechar", '"') if strict else options.get("escape.delim", "")
    declared = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in table.columns)
    arguments = [
        _files(paths), "auto_detect = false", "header = false", "null_padding = true", "strict_mode = false",
        f"columns = {{{declared}}}", f"delim = {_text(delimiter)}", f"quote = {_text(quote)}",
        f"escape = {_text(escape if quote else '')}", f"skip = {int(options.get('skip.header.line.count', 0))}",
        f"nullstr = {_text('' if strict else chr(92) + 'N')}", f"compression = '{'gzip' if packed else 'none'}'",
    ]  # fmt: skip
    columns = [f"{_csv_value(name, kind, strict)} AS {_quote(name)}" for name, kind in table.columns.items()]
    columns += _key_columns(table, keys)
    return f"SELECT {', '.join(columns)} FROM read_csv({', '.join(arguments)})"  # noqa: S608 - our own text


def _csv_value(name: str, kind: str, strict: bool) -> str:
    wanted = from_hive(kind)
    if wanted == "VARCHAR":
        return f"coalesce({_quote(name)}, '')" if strict else _quote(name)
    # LazySimpleSerDe reads what it cannot parse as NULL; OpenCSVSerde fails the query.
    return f"{'CAST' if strict else 'TRY_CAST'}({_quote(name)} AS {wanted})"
