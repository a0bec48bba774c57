"""Executes CREATE TABLE AS, UNLOAD and INSERT: files for the rows, then the table or its partitions in Glue."""

import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.aws.athena.catalog import Catalog, Table
from sandbox.aws.athena.engine import Column, Run
from sandbox.aws.athena.execution import Execution
from sandbox.aws.athena.formats import STORED_AS, WRITTEN
from sandbox.aws.athena.sql import statements
from sandbox.aws.athena.sql.types import from_hive, to_hive
from sandbox.aws.athena.tables import projection
from sandbox.aws.athena.tables.trino import trino_type
from sandbox.aws.athena.writes.columns import assignable, check_columns, check_precision, require_names
from sandbox.aws.athena.writes.files import Writer, require_empty
from sandbox.aws.athena.writes.properties import Properties, checked
from sandbox.aws.athena.writes.rows import Target, store
from sandbox.aws.errors import QueryError
from sandbox.aws.storage import Location, Storage

_DATA = re.compile(r"\s+WITH\s+(?P<no>NO\s+)?DATA\s*$", re.IGNORECASE)
_COMPRESSIONS = ("parquet.compression", "orc.compress", "write.compression", "compression")


@dataclass(frozen=True)
class Writes:
    """Executes statements that store rows.

    Attributes:
        scratch: Local folder for temporary files.
    """

    catalog: Catalog
    storage: Storage
    scratch: Path

    def run(self, execution: Execution, run: Run, sql: str) -> Writer:
        """Execute a statement and return what has written its files.

        Raises:
            QueryError: Athena would reject the statement.
        """
        write = statements.parse_write(sql)
        return {"CTAS": self._ctas, "UNLOAD": self._unload, "INSERT": self._insert}[execution.kind](
            execution, run, write
        )

    def _unload(self, execution: Execution, run: Run, write: statements.Write) -> Writer:
        properties = checked(write, unload=True)
        writer = Writer(self.storage, self.scratch, properties)
        text, columns = run.prepare(write.query, execution.database)
        check_columns(columns, creates_table=False)
        check_precision(write.query, columns)
        place = Location.parse(write.location or "").folder
        require_empty(self.storage, place, f"awsdatacatalog.{execution.database or 'default'}.unload")
        target = Target(columns, properties.keys, unnamed_table(place, columns, properties.keys))
        store(run, text, target, writer)
        return writer

    def _ctas(self, execution: Execution, run: Run, write: statements.Write) -> Writer:
        properties = checked(write, unload=False)
        database, name = _target(execution, write)
        if execution.enforced and write.location:
            raise QueryError(
                "The Create Table As Select query failed because it was submitted with an 'external_location' property "
                "to an Athena Workgroup that enforces a centralized output location for all queries. Please remove "
                "the 'external_location' property and resubmit the query."
            )
        if execution.managed and not write.location:
            raise QueryError(
                "INVALID_TABLE_PROPERTY: CREATE TABLE AS in a workgroup with managed results needs external_location"
            )
        self.catalog.require_database(database)
        writer = Writer(self.storage, self.scratch, properties)
        if self.catalog.raw(database, name):
            if write.if_absent:
                return writer
            raise QueryError(
                f"TABLE_ALREADY_EXISTS: line 1:1: Destination table 'awsdatacatalog.{database}.{name}' already exists"
            )
        data = _DATA.search(write.query)
        query = write.query[: data.start()] if data else write.query
        text, columns = run.prepare(query, execution.database)
        require_names(columns, query)
        check_columns(columns, creates_table=True)
        check_precision(query, columns)
        place = Location.parse(write.location or execution.location).folder
        require_empty(self.storage, place, f"awsdatacatalog.{database}.{name}")
        table = unnamed_table(place, columns, properties.keys)
        described = _described(name, table, properties)
        target = Target(columns, properties.keys, table, properties.bucketed_by, properties.buckets)
        target.check()
        found = [] if data and data["no"] else store(run, text, target, writer)
        self.catalog.create(database, described)
        if found:
            self.catalog.add_partitions(self.catalog.table(database, name), found)
        return writer

    def _insert(self, execution: Execution, run: Run, write: statements.Write) -> Writer:
        database, name = _target(execution, write)
        table = self.catalog.table(database, name)
        if table.format not in WRITTEN:
            raise QueryError(f"NOT_SUPPORTED: Inserting into tables with serde {table.serde} is not supported")
        if table.buckets:
            raise QueryError("NOT_SUPPORTED: Inserting into bucketed tables is not supported")
        text, columns = run.prepare(write.query, execution.database)
        text = _aligned(table, columns, text, write.columns)
        wanted = [Column(column, from_hive(kind)) for column, kind in table.schema.items()]
        writer = Writer(self.storage, self.scratch, _kept(table))
        projected = projection.is_projected(table)
        known = {item.values: item.location for item in self.catalog.partitions(table)} if table.keys else {}
        target = Target(wanted, list(table.keys), table, known=None if projected else known)
        found = store(run, text, target, writer)
        if not projected:
            self.catalog.add_partitions(table, [item for item in found if item.values not in known])
        return writer


def unnamed_table(place: Location, columns: list[Column], keys: list[str]) -> Table:
    """Return the description of a table of such columns that Glue does not have yet."""
    kinds = {column.name.lower(): to_hive(column.kind) for column in columns}
    stored = {name: kind for name, kind in kinds.items() if name not in keys}
    return Table("", "", stored, {key: kinds[key] for key in keys if key in kinds}, place, "", "", {})


def _target(execution: Execution, write: statements.Write) -> tuple[str, str]:
    given, name = write.table or (None, "")
    database = given or execution.database
    if not database:
        raise QueryError("MISSING_SCHEMA_NAME: line 1:1: Schema must be specified when session schema is not set")
    return database, name


def _described(name: str, table: Table, properties: Properties) -> dict[str, object]:
    """Return the `TableInput` of a table that CREATE TABLE AS makes."""
    form = STORED_AS[properties.format]
    options = {"serialization.format": "1"}
    if properties.format == "TEXTFILE":
        options = {"field.delim": properties.delimiter, "serialization.format": properties.delimiter}
    key = {"PARQUET": "parquet.compression", "ORC": "orc.compress"}.get(properties.format, "write.compression")
    compression = properties.compression or ("ZLIB" if properties.format == "ORC" else "GZIP")
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": {"TEXTFILE": "csv"}.get(properties.format, properties.format.lower()),
            "has_encrypted_data": "false",
            key: compression,
        },
        "PartitionKeys": [{"Name": key, "Type": kind} for key, kind in table.keys.items()],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in table.columns.items()],
            "Location": str(table.location),
            "InputFormat": form.input,
            "OutputFormat": form.output,
            "NumberOfBuckets": properties.buckets or -1,
            "BucketColumns": properties.bucketed_by,
            "SerdeInfo": {"Name": name, "SerializationLibrary": form.serde, "Parameters": options},
        },
    }


def _kept(table: Table) -> Properties:
    """Return how an existing table's files are written."""
    compression = next((table.options[key] for key in _COMPRESSIONS if table.options.get(key)), "").upper()
    return Properties(
        format=WRITTEN[table.format],
        keys=list(table.keys),
        bucketed_by=[],
        buckets=0,
        compression="" if compression in {"", "NONE"} and table.format == "text" else compression,
        level=None,
        delimiter=table.options.get("field.delim", "\x01"),
    )


def _aligned(table: Table, columns: list[Column], text: str, named: list[str]) -> str:
    """Return a query with its columns in the order and types of a table.

    Raises:
        QueryError: The number or the types of the columns do not match; the message is Athena's.
    """
    targets = named or list(table.schema)
    unknown = next((name for name in targets if name not in table.schema), None)
    if unknown:
        raise QueryError(f"COLUMN_NOT_FOUND: line 1:1: Insert column name does not exist in target table: {unknown}")
    if len(set(targets)) < len(targets):
        raise QueryError("DUPLICATE_COLUMN_NAME: line 1:1: Insert column name is specified more than once")
    kinds = [from_hive(table.schema[name]) for name in targets]
    given = [column.kind for column in columns]
    if len(kinds) != len(given) or not all(
        column.untyped or assignable(column.kind, kind) for column, kind in zip(columns, kinds, strict=False)
    ):
        raise QueryError(
            "TYPE_MISMATCH: line 1:1: Insert query has mismatched column types: "
            f"Table: [{_shown(kinds)}], Query: [{_shown(given)}]"
        )
    aliases = ", ".join(f'"{name}"' for name in targets)
    values = ", ".join(
        f'CAST({chr(34) + name + chr(34) if name in targets else "NULL"} AS {from_hive(kind)}) AS "{name}"'
        for name, kind in table.schema.items()
    )
    return f"SELECT {values} FROM ({text}) AS __given({aliases})"  # noqa: S608 - our own text


def _shown(kinds: list[str]) -> str:
    return ", ".join(trino_type(to_hive(kind)) for kind in kinds)
