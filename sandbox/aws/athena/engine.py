"""One query in DuckDB: stage its tables, translate it, and return typed record batches."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp

from sandbox.aws.athena.catalog import Catalog
from sandbox.aws.athena.sql import dialect
from sandbox.aws.athena.sql.macros import MACROS
from sandbox.aws.athena.sql.types import NARROWED
from sandbox.aws.athena.tables.sources import Source, Sources
from sandbox.aws.errors import QueryError
from sandbox.aws.storage import Storage

_ARROW = {"BIGINT": pa.int64(), "SMALLINT": pa.int16(), "INTEGER": pa.int32(), "TIMESTAMP": pa.timestamp("us")}
_CODES: list[tuple[type[duckdb.Error], str]] = [
    (duckdb.ConversionException, "INVALID_CAST_ARGUMENT"),
    (duckdb.OutOfRangeException, "NUMERIC_VALUE_OUT_OF_RANGE"),
    (duckdb.BinderException, "SYNTAX_ERROR: line 1:1"),
    (duckdb.ParserException, "SYNTAX_ERROR: line 1:1"),
    (duckdb.CatalogException, "SYNTAX_ERROR: line 1:1"),
]


@dataclass(frozen=True)
class Column:
    """A result column: its name and its DuckDB type, as close to Trino's as possible; `untyped` marks a bare NULL."""

    name: str
    kind: str
    untyped: bool = False


class Run:
    """One running query in its own in-memory DuckDB; another thread may interrupt it.

    Attributes:
        scanned: Bytes of the objects read, counting only the columns that the query names.
    """

    def __init__(self, catalog: Catalog, storage: Storage, scratch: Path) -> None:
        self._sources = Sources(catalog, storage)
        self.scanned = 0
        self._cancelled = threading.Event()
        self._duck = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "temp_directory": str(scratch),
                "threads": 2,
            },
        )
        self._duck.execute("SET TimeZone = 'UTC'")
        # DuckDB 2.0.0's type pushdown turns a TRY_CAST over a CSV column into a CAST inside the reader.
        self._duck.execute("SET disabled_optimizers = 'type_pushdown'")
        for macro in MACROS:
            self._duck.execute(macro)

    def cancel(self) -> None:
        """Interrupt the query from another thread."""
        self._cancelled.set()
        self._duck.interrupt()

    def close(self) -> None:
        """Close DuckDB."""
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
        text = translation.sql
        described_rows = self._execute(f"DESCRIBE {text}").fetchall()
        return text, [Column(row[0], NARROWED.get(row[1], row[1]), row[1] == '"NULL"') for row in described_rows]

    def batches(self, text: str, columns: list[Column], size: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a prepared query in the types of `columns`, at most `size` rows per batch."""
        try:
            for batch in self._duck.sql(text).to_arrow_reader(size):
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
        self._duck.execute(f'CREATE SCHEMA IF NOT EXISTS "{database}"')
        self._duck.execute(f'CREATE OR REPLACE VIEW "{database}"."{name}" AS {found.sql}')

    def _translated(self, error: duckdb.Error) -> QueryError:
        if self._cancelled.is_set():
            return QueryError("Query cancelled by user")
        message = str(error).strip()
        ours = re.search(r"Invalid Input Error: ([A-Z_]{6,}: .*)", message, re.DOTALL)
        if ours:
            return QueryError(ours[1])
        if "Division by zero" in message:
            return QueryError("DIVISION_BY_ZERO: Division by zero")
        code = next((code for kind, code in _CODES if isinstance(error, kind)), "GENERIC_INTERNAL_ERROR")
        return QueryError(f"{code}: {message}")


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
