"""Statements that change tables and databases: CREATE, DROP, ALTER and MSCK REPAIR."""

import re
from collections.abc import Callable
from typing import Any

from sandbox.aws.athena.catalog import Catalog, Partition, Table
from sandbox.aws.athena.ddl import partitions
from sandbox.aws.athena.ddl.answer import NOTHING, Answer, listing
from sandbox.aws.athena.ddl.create import columns, pairs, table_input
from sandbox.aws.athena.ddl.tokens import Reader
from sandbox.aws.athena.tables import views
from sandbox.aws.errors import QueryError, UnsupportedSqlError
from sandbox.aws.storage import Location, Storage


class Change:
    """Executes statements that change what Glue holds.

    Args:
        catalog: Glue.
        storage: S3.
        database: The database of the request.
    """

    def __init__(self, catalog: Catalog, storage: Storage, database: str | None) -> None:
        self._catalog = catalog
        self._storage = storage
        self._database = database

    def create_database(self, reader: Reader) -> Answer:
        """CREATE DATABASE."""
        absent = reader.accept("IF", "NOT", "EXISTS")
        described: dict[str, Any] = {"Name": reader.name()}
        if reader.accept("COMMENT"):
            described["Description"] = reader.text()
        if reader.accept("LOCATION"):
            described["LocationUri"] = reader.text()
        if reader.accept("WITH", "DBPROPERTIES"):
            described["Parameters"] = pairs(reader)
        reader.end()
        self._catalog.create_database(described, if_absent=absent)
        return NOTHING

    def drop_database(self, reader: Reader) -> Answer:
        """DROP DATABASE."""
        present = reader.accept("IF", "EXISTS")
        name = reader.name()
        cascade = reader.accept("CASCADE") or (reader.accept("RESTRICT") and False)
        reader.end()
        self._catalog.drop_database(name, if_present=present, cascade=cascade)
        return NOTHING

    def create_table(self, reader: Reader) -> Answer:
        """CREATE EXTERNAL TABLE."""
        absent = reader.accept("IF", "NOT", "EXISTS")
        database, name = self._name(reader)
        described = table_input(reader, name)
        self._catalog.require_database(database)
        if self._catalog.raw(database, name):
            if absent:
                return NOTHING
            raise QueryError(
                "FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
                f"AlreadyExistsException(message:Table {name} already exists)"
            )
        self._catalog.create(database, described)
        return NOTHING

    def drop_table(self, reader: Reader) -> Answer:
        """DROP TABLE."""
        present = reader.accept("IF", "EXISTS")
        database, name = self._name(reader)
        reader.end()
        raw = self._catalog.raw(database, name)
        if raw is None:
            if present:
                return NOTHING
            raise QueryError(f"FAILED: SemanticException [Error 10001]: Table not found {database}.{name}")
        if views.is_view(raw):
            raise QueryError(f"FAILED: SemanticException [Error 10096]: Cannot drop a view with DROP TABLE: {name}")
        self._catalog.drop_table(database, name)
        return NOTHING

    def repair(self, reader: Reader) -> Answer:
        """MSCK REPAIR TABLE: register every `key=value/` folder below the table."""
        table = self._table(reader)
        reader.end()
        if not table.keys:
            raise QueryError(f"FAILED: Execution Error: Table {table.name} is not a partitioned table")
        shape = re.compile("/".join(rf"{re.escape(key)}=([^/]+)" for key in table.keys) + "/", re.IGNORECASE)
        places: dict[tuple[str, ...], Location] = {}
        for item in self._storage.objects(table.location):
            match = shape.match(item.place.key[len(table.location.key) :])
            if match:
                values = tuple(map(partitions.unescape, match.groups()))
                places[values] = Location(item.place.bucket, table.location.key + match[0])
        added = self._catalog.add_partitions(table, [Partition(values, place) for values, place in places.items()])
        names = [
            f"{table.name}:" + "/".join(f"{key}={value}" for key, value in zip(table.keys, item.values, strict=True))
            for item in added
        ]
        missing = ["\t".join(["Partitions not in metastore:", *names])] if names else []
        return listing("result", [*missing, *(f"Repair: Added partition to metastore {name}" for name in names)])

    def alter_table(self, reader: Reader) -> Answer:
        """ALTER TABLE."""
        table = self._table(reader)
        for words, handler in _ALTERATIONS:
            if reader.accept(*words):
                return handler(self, table, reader)
        if reader.sees("PARTITION"):
            return self._change_partition(table, reader)
        if reader.sees("RENAME") or reader.sees("CHANGE"):
            raise QueryError(f"NOT_SUPPORTED: ALTER TABLE {reader.next.value.upper()} is only for Iceberg tables")
        reader.fail("ADD, DROP, PARTITION, REPLACE COLUMNS or SET")

    def _replace_columns(self, table: Table, reader: Reader) -> Answer:
        return self._set_columns(table, reader, columns(reader))

    def _set_properties(self, table: Table, reader: Reader) -> Answer:
        described = pairs(reader)
        reader.end()
        self._catalog.update(table, {"Parameters": {**self._raw(table).get("Parameters", {}), **described}})
        return NOTHING

    def _name(self, reader: Reader) -> tuple[str, str]:
        given, name = reader.qualified()
        database = given or self._database
        if not database:
            raise QueryError(f"FAILED: SemanticException: no database given for table {name}")
        return database, name

    def _table(self, reader: Reader) -> Table:
        database, name = self._name(reader)
        raw = self._catalog.raw(database, name)
        if raw is None:
            raise QueryError(f"FAILED: SemanticException [Error 10001]: Table not found {database}.{name}")
        if views.is_view(raw):
            raise QueryError(f"FAILED: SemanticException [Error 10132]: {name} is a view")
        if raw.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG":
            raise UnsupportedSqlError("Iceberg tables")
        return self._catalog.described(database, raw)

    def _raw(self, table: Table) -> dict[str, Any]:
        return self._catalog.raw(table.database, table.name) or {}

    def _add_columns(self, table: Table, reader: Reader) -> Answer:
        added = columns(reader)
        twice = next((column["Name"] for column in added if column["Name"] in table.schema), None)
        if twice:
            raise QueryError(f"FAILED: SemanticException [Error 10036]: Duplicate column name: {twice}")
        return self._set_columns(table, reader, [*self._raw(table)["StorageDescriptor"]["Columns"], *added])

    def _set_columns(self, table: Table, reader: Reader, wanted: list[dict[str, str]]) -> Answer:
        reader.end()
        storage = {**self._raw(table)["StorageDescriptor"], "Columns": wanted}
        self._catalog.update(table, {"StorageDescriptor": storage})
        return NOTHING

    def _set_location(self, table: Table, reader: Reader) -> Answer:
        place = reader.text()
        reader.end()
        self._catalog.update(table, {"StorageDescriptor": {**self._raw(table)["StorageDescriptor"], "Location": place}})
        return NOTHING

    def _add_partitions(self, table: Table, reader: Reader) -> Answer:
        absent = reader.accept("IF", "NOT", "EXISTS")
        wanted: list[Partition] = []
        while not wanted or reader.next.kind != "end":
            values = partitions.complete(reader, table)
            place = Location.parse(reader.text()).folder if reader.accept("LOCATION") else None
            wanted.append(Partition(values, place or partitions.folder(table, values)))
        known = {item.values for item in self._catalog.partitions(table)}
        if not absent and any(item.values in known for item in wanted):
            raise QueryError("FAILED: SemanticException: AlreadyExistsException(message:Partition already exists.)")
        self._catalog.add_partitions(table, wanted)
        return NOTHING

    def _drop_partitions(self, table: Table, reader: Reader) -> Answer:
        present = reader.accept("IF", "EXISTS")
        wanted = [partitions.spec(reader, table)]
        while reader.accept_sign(","):
            wanted.append(partitions.spec(reader, table))
        reader.end()
        known = self._catalog.partitions(table)
        for spec in wanted:
            found = [item for item in known if spec.items() <= dict(zip(table.keys, item.values, strict=True)).items()]
            if not found and not present:
                raise QueryError(f"FAILED: SemanticException [Error 10006]: Partition not found {spec}")
            for item in found:
                self._catalog.drop_partition(table, item.values)
        return NOTHING

    def _change_partition(self, table: Table, reader: Reader) -> Answer:
        values = partitions.complete(reader, table)
        known = {item.values: item for item in self._catalog.partitions(table)}
        if values not in known:
            raise QueryError(f"FAILED: SemanticException [Error 10006]: Partition not found {list(values)}")
        if reader.accept("SET", "LOCATION"):
            changed = Partition(values, Location.parse(reader.text()).folder)
        else:
            reader.expect("RENAME", "TO")
            changed = Partition(partitions.complete(reader, table), known[values].location)
            if changed.values in known:
                raise QueryError("FAILED: SemanticException: AlreadyExistsException(message:Partition already exists.)")
        reader.end()
        self._catalog.change_partition(table, values, changed)
        return NOTHING


_Alteration = Callable[[Change, Table, Reader], Answer]
_ALTERATIONS: list[tuple[tuple[str, ...], _Alteration]] = [
    (("ADD", "COLUMNS"), Change._add_columns),
    (("REPLACE", "COLUMNS"), Change._replace_columns),
    (("ADD",), Change._add_partitions),
    (("DROP",), Change._drop_partitions),
    (("SET", "LOCATION"), Change._set_location),
    (("SET", "TBLPROPERTIES"), Change._set_properties),
]
