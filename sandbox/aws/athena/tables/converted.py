"""Files that DuckDB cannot read in Athena's way, converted to Parquet next to their staged copy, once for each."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

from sandbox.aws.athena.catalog import Table
from sandbox.aws.athena.formats import OPENX_JSON, ORC
from sandbox.aws.athena.tables.delimited import Lazy, OpenCsv
from sandbox.aws.athena.tables.documents import Documents
from sandbox.aws.athena.tables.lines import lines
from sandbox.aws.errors import QueryError


def _once(path: Path, recipe: str, make: Callable[[], pa.Table]) -> Path:
    """Return the Parquet file that `make` gives for a staged file and a recipe, made at most once."""
    target = path.with_name(f"{path.name}.{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.parquet")
    if not target.exists():
        partial = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        pq.write_table(make(), partial)
        partial.replace(target)
    return target


def fields(path: Path, table: Table, serde: Lazy | OpenCsv, skip: int) -> Path:
    """Return a file of the fields of delimited text, all of them texts."""
    names = list(table.columns)

    def make() -> pa.Table:
        rows = [serde.fields(line, len(names)) for line in lines(path.read_bytes(), skip)]
        return pa.table({name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate(names)})

    return _once(path, f"{serde}{names}{skip}", make)


def documents(path: Path, table: Table, skip: int) -> Path:
    """Return a file of the rows of JSON lines, in the types that the table declares."""

    def make() -> pa.Table:
        reader = Documents(table.columns, table.options, openx=table.format == OPENX_JSON)
        return reader.table(list(lines(path.read_bytes(), skip)))

    return _once(path, f"{table.format}{table.columns}{sorted(table.options.items())}", make)


def columnar(path: Path, table: Table, place: str) -> Path:
    """Return a file of the columns of an ORC file, named as the table names them: ORC's are matched by position.

    Raises:
        QueryError: HIVE_BAD_DATA; it is no ORC file.
    """
    by_name = table.options.get("orc.column.index.access", "true").lower() == "false"

    def make() -> pa.Table:
        try:
            found = orc.read_table(path)
        except pa.ArrowInvalid as error:
            raise QueryError(f"HIVE_BAD_DATA: Malformed ORC file: {place}: {error}") from error
        known = list(table.columns)[: found.num_columns]
        return found if by_name else found.rename_columns([*known, *found.column_names[len(known) :]])

    return _once(path, f"{ORC}{by_name}{list(table.columns)}", make)
