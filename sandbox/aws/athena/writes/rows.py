"""Where rows go: one folder for each combination of partition keys, one file for each bucket."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from sandbox.aws.athena.catalog import Partition, Table
from sandbox.aws.athena.ddl.partitions import DEFAULT
from sandbox.aws.athena.ddl.partitions import folder as partition_folder
from sandbox.aws.athena.engine import Column, Run
from sandbox.aws.athena.tables import projection
from sandbox.aws.athena.tables.buckets import hasher
from sandbox.aws.athena.writes.files import ROWS_PER_FILE, Writer
from sandbox.aws.errors import QueryError
from sandbox.aws.storage import Location

_MOST_PARTITIONS = 100


@dataclass(frozen=True)
class Target:
    """What the rows are written to.

    Attributes:
        columns: The columns of the query, the partition keys last.
        table: Its location and its keys; Glue need not know it yet.
        known: Locations of the partitions that there are; None if the partitions are projected.
    """

    columns: list[Column]
    keys: list[str]
    table: Table
    bucketed_by: list[str] = field(default_factory=list)
    buckets: int = 0
    known: dict[tuple[str, ...], Location] | None = field(default_factory=dict)

    def check(self) -> None:
        """Check that the keys are the last columns, and not all of them.

        Raises:
            QueryError: They are not; the message is Athena's.
        """
        names = [column.name.lower() for column in self.columns]
        missing = [name for name in [*self.keys, *self.bucketed_by] if name not in names]
        if missing:
            raise QueryError(f"INVALID_TABLE_PROPERTY: Columns {missing} not present in schema")
        if self.keys and len(self.keys) == len(names):
            raise QueryError("INVALID_TABLE_PROPERTY: Table contains only partition columns")
        if names[len(names) - len(self.keys) :] != self.keys:
            raise QueryError(
                "HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table and in the same "
                f"order as the table properties: {self.keys}"
            )
        if set(self.keys) & set(self.bucketed_by):
            raise QueryError("INVALID_TABLE_PROPERTY: Bucketing columns cannot be partition columns")

    @property
    def stored(self) -> list[Column]:
        """The columns that the files have."""
        return self.columns[: len(self.columns) - len(self.keys)]

    def folder(self, values: tuple[str, ...]) -> Location:
        """Return where the rows of a combination of keys go."""
        if self.known is None:
            return projection.place(self.table, values)
        return self.known.get(values) or partition_folder(self.table, values)


def store(run: Run, text: str, target: Target, writer: Writer) -> list[Partition]:
    """Write the rows of a prepared query; return the partitions they are in.

    Raises:
        QueryError: The columns do not fit the keys, or there are more partitions than Athena writes at once.
    """
    target.check()
    if not target.keys:
        _write(run.batches(text, target.columns, ROWS_PER_FILE), target, writer, target.table.location)
        return []
    run.execute(f"CREATE TEMP TABLE __rows AS {text}")
    names = ", ".join(f'"{column.name}"' for column in target.stored)
    combinations = list(_combinations(run, target.keys))
    if len(combinations) > _MOST_PARTITIONS:
        raise QueryError(
            f"HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of {_MOST_PARTITIONS} open writers for partitions/buckets"
        )
    found = []
    for values, condition in combinations:
        place = target.folder(values)
        selected = f"SELECT {names} FROM __rows WHERE {condition}"  # noqa: S608 - our own text
        _write(run.batches(selected, target.stored, ROWS_PER_FILE), target, writer, place)
        found.append(Partition(values, place))
    return found


def _write(batches: Iterator[pa.RecordBatch], target: Target, writer: Writer, place: Location) -> None:
    if not target.buckets:
        writer.write(place, batches)
        return
    kinds = {column.name.lower(): column.kind for column in target.stored}
    code = hasher([kinds[name] for name in target.bucketed_by])
    read = [batch for batch in batches if batch.num_rows]
    if not read:
        return
    table = pa.Table.from_batches(read)
    table = table.rename_columns([name.lower() for name in table.column_names])
    rows: dict[int, list[int]] = defaultdict(list)
    keys = zip(*(table.column(name).to_pylist() for name in target.bucketed_by), strict=True)
    for place_in_table, values in enumerate(keys):
        rows[code(values) % target.buckets].append(place_in_table)
    for bucket, chosen in sorted(rows.items()):
        writer.write(place, table.take(chosen).combine_chunks().to_batches(), bucket=bucket)


def _combinations(run: Run, keys: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    names = ", ".join(f'CAST("{key}" AS VARCHAR)' for key in keys)
    for row in run.rows(f"SELECT DISTINCT {names} FROM __rows ORDER BY ALL"):  # noqa: S608 - our own text
        tests = []
        for key, value in zip(keys, row, strict=True):
            text = "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"
            tests.append(f'CAST("{key}" AS VARCHAR) IS NOT DISTINCT FROM {text}')
        yield tuple(DEFAULT if value is None else str(value) for value in row), " AND ".join(tests)
