"""Executes one statement: SELECT to a CSV object, CTAS, UNLOAD and INSERT to data files, DDL to Glue."""

import re
from collections.abc import Iterator
from pathlib import Path

from sandbox.aws.athena.catalog import PARQUET, Catalog, Partition, Table
from sandbox.aws.athena.ddl import Ddl, partition_place
from sandbox.aws.athena.engine import Column, Run
from sandbox.aws.athena.execution import Execution
from sandbox.aws.athena.results import RowFile, csv_line, rows_of, text_line
from sandbox.aws.athena.sql import statements
from sandbox.aws.athena.sql.dialect import substitute
from sandbox.aws.athena.sql.types import from_hive, to_hive
from sandbox.aws.athena.writer import ROWS_PER_FILE, Writer, check_columns, require_empty
from sandbox.aws.errors import QueryError
from sandbox.aws.storage import Location, Storage

_FAMILIES = [
    {"VARCHAR"},
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"},
    {"FLOAT", "DOUBLE"},
    {"DATE"},
    {"TIMESTAMP"},
    {"BOOLEAN"},
]


class Runner:
    """Executes statements for one region.

    Args:
        catalog: Glue.
        storage: S3.
        scratch: Local folder for temporary files.
        rows: Folder of the result rows for GetQueryResults.
    """

    def __init__(self, catalog: Catalog, storage: Storage, scratch: Path, rows: Path) -> None:
        self._catalog = catalog
        self._storage = storage
        self._scratch = scratch
        self._rows = rows

    def run(self, execution: Execution) -> None:
        """Run an execution to its end.

        Raises:
            SandboxAwsError: It failed; the message is the reason.
        """
        sql = substitute(statements.clean(execution.query), execution.parameters or [])
        if execution.kind == "DDL":
            self._ddl(execution, sql)
            return
        run = Run(self._catalog, self._storage, self._scratch)
        with execution.lock:
            execution.run = run
        try:
            self._query(execution, run, sql)
            execution.scanned = run.scanned
        finally:
            with execution.lock:
                execution.run = None
            run.close()

    def _ddl(self, execution: Execution, sql: str) -> None:
        rows = Ddl(self._catalog, self._storage, execution.database).run(sql)
        names = ["col_name", "data_type", "comment"] if re.match(r"DESC", sql, re.I) else ["result"]
        execution.columns = [Column(name, "VARCHAR") for name in names] if rows else []
        row_file(self._rows, execution).append(rows)
        self._storage.write(Location.parse(execution.location), "".join(map(text_line, rows)).encode())

    def _query(self, execution: Execution, run: Run, sql: str) -> None:
        if execution.kind == "QUERY":
            self._select(execution, run, sql)
            return
        write = statements.parse_write(sql)
        writer = {"CTAS": self._ctas, "UNLOAD": self._unload, "INSERT": self._insert}[execution.kind](
            execution, run, write
        )
        execution.columns, execution.updated = [Column("rows", "BIGINT")], writer.rows
        manifest = Location.parse(f"{execution.location}-manifest.csv")
        self._storage.write(manifest, "".join(f"{place}\n" for place in writer.files).encode())
        execution.manifest = str(manifest)

    def _select(self, execution: Execution, run: Run, sql: str) -> None:
        text, columns = run.prepare(sql, execution.database)
        kept, target = row_file(self._rows, execution), self._scratch / f"{execution.identifier}.csv"
        names: list[str | None] = [column.name for column in columns]
        kept.append([names])
        with target.open("w", encoding="utf-8", newline="") as file:
            file.write(csv_line(names))
            for batch in run.batches(text, columns, ROWS_PER_FILE):
                rows = list(rows_of(batch))
                kept.append(rows)
                file.writelines(map(csv_line, rows))
        self._storage.write(Location.parse(execution.location), target)
        target.unlink()
        execution.columns, execution.header = columns, True

    def _unload(self, execution: Execution, run: Run, write: statements.Write) -> Writer:
        text, columns = run.prepare(write.query, execution.database)
        check_columns(columns, creates_table=False)
        folder = Location.parse(write.location or "").folder
        require_empty(self._storage, folder, f"awsdatacatalog.{execution.database or 'default'}.unload")
        writer = self._writer(write, write.option("format", ""))
        self._store(run, text, columns, writer=writer, folder=folder, keys=write.partitioned_by)
        return writer

    def _ctas(self, execution: Execution, run: Run, write: statements.Write) -> Writer:
        database, name = self._target(execution, write)
        if execution.enforced and write.location:
            raise QueryError(
                "The Create Table As Select query failed because it was submitted with an 'external_location' property "
                "to an Athena Workgroup that enforces a centralized output location for all queries. Please remove "
                "the 'external_location' property and resubmit the query."
            )
        self._catalog.require_database(database)
        writer = self._writer(write, write.option("format", "PARQUET"))
        if self._catalog.raw(database, name):
            if write.if_absent:
                return writer
            raise QueryError(
                f"TABLE_ALREADY_EXISTS: line 1:1: Destination table 'awsdatacatalog.{database}.{name}' already exists"
            )
        text, columns = run.prepare(write.query, execution.database)
        check_columns(columns, creates_table=True)
        folder = Location.parse(write.location or execution.location).folder
        require_empty(self._storage, folder, f"awsdatacatalog.{database}.{name}")
        keys = self._keys(columns, write.partitioned_by)
        stored = {column.name.lower(): to_hive(column.kind) for column in columns if column.name.lower() not in keys}
        table = Table(database, name, stored, keys, folder, PARQUET, "", {})
        found = self._store(run, text, columns, writer=writer, folder=folder, keys=write.partitioned_by)
        self._catalog.create_table(table)
        if keys:
            self._catalog.add_partitions(table, [Partition(values, partition_place(table, values)) for values in found])
        return writer

    def _insert(self, execution: Execution, run: Run, write: statements.Write) -> Writer:
        database, name = self._target(execution, write)
        table = self._catalog.table(database, name)
        if table.format != PARQUET:
            raise QueryError(f"NOT_SUPPORTED: INSERT INTO {database}.{name}: only Parquet tables can be written")
        text, columns = run.prepare(write.query, execution.database)
        text = _aligned(table, columns, text, write.columns)
        wanted = [Column(column, from_hive(kind)) for column, kind in table.schema.items()]
        writer = Writer(self._storage, self._scratch, format="PARQUET", compression="GZIP")
        known = {item.values: item.location for item in self._catalog.partitions(table)} if table.keys else {}
        found = self._store(run, text, wanted, writer=writer, folder=table.location, keys=list(table.keys), known=known)
        self._catalog.add_partitions(
            table, [Partition(values, partition_place(table, values)) for values in found if values not in known]
        )
        return writer

    def _target(self, execution: Execution, write: statements.Write) -> tuple[str, str]:
        given, name = write.table or (None, "")
        database = given or execution.database
        if not database:
            raise QueryError(f"MISSING_SCHEMA_NAME: line 1:1: Schema must be specified for table {name}")
        return database, name

    def _writer(self, write: statements.Write, format: str) -> Writer:
        if not format:
            raise QueryError("INVALID_ARGUMENTS: UNLOAD needs WITH (format = 'PARQUET' | 'JSON' | 'TEXTFILE')")
        names = ("compression", "write_compression", "parquet_compression")
        compression = next(filter(None, (write.option(name, "") for name in names)), "GZIP")
        delimiter = write.option("field_delimiter", "\x01")
        return Writer(self._storage, self._scratch, format=format, compression=compression, delimiter=delimiter)

    def _keys(self, columns: list[Column], partitioned_by: list[str]) -> dict[str, str]:
        last = columns[len(columns) - len(partitioned_by) :]
        if [column.name.lower() for column in last] != partitioned_by:
            raise QueryError(
                "HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table and in the same "
                f"order as the table properties: {partitioned_by}"
            )
        return {column.name.lower(): to_hive(column.kind) for column in last}

    def _store(
        self,
        run: Run,
        text: str,
        columns: list[Column],
        *,
        writer: Writer,
        folder: Location,
        keys: list[str],
        known: dict[tuple[str, ...], Location] | None = None,
    ) -> list[tuple[str, ...]]:
        """Write the rows of a prepared query, one folder per combination of `keys`; return the combinations."""
        if not keys:
            writer.write(folder, run.batches(text, columns, ROWS_PER_FILE))
            return []
        self._keys(columns, keys)
        run.execute(f"CREATE TEMP TABLE __rows AS {text}")
        stored = columns[: len(columns) - len(keys)]
        names = ", ".join(f'"{column.name}"' for column in stored)
        combinations = []
        for values, condition in _combinations(run, keys):
            place = (known or {}).get(values) or Location(
                folder.bucket, folder.key + "".join(f"{key}={value}/" for key, value in zip(keys, values, strict=True))
            )
            selected = f"SELECT {names} FROM __rows WHERE {condition}"  # noqa: S608 - our own text
            writer.write(place, run.batches(selected, stored, ROWS_PER_FILE))
            combinations.append(values)
        return combinations


def row_file(folder: Path, execution: Execution) -> RowFile:
    """Return the row file of an execution in `folder`."""
    return RowFile(folder / f"{execution.identifier}.jsonl")


def _combinations(run: Run, keys: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    names = ", ".join(f'CAST("{key}" AS VARCHAR)' for key in keys)
    for row in run.rows(f"SELECT DISTINCT {names} FROM __rows ORDER BY ALL"):  # noqa: S608 - our own text
        tests = []
        for key, value in zip(keys, row, strict=True):
            text = "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"
            tests.append(f'CAST("{key}" AS VARCHAR) IS NOT DISTINCT FROM {text}')
        values = tuple("__HIVE_DEFAULT_PARTITION__" if value is None else str(value) for value in row)
        yield values, " AND ".join(tests)


def _aligned(table: Table, columns: list[Column], text: str, named: list[str]) -> str:
    """Return a query with its columns in the order and types of a table.

    Raises:
        QueryError: The number or the types of the columns do not match; the message is Athena's.
    """
    targets = named or list(table.schema)
    unknown = [name for name in targets if name not in table.schema]
    if unknown:
        raise QueryError(f"COLUMN_NOT_FOUND: line 1:1: Insert column name does not exist in target table: {unknown[0]}")
    kinds = [from_hive(table.schema[name]) for name in targets]
    given = [column.kind for column in columns]
    if len(kinds) != len(given) or not all(
        column.untyped or _assignable(column.kind, kind) for column, kind in zip(columns, kinds, strict=False)
    ):
        raise QueryError(
            "TYPE_MISMATCH: line 1:1: Insert query has mismatched column types: "
            f"Table: [{', '.join(kinds).lower()}], Query: [{', '.join(given).lower()}]"
        )
    aliases = ", ".join(f'"{name}"' for name in targets)
    values = ", ".join(
        f'CAST({chr(34) + name + chr(34) if name in targets else "NULL"} AS {from_hive(kind)}) AS "{name}"'
        for name, kind in table.schema.items()
    )
    return f"SELECT {values} FROM ({text}) AS __given({aliases})"  # noqa: S608 - our own text


def _assignable(given: str, wanted: str) -> bool:
    if given == wanted or (given.startswith("DECIMAL") and wanted.startswith("DECIMAL")):
        return True
    return any(given in family and wanted in family for family in _FAMILIES)
