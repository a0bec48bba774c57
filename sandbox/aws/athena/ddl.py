"""Statements about tables rather than rows: CREATE, DROP, ALTER, MSCK, SHOW and DESCRIBE, against Glue."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from sandbox.aws.athena.catalog import CSV, PARQUET, Catalog, Partition, Table
from sandbox.aws.athena.results import Row
from sandbox.aws.athena.sql.types import from_hive, split_top_level
from sandbox.aws.errors import QueryError, UnsupportedSqlError
from sandbox.aws.storage import Location, Storage

_T = r"(?:[`\"]?(?P<db>\w+)[`\"]?\.)?[`\"]?(?P<table>\w+)[`\"]?"
_LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_TEXT_OR_PAIR = re.compile(r"['\"]([^'\"]+)['\"]\s*=\s*['\"]([^'\"]*)['\"]")


class Ddl:
    """Executes DDL statements; each handler returns the rows of the `.txt` result."""

    def __init__(self, catalog: Catalog, storage: Storage, database: str | None) -> None:
        self._catalog = catalog
        self._storage = storage
        self._database = database

    def run(self, sql: str) -> list[Row]:
        """Execute a statement and return the rows of its result.

        Raises:
            QueryError: Athena would reject the statement.
            UnsupportedSqlError: The sandbox does not support the statement.
        """
        for pattern, handler in _HANDLERS:
            found = re.match(pattern, sql, re.IGNORECASE | re.DOTALL)
            if found:
                return handler(self, found)
        raise UnsupportedSqlError(f"statement {sql[:60]!r}")

    def _name(self, found: re.Match[str]) -> tuple[str, str]:
        database = found["db"] or self._database
        if not database:
            raise QueryError(f"FAILED: SemanticException: no database given for table {found['table']}")
        return database.lower(), found["table"].lower()

    def _table(self, found: re.Match[str]) -> Table:
        return self._catalog.table(*self._name(found))

    def create_database(self, found: re.Match[str]) -> list[Row]:
        """CREATE DATABASE."""
        self._catalog.create_database(found["name"].lower(), if_absent=bool(found["absent"]))
        return []

    def drop_database(self, found: re.Match[str]) -> list[Row]:
        """DROP DATABASE."""
        self._catalog.drop_database(
            found["name"].lower(), if_present=bool(found["present"]), cascade=bool(found["cascade"])
        )
        return []

    def create_table(self, found: re.Match[str]) -> list[Row]:
        """CREATE EXTERNAL TABLE."""
        database, name = self._name(found)
        self._catalog.require_database(database)
        if self._catalog.raw(database, name):
            if found["absent"]:
                return []
            raise QueryError(f"FAILED: Execution Error: AlreadyExistsException: Table {name} already exists")
        columns, rest = _parenthesised(found["rest"])
        self._catalog.create_table(_described(database, name, columns, rest))
        return []

    def drop_table(self, found: re.Match[str]) -> list[Row]:
        """DROP TABLE."""
        database, name = self._name(found)
        if self._catalog.raw(database, name):
            self._catalog.drop_table(database, name)
        elif not found["present"]:
            raise QueryError(f"FAILED: SemanticException [Error 10001]: Table not found {database}.{name}")
        return []

    def add_partitions(self, found: re.Match[str]) -> list[Row]:
        """ALTER TABLE ADD PARTITION, at the given location or below the table."""
        table = self._table(found)
        wanted = []
        for item in re.finditer(r"PARTITION\s*\((.*?)\)(?:\s*LOCATION\s*'([^']*)')?", found["rest"], re.I | re.S):
            values = _values(table, item[1])
            place = Location.parse(item[2]).folder if item[2] else _place(table, values)
            wanted.append(Partition(values, place))
        added = self._catalog.add_partitions(table, wanted)
        if len(added) < len(wanted) and not found["absent"]:
            raise QueryError("FAILED: SemanticException: AlreadyExistsException: Partition already exists.")
        return []

    def drop_partition(self, found: re.Match[str]) -> list[Row]:
        """ALTER TABLE DROP PARTITION."""
        table = self._table(found)
        self._catalog.drop_partition(table, _values(table, found["spec"]))
        return []

    def move_partition(self, found: re.Match[str]) -> list[Row]:
        """ALTER TABLE PARTITION SET LOCATION."""
        table = self._table(found)
        values = _values(table, found["spec"])
        self._catalog.move_partition(table, Partition(values, Location.parse(found["to"]).folder))
        return []

    def repair(self, found: re.Match[str]) -> list[Row]:
        """MSCK REPAIR TABLE: register every `key=value/` folder below the table."""
        table = self._table(found)
        shape = re.compile("/".join(rf"{re.escape(key)}=([^/]+)" for key in table.keys) + "/")
        places: dict[tuple[str, ...], Location] = {}
        for item in self._storage.objects(table.location):
            match = shape.match(item.place.key[len(table.location.key) :])
            if match:
                places[match.groups()] = Location(item.place.bucket, table.location.key + match[0])
        added = self._catalog.add_partitions(table, [Partition(values, place) for values, place in places.items()])
        return [[f"Repair: Added partition to metastore {table.name}:{'/'.join(item.values)}"] for item in added]

    def show_databases(self, found: re.Match[str]) -> list[Row]:  # noqa: ARG002 - all handlers share one signature
        """SHOW DATABASES."""
        return [[item["Name"]] for item in self._catalog.databases()]

    def show_tables(self, found: re.Match[str]) -> list[Row]:
        """SHOW TABLES."""
        database = (found["db"] or self._database or "").lower()
        shape = re.compile((found["like"] or "*").replace("*", ".*"), re.IGNORECASE)
        self._catalog.require_database(database)
        return [[name] for name in sorted(self._catalog.names(database)) if shape.fullmatch(name)]

    def show_partitions(self, found: re.Match[str]) -> list[Row]:
        """SHOW PARTITIONS."""
        table = self._table(found)
        pairs = [list(zip(table.keys, item.values, strict=True)) for item in self._catalog.partitions(table)]
        return [["/".join(f"{key}={value}" for key, value in pair)] for pair in sorted(pairs)]

    def show_columns(self, found: re.Match[str]) -> list[Row]:
        """SHOW COLUMNS."""
        return [[name] for name in self._table(found).schema]

    def describe(self, found: re.Match[str]) -> list[Row]:
        """DESCRIBE."""
        table = self._table(found)
        rows = _described_columns(table.schema)
        if table.keys:
            rows += [["", "", ""], ["# Partition Information", "", ""], ["# col_name", "data_type", "comment"]]
            rows += [["", "", ""], *_described_columns(table.keys)]
        return rows

    def refuse_table(self, found: re.Match[str]) -> NoReturn:
        """CREATE TABLE without EXTERNAL and AS."""
        raise QueryError(f"SYNTAX_ERROR: line 1:8: CREATE TABLE {found['table']} needs EXTERNAL or AS SELECT")


def _described_columns(columns: dict[str, str]) -> list[Row]:
    return [[name, kind, ""] for name, kind in columns.items()]


def _parenthesised(text: str) -> tuple[str, str]:
    """Split `(a int, b array<int>) REST` into the inside of the first parentheses and the rest."""
    depth = 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return text[1:position], text[position + 1 :]
    raise QueryError("FAILED: ParseException: unbalanced parentheses in the column list")


def _columns(text: str) -> dict[str, str]:
    columns = {}
    for part in split_top_level(text):
        name, _, kind = part.strip().partition(" ")
        kind = re.sub(r"\s+COMMENT\s+'.*'$", "", kind.strip(), flags=re.IGNORECASE).replace(" ", "").lower()
        from_hive(kind)
        columns[name.strip("`").lower()] = kind
    return columns


def _described(database: str, name: str, columns: str, rest: str) -> Table:
    keys = re.search(r"PARTITIONED\s+BY\s*(\(.*)", rest, re.I | re.S)
    location = re.search(r"LOCATION\s+'([^']*)'", rest, re.I)
    if not location:
        raise QueryError("FAILED: SemanticException: No location specified: an EXTERNAL table needs LOCATION 's3://…'")
    serde = re.search(r"ROW\s+FORMAT\s+SERDE\s+'([^']*)'", rest, re.I)
    stored = re.search(r"STORED\s+AS\s+(\w+)", rest, re.I)
    parquet = (stored and stored[1].upper() == "PARQUET") or (serde and "Parquet" in serde[1])
    options = {key: value.encode().decode("unicode_escape") for key, value in _TEXT_OR_PAIR.findall(rest)}
    delimiter = re.search(r"FIELDS\s+TERMINATED\s+BY\s+'([^']*)'", rest, re.I)
    if delimiter:
        options["field.delim"] = delimiter[1].encode().decode("unicode_escape")
    if stored and stored[1].upper() not in {"PARQUET", "TEXTFILE", "INPUTFORMAT"}:
        raise UnsupportedSqlError(f"STORED AS {stored[1]}")
    return Table(
        database=database,
        name=name,
        columns=_columns(columns),
        keys=_columns(_parenthesised(keys[1])[0]) if keys else {},
        location=Location.parse(location[1]).folder,
        format=PARQUET if parquet else CSV,
        serde="" if parquet else (serde[1] if serde else _LAZY),
        options=options,
    )


def _values(table: Table, spec: str) -> tuple[str, ...]:
    found = {key.lower(): value for key, value in re.findall(r"[`\"]?(\w+)[`\"]?\s*=\s*'?([^',]*)'?", spec)}
    if set(found) != set(table.keys):
        raise QueryError(
            f"FAILED: SemanticException: partition spec ({spec}) does not name the keys {list(table.keys)}"
        )
    return tuple(found[key].strip() for key in table.keys)


def _place(table: Table, values: tuple[str, ...]) -> Location:
    path = "/".join(f"{key}={value}" for key, value in zip(table.keys, values, strict=True))
    return replace(table.location, key=f"{table.location.key}{path}/")


partition_place = _place
_Handler = Callable[[Ddl, re.Match[str]], list[Row]]
_HANDLERS: list[tuple[str, _Handler]] = [
    (r"CREATE\s+(?:DATABASE|SCHEMA)\s+(?P<absent>IF\s+NOT\s+EXISTS\s+)?[`\"]?(?P<name>\w+)", Ddl.create_database),
    (
        r"DROP\s+(?:DATABASE|SCHEMA)\s+(?P<present>IF\s+EXISTS\s+)?[`\"]?(?P<name>\w+)[`\"]?\s*(?P<cascade>CASCADE)?",
        Ddl.drop_database,
    ),
    (rf"CREATE\s+EXTERNAL\s+TABLE\s+(?P<absent>IF\s+NOT\s+EXISTS\s+)?{_T}\s*(?P<rest>\(.*)$", Ddl.create_table),
    (rf"CREATE\s+TABLE\s+{_T}", Ddl.refuse_table),
    (rf"DROP\s+TABLE\s+(?P<present>IF\s+EXISTS\s+)?{_T}\s*$", Ddl.drop_table),
    (rf"ALTER\s+TABLE\s+{_T}\s+ADD\s+(?P<absent>IF\s+NOT\s+EXISTS\s+)?(?P<rest>PARTITION.*)$", Ddl.add_partitions),
    (
        rf"ALTER\s+TABLE\s+{_T}\s+DROP\s+(?:IF\s+EXISTS\s+)?PARTITION\s*\((?P<spec>.*?)\)\s*$",
        Ddl.drop_partition,
    ),
    (
        rf"ALTER\s+TABLE\s+{_T}\s+PARTITION\s*\((?P<spec>.*?)\)\s*SET\s+LOCATION\s+'(?P<to>[^']*)'\s*$",
        Ddl.move_partition,
    ),
    (rf"MSCK\s+REPAIR\s+TABLE\s+{_T}\s*$", Ddl.repair),
    (r"SHOW\s+(?:DATABASES|SCHEMAS)\s*$", Ddl.show_databases),
    (r"SHOW\s+TABLES(?:\s+IN\s+[`\"]?(?P<db>\w+)[`\"]?)?(?:\s+(?:LIKE\s+)?'(?P<like>[^']*)')?\s*$", Ddl.show_tables),
    (rf"SHOW\s+PARTITIONS\s+{_T}\s*$", Ddl.show_partitions),
    (rf"SHOW\s+COLUMNS\s+(?:IN|FROM)\s+{_T}\s*$", Ddl.show_columns),
    (rf"DESC(?:RIBE)?\s+{_T}\s*$", Ddl.describe),
]
