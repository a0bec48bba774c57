"""Scores of files of any size: block by block from CSV or Parquet, one file or a folder of them, into one file."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from credit_model.contract.contract import ID, Contract
from credit_model.data.blocks import csv_blocks, parquet_blocks, parquet_levels, wanted
from credit_model.data.coercion import Fault, coerce, flat, show, value_at
from credit_model.data.identifiers import identifiers, required_identifiers
from credit_model.data.outputs import file_target
from credit_model.data.raw_file import RawFile, file_faults, open_raw
from credit_model.data.reading import REJECTED_SCHEMA
from credit_model.errors import DataError, InputError
from credit_model.parallel import in_order
from credit_model.scoring.blocks import BlockScorer
from credit_model.scoring.scorer import SCORES_SCHEMA, Scorer

SUFFIXES = (".csv", ".csv.gz", ".parquet")
REJECTIONS_SCHEMA = pa.schema([pa.field("file", pa.string(), nullable=False), *REJECTED_SCHEMA])
# Rows of a row group of the output, about.
_GROUP_ROWS = 131_072
_BUFFER = 1 << 16
# Share of all bytes read so far, and rows scored so far.
Progress = Callable[[float, int], None]


@dataclass(frozen=True)
class FilesScored:
    """Counts of the rows of the input.

    Attributes:
        rows: Rows scored.
        rejected: Rows left out because they break the contract.
        examples: The first faults, as `REJECTIONS_SCHEMA`.
        passed_over: Files of an input folder that are neither CSV nor Parquet, and were not read.
    """

    rows: int
    rejected: int
    examples: pa.Table
    passed_over: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Part:
    """A block of a file: where its rows begin, and the share of the file read with it."""

    file: str
    first_row: int
    table: pa.Table
    share: float


def score_files(
    scorer: Scorer,
    source: Path,
    target: Path,
    *,
    reasons: bool = False,
    rejected: Path | None = None,
    progress: Progress = lambda _share, _rows: None,
) -> FilesScored:
    """Score every row of a file, or of all CSV and Parquet files under a folder in order of name.

    Memory does not grow with the rows. A row that breaks the contract is left out and reported. An id that appears
    twice is scored twice. The output appears whole or not at all.

    Args:
        scorer: The model.
        source: File (CSV with comma or semicolon, also gzipped, or Parquet) or folder.
        target: File to write, `.csv` or `.parquet`; replaced where it exists.
        reasons: Whether to add reason codes, separated by `|` in CSV.
        rejected: CSV to write every fault to, as `REJECTIONS_SCHEMA`.
        progress: Called after each block.

    Raises:
        DataError: A file cannot be used as a whole, or the target has another ending.
        BundleError: Reasons are wanted, and the bundle was written without them.
    """
    files, passed_over = _files(source)
    taken = {path.resolve() for path in files}
    for place in filter(None, (target, rejected)):
        if place.resolve() in taken:
            raise DataError(f"{place}: is also read or written by this run; choose another file")
        taken.add(place.resolve())
    # Faults of headers are reported before any work is done.
    raws = [_opened(path, scorer.contract) for path in files]
    schema = SCORES_SCHEMA.append(pa.field("reasons", pa.list_(pa.string()))) if reasons else SCORES_SCHEMA
    scored = left_out = 0
    examples: list[pa.Table] = []
    with _sink(target, schema) as write, _sink(rejected, REJECTIONS_SCHEMA) as reject:
        blocks = BlockScorer(scorer, reasons=reasons)
        parts = chain.from_iterable(_parts(raw, blocks) for raw in raws)
        for part, scores, faults in in_order(lambda part: _score(part, blocks), _shared(parts, raws)):
            write(scores)
            reject(faults)
            scored += scores.num_rows
            left_out += part.table.num_rows - scores.num_rows
            if faults.num_rows and sum(table.num_rows for table in examples) < 5:
                examples.append(faults.slice(0, 5))
            progress(min(part.share, 0.999), scored)
    progress(1.0, scored)
    found = pa.concat_tables([REJECTIONS_SCHEMA.empty_table(), *examples])
    return FilesScored(scored, left_out, found, passed_over)


def _files(source: Path) -> tuple[list[Path], tuple[Path, ...]]:
    if not source.is_dir():
        return [source], ()
    present = sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))
    files = [path for path in present if path.name.lower().endswith(SUFFIXES)]
    if not files:
        raise DataError(f"{source}: the folder has no file that ends in {', '.join(SUFFIXES)}")
    return files, tuple(path for path in present if path not in files)


def _opened(path: Path, contract: Contract) -> RawFile:
    raw = open_raw(path, label=str(path))
    try:
        found = set(wanted(raw.headers, contract).values())
    except InputError as error:
        raise DataError(f"{raw.label}: column '{error.column}': {error.reason}") from error
    required = [ID] * contract.id.required + [column.name for column in contract.features if not column.nullable]
    missing = [name for name in required if name not in found]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{raw.label}: column '{missing[0]}'{more} is missing; add it to the file")
    return raw


def _parts(raw: RawFile, blocks: BlockScorer) -> Iterator[_Part]:
    rows = 0
    with file_faults(raw):
        for table, share in _parquet(raw, blocks.contract) if raw.separator is None else _csv(raw, blocks):
            yield _Part(raw.label, rows, table, share)
            rows += table.num_rows


def _parquet(raw: RawFile, contract: Contract) -> Iterator[tuple[pa.Table, float]]:
    levels = parquet_levels(pq.read_schema(raw.path), contract)
    # Arrow keeps what it reads ahead until the end of the file, so reading ahead is off.
    with pq.ParquetFile(raw.path, read_dictionary=levels, pre_buffer=False, buffer_size=_BUFFER) as file:
        rows = 0
        for table in parquet_blocks(file, contract):
            rows += table.num_rows
            yield table, rows / file.metadata.num_rows


def _csv(raw: RawFile, blocks: BlockScorer) -> Iterator[tuple[pa.Table, float]]:
    size, per_row, rows = raw.path.stat().st_size, _bytes_per_row(raw), 0
    for table in csv_blocks(raw.open_bytes, raw.layout, blocks.contract, literal=blocks.literal):
        rows += table.num_rows
        yield table, min(rows * per_row / size, 1.0)


def _bytes_per_row(raw: RawFile) -> float:
    """Return the bytes on disk of a row, estimated from the first megabyte; progress reports use it."""
    with raw.path.open("rb") as file:
        head = file.read(1 << 20)
    text = zlib.decompressobj(wbits=31).decompress(head) if raw.compressed else head
    return len(head) / max(text.count(b"\n"), 1)


def _shared(parts: Iterable[_Part], raws: list[RawFile]) -> Iterator[_Part]:
    """Yield the same parts, with their share of the bytes of all files instead of their own file."""
    sizes = {raw.label: raw.path.stat().st_size for raw in raws}
    before = dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    total = sum(sizes.values()) or 1
    for part in parts:
        share = (before[part.file] + part.share * sizes[part.file]) / total
        yield _Part(part.file, part.first_row, part.table, share)


def _score(part: _Part, blocks: BlockScorer) -> tuple[_Part, pa.Table, pa.Table]:
    """Return the part, the scores of its good rows, and the faults of the others."""
    names = wanted(part.table.column_names, blocks.contract)
    header = next((header for header, name in names.items() if name == ID), None)
    rows = part.table.num_rows
    ids = pa.nulls(rows, pa.string()) if header is None else identifiers(part.table.column(header)).values
    if header is None or not ids.null_count:
        try:
            return part, blocks.table(part.table, ids=ids).scores, REJECTIONS_SCHEMA.empty_table()
        except InputError:
            pass
    faults = list(_faults(part.table, blocks.contract))
    keep = np.ones(rows, dtype=np.bool_)
    keep[[fault.row for _, _, fault in faults]] = False
    mask = pa.array(keep)
    scored = blocks.table(part.table.filter(mask), ids=ids.filter(mask))
    return part, scored.scores, _rejected(part, ids, faults)


def _faults(table: pa.Table, contract: Contract) -> Iterator[tuple[str, str | None, Fault]]:
    """Yield the column, value and fault of everything that keeps a row from being scored."""
    for header, name in wanted(table.column_names, contract).items():
        raw = flat(table.column(header))
        coerced = required_identifiers(raw) if name == ID else coerce(raw, contract.column(name).rule, closed=False)
        for fault in coerced.faults:
            value = value_at(raw, fault.row)
            yield name, value if value is None or isinstance(value, str) else show(value), fault


def _rejected(part: _Part, ids: pa.Array, faults: list[tuple[str, str | None, Fault]]) -> pa.Table:
    ordered = sorted(faults, key=lambda found: found[2].row)
    rows = [fault.row for _, _, fault in ordered]
    columns = [
        [part.file] * len(rows),
        [part.first_row + row + 1 for row in rows],
        [name for name, _, _ in ordered],
        [value for _, value, _ in ordered],
        [fault.reason for _, _, fault in ordered],
        ids.take(pa.array(rows, pa.int64())),
    ]
    return pa.table(columns, schema=REJECTIONS_SCHEMA)


@contextmanager
def _sink(target: Path | None, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Write tables to a temporary file beside the target, which replaces the target when all is done."""
    if target is None:
        yield lambda _table: None
        return
    if target.suffix not in (".csv", ".parquet"):
        raise DataError(f"{target}: the ending says what to write; name it .csv or .parquet")
    _remove_stale(file_target(target))
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _writer(aside, schema, parquet=target.suffix == ".parquet") as write:
            yield write
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _remove_stale(target: Path) -> None:
    """Remove temporary files of processes that were killed."""
    for left in target.parent.glob(f".{escape(target.name)}.*.part"):
        process = left.name.removesuffix(".part").rpartition(".")[2]
        if process.isdecimal() and not _alive(int(process)):
            left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def _writer(path: Path, schema: pa.Schema, *, parquet: bool) -> Iterator[Callable[[pa.Table], None]]:
    if not parquet:
        plain = pa.schema([_plain(field) for field in schema])
        with pacsv.CSVWriter(str(path), plain) as lines:

            def write_lines(table: pa.Table) -> None:
                # Given a table without rows, Arrow 25 may write old content of its buffer.
                if table.num_rows:
                    lines.write_table(flattened(table).cast(plain).combine_chunks())

            yield write_lines
        return
    pending: list[pa.Table] = []
    with pq.ParquetWriter(str(path), schema, compression="zstd") as groups:

        def write(table: pa.Table) -> None:
            pending.append(table)
            if sum(part.num_rows for part in pending) >= _GROUP_ROWS:
                groups.write_table(pa.concat_tables(pending))
                pending.clear()

        yield write
        if pending:
            groups.write_table(pa.concat_tables(pending))


def flattened(table: pa.Table) -> pa.Table:
    """Return the table with lists of codes as text, for CSV.

    Example:
        >>> flattened(pa.table({"reasons": [["A1", "B2"], []]}))["reasons"].to_pylist()
        ['A1|B2', '']
    """
    for position, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            table = table.set_column(position, field.name, pc.binary_join(table.column(position), "|"))
    return table


def _plain(field: pa.Field) -> pa.Field:
    return pa.field(field.name, pa.string()) if pa.types.is_list(field.type) else field
