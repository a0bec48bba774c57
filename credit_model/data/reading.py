"""Readers of raw CSV and Parquet files: good rows in canonical form, bad rows with every reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.contract import APPLIED_AT, ID, OBSERVED_AT, TARGET, Contract
from credit_model.data.coercion import Coerced, coerce, flat, to_boolean, to_timestamp, value_at
from credit_model.data.identifiers import required_identifiers
from credit_model.data.missing import literal_columns
from credit_model.data.raw_file import RawFile, open_raw
from credit_model.errors import DataError

REJECTED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("column", pa.string()),
        pa.field("value", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field(ID, pa.string()),
    ]
)

Coercion = Callable[[pa.Array], Coerced]


@dataclass(frozen=True)
class ReadResult:
    """Rows of a raw file.

    Attributes:
        accepted: Rows that keep the contract, canonical columns.
        rejected: One line for each fault: row (1-based data row), column, value, reason, application_id.
        ignored_columns: Headers of the file that the contract does not know.
        rows: Data rows of the file, accepted or not.
    """

    accepted: pa.Table
    rejected: pa.Table
    ignored_columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class _Faults:
    """Faults gathered while batches stream by, as parallel columns of `REJECTED_SCHEMA`."""

    rows: list[int]
    columns: list[str]
    values: list[str | None]
    reasons: list[str]

    def add(self, row: int, column: str, value: object, reason: str) -> None:
        self.rows.append(row)
        self.columns.append(column)
        self.values.append(None if value is None else str(value))
        self.reasons.append(reason)


def read_applications(path: str | Path, contract: Contract, *, label: str | None = None) -> ReadResult:
    """Read a file of applications (CSV with comma or semicolon, also gzipped, or Parquet).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import pyarrow.parquet
        >>> from credit_model import load_contract, simulate
        >>> table = simulate(3, months=1, seed=1).applications
        >>> table = table.set_column(table.column_names.index("age"), "age", pa.array([30, 203, 40]))
        >>> with TemporaryDirectory() as folder:
        ...     pyarrow.parquet.write_table(table, f"{folder}/drop.parquet")
        ...     result = read_applications(f"{folder}/drop.parquet", load_contract("case"))
        >>> result.accepted.num_rows, result.rejected.select(["row", "column", "reason"]).to_pylist()
        (2, [{'row': 2, 'column': 'age', 'reason': '203 is above 120'}])

    Args:
        path: File on disk.
        contract: What the file should hold. Headers may be the raw or the canonical names, in any case.
        label: Name of the file in messages; the path when absent.

    Returns:
        Accepted rows have `contract.arrow_schema()`, and `defaulted` and `observed_at` where the file has them.

    Raises:
        DataError: The file as a whole cannot be used: a column is missing, it is empty, cut off, or not a table.
    """
    plan: dict[str, Coercion] = {ID: required_identifiers, APPLIED_AT: to_timestamp}
    plan |= {column.name: partial(coerce, rule=column.rule) for column in contract.columns}
    required = [column.name for column in contract.columns]
    return _read(Path(path), contract, plan | _OUTCOME, required=required, label=label, fill=APPLIED_AT)


def read_outcomes(path: str | Path, contract: Contract, *, label: str | None = None) -> ReadResult:
    r"""Read a file of outcomes: id, target and, where present, the time the outcome was observed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from credit_model import load_contract
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "outcomes.csv")
        ...     _ = path.write_text("uuid,default\na,0\nb,1\nc,maybe\n")
        ...     result = read_outcomes(path, load_contract("case"))
        >>> result.accepted["defaulted"].to_pylist(), result.rejected["reason"].to_pylist()
        ([False, True], ["'maybe' is not true or false"])

    Args:
        path: File on disk.
        contract: Says under which headers id, target and time are found.
        label: Name of the file in messages; the path when absent.

    Raises:
        DataError: The file as a whole cannot be used: a column is missing, it is empty, cut off, or not a table.
    """
    plan: dict[str, Coercion] = {ID: required_identifiers, TARGET: _known_outcome, OBSERVED_AT: to_timestamp}
    return _read(Path(path), contract, plan, required=[TARGET], label=label, fill=OBSERVED_AT)


_OUTCOME: dict[str, Coercion] = {TARGET: to_boolean, OBSERVED_AT: to_timestamp}


def _known_outcome(array: pa.Array) -> Coerced:
    coerced = to_boolean(array)
    missing = np.asarray(pc.is_null(array).to_numpy(zero_copy_only=False), dtype=np.bool_)
    coerced.reject(missing, array, "the outcome is missing")
    return coerced


def _read(
    path: Path, contract: Contract, plan: dict[str, Coercion], *, required: list[str], label: str | None, fill: str
) -> ReadResult:
    raw = open_raw(path, label=label or str(path))
    present, ignored = _match(raw, contract, plan, required)
    # The time column is part of the canonical table even where the file has none.
    names = [name for name in plan if name in present or name == fill]
    faults = _Faults([], [], [], [])
    tables, rows = [], 0
    literal = {present[name] for name in literal_columns(contract) if name in present}
    for batch in raw.batches([present[name] for name in names if name in present], literal=literal):
        tables.append(_canonical(batch, names, present, plan, faults, offset=rows))
        rows += batch.num_rows
    if not rows:
        raise DataError(f"{raw.label}: there is a header but no data row; deliver a file with rows")
    table = pa.concat_tables(tables)
    _reject_repeats(table, faults)
    return ReadResult(_without(table, faults.rows), _rejected(table, faults), ignored, rows)


def _match(
    raw: RawFile, contract: Contract, plan: dict[str, Coercion], required: list[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the header of the file for each canonical name, and the headers that the contract does not know."""
    present: dict[str, str] = {}
    ignored = []
    for header in raw.headers:
        name = contract.by_header.get(header.strip().lower())
        if name is None or name not in plan:
            ignored.append(header)
        elif name in present:
            raise DataError(f"{raw.label}: columns '{present[name]}' and '{header}' are both '{name}'; deliver one")
        else:
            present[name] = header
    special = [name for name, spec in contract.special.items() if spec.required and name in {ID, APPLIED_AT}]
    missing = [name for name in [*special, *required] if name in plan and name not in present]
    if missing:
        raise DataError(_missing_message(raw, contract, missing))
    return present, tuple(ignored)


def _missing_message(raw: RawFile, contract: Contract, missing: list[str]) -> str:
    headers = {name: spec.source for name, spec in contract.special.items()}
    headers |= {column.name: column.header for column in contract.columns}
    shown = ", ".join(f"'{headers[name]}'" for name in missing[:5]) + (", …" if len(missing) > 5 else "")
    noun = "column" if len(missing) == 1 else f"{len(missing)} columns:"
    return f"{raw.label}: missing {noun} {shown}; add it to the file or change contract '{contract.name}'"


def _canonical(
    batch: pa.RecordBatch,
    names: list[str],
    present: dict[str, str],
    plan: dict[str, Coercion],
    faults: _Faults,
    *,
    offset: int,
) -> pa.Table:
    arrays = {}
    for name in names:
        raw = flat(batch.column(present[name])) if name in present else pa.nulls(batch.num_rows)
        coerced = plan[name](raw)
        arrays[name] = coerced.values
        for fault in coerced.faults:
            faults.add(offset + fault.row, name, value_at(raw, fault.row), fault.reason)
    return pa.table(arrays)


def _reject_repeats(table: pa.Table, faults: _Faults) -> None:
    """Reject the second and later rows of an id; we cannot know which of them is right, and keep the first."""
    ids = table.column(ID)
    if pc.count_distinct(ids, mode="only_valid").as_py() == len(ids) - ids.null_count:
        return
    codes = _codes(ids)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    origin = first[inverse]
    for row in np.flatnonzero((origin != np.arange(len(codes))) & (codes >= 0)):
        value = ids[int(row)].as_py()
        faults.add(int(row), ID, value, f"'{value}' already appears in row {int(origin[row]) + 1} of the file")


def _codes(ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    encoded = pa.concat_arrays(ids.chunks).dictionary_encode().indices
    return np.asarray(pc.fill_null(encoded, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _without(table: pa.Table, rows: list[int]) -> pa.Table:
    if not rows:
        return table.combine_chunks()
    keep = np.ones(table.num_rows, dtype=np.bool_)
    keep[rows] = False
    return table.filter(pa.array(keep)).combine_chunks()


def _rejected(table: pa.Table, faults: _Faults) -> pa.Table:
    order = np.argsort(np.asarray(faults.rows, dtype=np.int64), kind="stable")
    rows = pa.array(np.asarray(faults.rows, dtype=np.int64))
    ids = table.column(ID).take(rows) if faults.rows else pa.array([], pa.string())
    columns = [pc.add(rows, 1), faults.columns, faults.values, faults.reasons, ids]
    found = pa.table(
        [_column(values, field) for values, field in zip(columns, REJECTED_SCHEMA, strict=True)],
        schema=REJECTED_SCHEMA,
    )
    return found.take(pa.array(order))


def _column(values: object, field: pa.Field) -> pa.Array:
    return pa.array(values, field.type) if isinstance(values, list) else flat(values)
