"""One query in DuckDB: stage its tables, translate it, and return typed record batches."""

import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from sandbox.aws.athena.catalog import Catalog
from sandbox.aws.athena.sql import dialect
from sandbox.aws.athena.sql.failures import translated
from sandbox.aws.athena.sql.kinds import duck
from sandbox.aws.athena.sql.macros import MACROS
from sandbox.aws.athena.sql.udf import install
from sandbox.aws.athena.tables.sources import Source, Sources
from sandbox.aws.errors import QueryError
from sandbox.aws.storage import Storage

_ARROW = {"BIGINT": pa.int64(), "SMALLINT": pa.int16(), "INTEGER": pa.int32(), "TIMESTAMP": pa.timestamp("us")}
# The types of results that the API names otherwise than DuckDB.
_SHOWN = {
    "timestamptz": "TIMESTAMP WITH TIME ZONE", "interval_day": "INTERVAL DAY TO SECOND",
    "interval_year": "INTERVAL YEAR TO MONTH", "json": "JSON", "char": "CHAR",
}  # fmt: skip
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
_lock = threading.Lock()
_engines: dict[Path, duckdb.DuckDBPyConnection] = {}


@dataclass(frozen=True)
class Column:
    """A result column: its name and its DuckDB type, as close to Trino's as possible; `untyped` marks a bare NULL."""

    name: str
    kind: str
    untyped: bool = False


class Run:
    """One running query in a DuckDB that it shares with others; another thread may interrupt it.

    Attributes:
        scanned: Bytes of the objects read, counting only the columns that the query names.
    """

    def __init__(self, catalog: Catalog, storage: Storage, scratch: Path) -> None:
        self._sources = Sources(catalog, storage)
        self.scanned = 0
        self._cancelled = threading.Event()
        self._prepared = ""
        self._duck = _engine(scratch).cursor()

    def cancel(self) -> None:
        """Interrupt the query from another thread."""
        self._cancelled.set()
        self._duck.interrupt()

    def close(self) -> None:
        """Close the connection, and with it its temporary tables and views."""
        self._duck.close()

    def prepare(self, sql: str, database: str | None) -> tuple[str, list[Column]]:
        """Make a query's tables readable and translate it; return the DuckDB text and the result columns.

        Raises:
            QueryError: Athena would reject the query.
        """
        tree = dialect.parse_query(sql)
        sources = self._sources.resolve(tree, database)
        schema: dict[str, dict[str, dict[str, str]]] = {}
        for (db, name), source in sources.items():
            schema.setdefault(db, {})[name] = source.schema
        translation = dialect.translate(tree, schema, database)
        for (db, name), source in sources.items():
            self._attach(db, name, source, translation.tree)
        columns = [
            Column(name, _SHOWN.get(kind.name) or duck(kind), kind.name == "unknown")
            for name, kind in translation.columns
        ]
        self._prepared = translation.sql
        return translation.sql, columns

    def batches(self, text: str, columns: list[Column], size: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a prepared query in the types of `columns`, at most `size` rows per batch."""
        try:
            # A relation streams its rows, and binds its text twice; macros take long to bind.
            source: Any = self._duck.execute(text) if text == self._prepared else self._duck.sql(text)
            for batch in source.to_arrow_reader(size):
                yield _narrow(batch, columns)
        except duckdb.Error as error:
            raise self._translated(error) from error

    def execute(self, text: str) -> None:
        """Run a DuckDB statement of the sandbox itself."""
        self._execute(text)

    def rows(self, text: str) -> list[tuple[object, ...]]:
        """Run a DuckDB query of the sandbox itself and return its rows."""
        rows: list[tuple[object, ...]] = self._execute(text).fetchall()
        return rows

    def _execute(self, text: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._duck.execute(text)
        except duckdb.Error as error:
            raise self._translated(error) from error

    def _attach(self, database: str, name: str, source: Source, tree: exp.Query) -> None:
        found = self._sources.relation(source, tree)
        self.scanned += found.scanned
        # Temporary views belong to this run alone, although all runs share one DuckDB.
        self._duck.execute(f'CREATE TEMP VIEW "{database}.{name}" AS {found.sql}')

    def _translated(self, error: duckdb.Error) -> QueryError:
        if self._cancelled.is_set():
            return QueryError("Query cancelled by user")
        return translated(error)


def _engine(scratch: Path) -> duckdb.DuckDBPyConnection:
    """Return the DuckDB that all runs of one scratch folder share; to start one takes longer than most queries."""
    with _lock:
        if scratch not in _engines:
            _engines[scratch] = _started(scratch)
        return _engines[scratch]


def _started(scratch: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": str(scratch),
            "threads": 2,
        },
    )
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    # DuckDB 2.0.0's type pushdown turns a TRY_CAST over a CSV column into a CAST inside the reader.
    connection.execute("SET GLOBAL disabled_optimizers = 'type_pushdown'")
    install(connection)
    for macro in MACROS:
        connection.execute(macro)
    return connection


def _narrow(batch: pa.RecordBatch, columns: list[Column]) -> pa.RecordBatch:
    """Cast DuckDB's wider types, such as 128-bit sums, to the types that Trino has."""
    arrays = []
    for array, column in zip(batch.columns, columns, strict=True):
        wanted = _ARROW.get(column.kind)
        if column.kind == "VARCHAR" and not pa.types.is_string(array.type):
            wanted = pa.string()
        try:
            arrays.append(array.cast(wanted) if wanted is not None and array.type != wanted else array)
        except pa.ArrowInvalid as error:
            raise QueryError(f"NUMERIC_VALUE_OUT_OF_RANGE: column {column.name}: {error}") from error
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
