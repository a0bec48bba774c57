"""Descriptions of tables in Glue, and the changes that statements make to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sandbox.aws.athena.formats import reader
from sandbox.aws.errors import QueryError, UnsupportedSqlError
from sandbox.aws.storage import Location

# The parts of Glue's answer that a `TableInput` has too.
_INPUT = {
    *("Name", "Description", "Owner", "Retention", "StorageDescriptor", "PartitionKeys", "ViewOriginalText"),
    *("ViewExpandedText", "TableType", "Parameters"),
}


@dataclass(frozen=True)
class Partition:
    """One registered partition: its values in the order of the keys, and the location of its files."""

    values: tuple[str, ...]
    location: Location


@dataclass(frozen=True)
class Table:
    """A Glue table as a query sees it; `columns` and `keys` map names to Glue types, in order."""

    database: str
    name: str
    columns: dict[str, str]
    keys: dict[str, str]
    location: Location
    format: str
    serde: str
    options: dict[str, str]
    buckets: int = 0
    bucketed_by: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, str]:
        """All columns that a query can name: the stored columns, then the partition keys."""
        return {**self.columns, **self.keys}


class Catalog:
    """Glue through its API, with Athena's error messages."""

    def __init__(self, glue: Any) -> None:  # noqa: ANN401 - boto3 clients are untyped
        self._glue = glue

    def table(self, database: str, name: str) -> Table:
        """Return a table's description.

        Raises:
            QueryError: The database or the table does not exist.
            UnsupportedSqlError: It is a view, or the sandbox cannot read its file format.
        """
        raw = self.raw(database, name)
        if raw is None:
            if not self.has_database(database):
                raise QueryError(f"SCHEMA_NOT_FOUND: line 1:15: Schema '{database}' does not exist")
            raise QueryError(f"TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{database}.{name}' does not exist")
        return self.readable(database, raw)

    def readable(self, database: str, raw: dict[str, Any]) -> Table:
        """Return the description of a table that the sandbox can read.

        Raises:
            UnsupportedSqlError: It is a view or an Iceberg table, or its files cannot be read.
        """
        found = self.described(database, raw)
        reader(f"{database}.{found.name}", found.serde, raw.get("StorageDescriptor", {}).get("InputFormat", ""))
        return found

    def described(self, database: str, raw: dict[str, Any]) -> Table:
        """Return what Glue's own description says; `format` is empty if the sandbox cannot read such files.

        Raises:
            UnsupportedSqlError: It is a view or an Iceberg table.
        """
        name, storage = raw["Name"], raw.get("StorageDescriptor", {})
        if raw.get("TableType") == "VIRTUAL_VIEW":
            raise UnsupportedSqlError(f"view {database}.{name} in the place of a table")
        if raw.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG":
            raise UnsupportedSqlError(f"Iceberg table {database}.{name}")
        serde = storage.get("SerdeInfo", {})
        options = {**serde.get("Parameters", {}), **raw.get("Parameters", {})}
        return Table(
            database=database,
            name=name,
            columns={column["Name"].lower(): column["Type"].lower() for column in storage.get("Columns", [])},
            keys={column["Name"].lower(): column["Type"].lower() for column in raw.get("PartitionKeys", [])},
            location=_location(storage.get("Location", "")),
            format=known_reader(serde.get("SerializationLibrary", ""), storage.get("InputFormat", "")),
            serde=serde.get("SerializationLibrary", ""),
            options={key.lower(): value for key, value in options.items()},
            buckets=max(storage.get("NumberOfBuckets", 0), 0) if storage.get("BucketColumns") else 0,
            bucketed_by=tuple(name.lower() for name in storage.get("BucketColumns", [])),
        )

    def has_database(self, name: str) -> bool:
        """Return whether a database exists."""
        return any(item["Name"] == name for item in self.databases())

    def raw(self, database: str, name: str) -> dict[str, Any] | None:
        """Return Glue's own description, or None if the table does not exist."""
        try:
            found: dict[str, Any] = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None
        return found

    def require_database(self, database: str) -> dict[str, Any]:
        """Return a database's description.

        Raises:
            QueryError: The database does not exist.
        """
        try:
            found: dict[str, Any] = self._glue.get_database(Name=database)["Database"]
        except ClientError as error:
            raise QueryError(f"SCHEMA_NOT_FOUND: line 1:15: Schema '{database}' does not exist") from error
        return found

    def partitions(self, table: Table) -> list[Partition]:
        """Return the registered partitions of a table."""
        pages = self._glue.get_paginator("get_partitions").paginate(DatabaseName=table.database, TableName=table.name)
        return [
            Partition(tuple(item["Values"]), Location.parse(item["StorageDescriptor"]["Location"]).folder)
            for page in pages
            for item in page["Partitions"]
        ]

    def names(self, database: str) -> list[str]:
        """Return the names of a database's tables."""
        return [item["Name"] for item in self.tables(database)]

    def tables(self, database: str) -> list[dict[str, Any]]:
        """Return Glue's descriptions of the tables of a database."""
        pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=database)
        return [item for page in pages for item in page["TableList"]]

    def databases(self) -> list[dict[str, Any]]:
        """Return Glue's descriptions of all databases."""
        pages = self._glue.get_paginator("get_databases").paginate()
        return [item for page in pages for item in page["DatabaseList"]]

    def create_database(self, described: dict[str, Any], *, if_absent: bool) -> None:
        """Create a database from a `DatabaseInput`.

        Raises:
            QueryError: It already exists and `if_absent` is false.
        """
        try:
            self._glue.create_database(DatabaseInput=described)
        except ClientError as error:
            if not if_absent:
                raise QueryError(
                    "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
                    f"Database {described['Name']} already exists"
                ) from error

    def drop_database(self, name: str, *, if_present: bool, cascade: bool) -> None:
        """Drop a database, and its tables too if `cascade`.

        Raises:
            QueryError: It does not exist, or it is not empty.
        """
        if not self.has_database(name):
            if not if_present:
                raise QueryError(f"FAILED: SemanticException [Error 10072]: Database does not exist: {name}")
            return
        if self.names(name) and not cascade:
            raise QueryError(f"FAILED: Execution Error: Database {name} is not empty. One or more tables exist.")
        self._glue.delete_database(Name=name)

    def create(self, database: str, described: dict[str, Any]) -> None:
        """Register a table or view from a `TableInput`."""
        self._glue.create_table(DatabaseName=database, TableInput=described)

    def update(self, table: Table, changes: dict[str, Any]) -> None:
        """Change parts of a table's `TableInput`."""
        raw = self.raw(table.database, table.name) or {}
        kept = {key: value for key, value in raw.items() if key in _INPUT}
        self._glue.update_table(DatabaseName=table.database, TableInput={**kept, **changes})

    def drop_table(self, database: str, name: str) -> None:
        """Remove a table from Glue; its files stay."""
        self._glue.delete_table(DatabaseName=database, Name=name)

    def add_partitions(self, table: Table, partitions: Iterable[Partition]) -> list[Partition]:
        """Register the partitions that are not registered yet, and return them."""
        known = {item.values for item in self.partitions(table)}
        added = [item for item in partitions if item.values not in known]
        for item in added:
            self._glue.create_partition(
                DatabaseName=table.database, TableName=table.name, PartitionInput=self._input(table, item)
            )
        return added

    def change_partition(self, table: Table, values: tuple[str, ...], changed: Partition) -> None:
        """Give a registered partition another location or other values."""
        self._glue.update_partition(
            DatabaseName=table.database,
            TableName=table.name,
            PartitionValueList=list(values),
            PartitionInput=self._input(table, changed),
        )

    def drop_partition(self, table: Table, values: tuple[str, ...]) -> None:
        """Remove a partition from Glue; its files stay."""
        self._glue.delete_partition(DatabaseName=table.database, TableName=table.name, PartitionValues=list(values))

    def _input(self, table: Table, partition: Partition) -> dict[str, Any]:
        raw = self.raw(table.database, table.name) or {}
        storage = {**raw.get("StorageDescriptor", {}), "Location": str(partition.location)}
        return {"Values": list(partition.values), "StorageDescriptor": storage}


def _location(text: str) -> Location:
    return Location.parse(text).folder if text else Location("", "")


def known_reader(serde: str, input_format: str) -> str:
    """Return the reader of such files, or nothing."""
    try:
        return reader("", serde, input_format)
    except UnsupportedSqlError:
        return ""
