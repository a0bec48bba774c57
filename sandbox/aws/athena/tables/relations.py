"""Glue tables as DuckDB relations: the files of their partitions, staged locally and cast to the declared types."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.aws.athena.catalog import Partition, Table
from sandbox.aws.athena.formats import JSON, OPEN_CSV, OPENX_JSON, ORC, PARQUET
from sandbox.aws.athena.sql.types import from_hive
from sandbox.aws.athena.tables import buckets, converted, parquet
from sandbox.aws.athena.tables.delimited import Lazy, OpenCsv
from sandbox.aws.athena.tables.lines import decompressed, is_plain
from sandbox.aws.athena.tables.text import files, quote, text
from sandbox.aws.athena.tables.values import csv_value, lazy_value
from sandbox.aws.errors import QueryError
from sandbox.aws.storage import Location, Object, Storage

# Columns that every table has and `*` does not show.
HIDDEN = {"$path": "string", "$file_size": "bigint", "$file_modified_time": "timestamptz"}
_HIDDEN_KINDS = {"$path": "VARCHAR", "$file_size": "BIGINT", "$file_modified_time": "TIMESTAMPTZ"}
# From this many partitions on, one listing of what they have in common is cheaper than one for each.
_MANY = 8
# No field is this text, so an empty field does not read as NULL.
_NEVER = "\x02\x03never\x03\x02"


@dataclass
class Relation:
    """A table's FROM text for DuckDB, and the bytes that a query of its `columns` scans."""

    sql: str
    scanned: int = 0
    branches: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Group:
    """What files must share to be read by one SELECT: values of keys, stored columns, form, and hidden columns."""

    keys: tuple[str, ...]
    stored: parquet.Stored = ()
    form: str = ""
    hidden: tuple[tuple[str, str], ...] = ()


def relation(
    storage: Storage, table: Table, partitions: list[Partition], used: set[str], wanted: set[int] | None = None
) -> Relation:
    """Stage the table's visible files and describe them to DuckDB.

    Args:
        storage: Where the files are.
        table: The Glue table.
        partitions: The partitions to read; a table without keys has one partition without values.
        used: The column names in the query, to count the bytes scanned.
        wanted: The buckets to read; None for all.

    Raises:
        QueryError: A file does not match the table's declaration.
    """
    groups: dict[_Group, list[Path]] = defaultdict(list)
    result = Relation("")
    asked = sorted(used & set(HIDDEN))
    for partition, item in contents(storage, partitions):
        if wanted is not None and (bucket := buckets.of_file(item.place.key)) is not None and bucket not in wanted:
            continue
        hidden = tuple((name, _hidden(name, item)) for name in asked)
        stored, form, path, scanned = _prepared(storage, table, item, frozenset(used))
        groups[_Group(partition.values, stored, form, hidden)].append(path)
        result.scanned += scanned
    result.branches = [_select(table, group, paths) for group, paths in groups.items()]
    result.sql = " UNION ALL ".join(result.branches) or _empty(table, asked)
    return result


def contents(storage: Storage, partitions: list[Partition]) -> Iterator[tuple[Partition, Object]]:
    """Yield the files that Athena reads: not empty, no part of the path below the location starts with `_` or `.`."""
    if len(partitions) < _MANY or len({item.location.bucket for item in partitions}) > 1:
        for partition in partitions:
            for item in storage.objects(partition.location):
                if _visible(item, partition.location):
                    yield partition, item
        return
    by_place: dict[str, list[Partition]] = defaultdict(list)
    for partition in partitions:
        by_place[partition.location.key].append(partition)
    first, last = min(by_place), max(by_place)
    common = next(
        (place for place, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), len(first)
    )
    for item in storage.objects(Location(partitions[0].location.bucket, first[:common])):
        for partition in _holders(item, by_place):
            if _visible(item, partition.location):
                yield partition, item


def _holders(item: Object, by_place: dict[str, list[Partition]]) -> Iterator[Partition]:
    for end, char in enumerate(item.place.key, start=1):
        if char == "/":
            yield from by_place.get(item.place.key[:end], ())


def _visible(item: Object, location: Location) -> bool:
    parts = item.place.key[len(location.key) :].split("/")
    return bool(item.size and parts[-1] and not any(part.startswith(("_", ".")) for part in parts))


def _hidden(name: str, item: Object) -> str:
    if name == "$file_size":
        return f"CAST({item.size} AS BIGINT)"
    if name == "$file_modified_time":
        return f"TIMESTAMPTZ {text(item.modified + '+00')}"
    return text(str(item.place))


def _prepared(
    storage: Storage, table: Table, item: Object, used: frozenset[str]
) -> tuple[parquet.Stored, str, Path, int]:
    """Stage a file, converted if need be; return its stored columns, its form, its path and the bytes to scan."""
    path, place = storage.stage(item), str(item.place)
    if table.format == PARQUET:
        stored, scanned = parquet.match(path, table, place, used)
        return stored, PARQUET, path, scanned
    if table.format == ORC:
        path = converted.columnar(path, table, place)
        return parquet.match(path, table, place, used)[0], PARQUET, path, item.size
    path = decompressed(path, item.place.key)
    if table.format in {JSON, OPENX_JSON}:
        path = converted.documents(path, table, _skip(table))
        return parquet.match(path, table, place, used)[0], PARQUET, path, item.size
    serde = _serde(table)
    if is_plain(path, serde.marks):
        return (), "plain", path, item.size
    return (), "fields", converted.fields(path, table, serde, _skip(table)), item.size


def _serde(table: Table) -> Lazy | OpenCsv:
    return OpenCsv.of(table.options) if table.format == OPEN_CSV else Lazy.of(table.options)


def _skip(table: Table) -> int:
    if int(table.options.get("skip.footer.line.count", "0")):
        raise QueryError("NOT_SUPPORTED: skip.footer.line.count (the sandbox cannot reproduce it)")
    try:
        return int(table.options.get("skip.header.line.count", "0"))
    except ValueError as error:
        raise QueryError("HIVE_INVALID_METADATA: Invalid value for skip.header.line.count property") from error


def _select(table: Table, group: _Group, paths: list[Path]) -> str:
    if group.form == PARQUET:
        columns, source = parquet.branch(table, dict(group.stored), paths)
    else:
        columns, source = _text_columns(table), _text_source(table, group.form, paths)
    keys = dict(zip(table.keys, group.keys, strict=True))
    columns += [f"{_key(keys[name], kind)} AS {quote(name)}" for name, kind in table.keys.items()]
    columns += [f"{value} AS {quote(name)}" for name, value in group.hidden]
    return f"SELECT {', '.join(columns)} FROM {source}"  # noqa: S608 - our own text


def _key(value: str, kind: str) -> str:
    return f"CAST({'NULL' if value == '__HIVE_DEFAULT_PARTITION__' else text(value)} AS {from_hive(kind)})"


def _empty(table: Table, hidden: list[str]) -> str:
    kinds = {name: from_hive(kind) for name, kind in table.schema.items()}
    kinds |= {name: _HIDDEN_KINDS[name] for name in hidden}
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in kinds.items())
    return f"SELECT {columns} WHERE false"


def _text_columns(table: Table) -> list[str]:
    strict = table.format == OPEN_CSV
    return [
        f"{csv_value(quote(name), kind, place) if strict else lazy_value(quote(name), kind)} AS {quote(name)}"
        for place, (name, kind) in enumerate(table.columns.items())
    ]


def _text_source(table: Table, form: str, paths: list[Path]) -> str:
    if form == "fields":
        return f"read_parquet({files(paths)})"
    serde = _serde(table)
    declared = ", ".join(f"{text(name)}: 'VARCHAR'" for name in table.columns)
    return "read_csv(" + ", ".join([
        files(paths), "auto_detect = false", "header = false", "null_padding = true", "strict_mode = false",
        f"columns = {{{declared}}}", f"delim = {text(serde.separator)}", "quote = ''", "escape = ''",
        f"skip = {_skip(table)}", f"nullstr = {text(serde.null if isinstance(serde, Lazy) else _NEVER)}",
        "compression = 'none'",
    ]) + ")"  # fmt: skip
