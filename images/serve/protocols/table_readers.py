"""Bodies of `/invocations` in Parquet, CSV and JSON Lines, read in blocks and scored as they are read."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from credit_model.contract.contract import ID, Contract
from credit_model.data import blocks
from credit_model.data.csv_batches import CsvLayout
from credit_model.data.raw_file import first_line
from credit_model.parallel import in_order
from credit_model.scoring.blocks import BlockScorer, ScoredBlock
from credit_model.scoring.row_numbers import AnyBlock, in_one_count
from images.serve.errors import RequestError, TooLargeError

# Most applicants in one body.
MAX_ROWS = 2_000_000
# Most bytes of an unpacked Parquet body: applicants unpack to a few times their size, an attack to far more.
MAX_UNPACKED = 2 << 30
_LINES_BYTES = 2 << 20
# A non-blank line followed by another; Arrow rejects a CSV without rows.
_ROWS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\S[^\r\n]*[\r\n]\s*\S")
_JSON_TYPES = {"numeric": pa.float64(), "integer": pa.float64(), "boolean": pa.bool_()}


@dataclass(frozen=True)
class ScoreStream:
    """The scores of a body as they are computed, and whether the body had a header line.

    Attributes:
        parts: Blocks of scores in order; reading them may raise RequestError or InputError.
        header: False for a CSV without one.
    """

    parts: Iterator[ScoredBlock]
    header: bool = True


def parquet(body: bytes, scorer: BlockScorer, _header: str | None) -> ScoreStream:
    """Score a Parquet table.

    Raises:
        RequestError: It is not Parquet.
        TooLargeError: It holds too many rows or bytes.
        InputError: Two columns mean the same one.
    """
    try:
        levels = blocks.parquet_levels(pq.read_schema(pa.BufferReader(body)), scorer.contract)
        file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=levels, pre_buffer=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is not Parquet: {error}") from error
    groups = range(file.metadata.num_row_groups)
    unpacked = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    if file.metadata.num_rows > MAX_ROWS or unpacked > MAX_UNPACKED:
        raise TooLargeError(_too_many())
    read = blocks.parquet_blocks(file, scorer.contract)
    if not file.metadata.num_rows:
        read = iter([file.schema_arrow.empty_table()])
    return ScoreStream(in_one_count(in_order(scorer.table, _within_limits(read, "Parquet"))))


def comma_separated(body: bytes, scorer: BlockScorer, header: str | None) -> ScoreStream:
    """Score a CSV, with a header line or, in the contract's order, without one.

    Raises:
        RequestError: It is not UTF-8, or its first line fits neither.
        InputError: Two columns mean the same one.
    """
    blank, first = _first_line(body)
    present = _is_header(first, scorer.contract) if header is None else header == "present"
    names = first if present else _in_contract_order(first, scorer.contract)
    if not blocks.wanted(names, scorer.contract):
        raise RequestError("the header line of the CSV body has none of the model's columns")
    read: Iterator[pa.Table] = iter([pa.table({name: pa.array([], pa.string()) for name in names})])
    if not present or _ROWS.match(body):
        layout = CsvLayout(tuple(names), skipped=blank + int(present))
        read = blocks.csv_blocks(lambda: pa.BufferReader(body), layout, scorer.contract, literal=scorer.literal)
    return ScoreStream(in_one_count(in_order(scorer.table, _within_limits(read, "CSV"))), present)


def json_lines(body: bytes, scorer: BlockScorer, _header: str | None) -> ScoreStream:
    """Score JSON Lines: simple pieces through Arrow, others by the rules of the online routes."""
    schema = {ID: pa.string()}
    schema |= {column.name: _JSON_TYPES.get(column.kind, pa.string()) for column in scorer.contract.features}
    parsing = pyarrow.json.ParseOptions(explicit_schema=pa.schema(schema), unexpected_field_behavior="error")

    def work(piece: bytes) -> ScoredBlock:
        table = _plain_json(piece, parsing)
        return scorer.objects(_objects(piece)) if table is None else scorer.table(table)

    return ScoreStream(in_one_count(_within(_numbered(in_order(work, _pieces(body)), body))))


def _first_line(body: bytes) -> tuple[int, list[str]]:
    """Return the number of leading blank lines, and the values of the first line after them."""
    try:
        blank, line = first_line(body)
        return blank, next(csv.reader([line.decode()]), [])
    except UnicodeDecodeError as error:
        raise RequestError(f"the CSV body is not UTF-8: {error}") from error
    except csv.Error as error:
        raise RequestError(f"the CSV body's header cannot be read: {error}") from error


def _is_header(values: list[str], contract: Contract) -> bool:
    """Return whether a line names every required column; one or two matches may be values by chance."""
    known = {contract.by_header.get(value.strip().lower()) for value in values}
    return bool(known & {column.name for column in contract.features}) and not _unnamed(values, contract)


def _unnamed(values: list[str], contract: Contract) -> list[str]:
    known = {contract.by_header.get(value.strip().lower()) for value in values}
    return [column.name for column in contract.features if not column.nullable and column.name not in known]


def _in_contract_order(first: list[str], contract: Contract) -> list[str]:
    names, width = [column.name for column in contract.features], len(first)
    if width not in (len(names), len(names) + 1):
        raise RequestError(
            f"the first line of the CSV body is not a header line: it does not name '{_unnamed(first, contract)[0]}', "
            f"and it has {width} values where the contract has {ID} and {len(names)} features; send a header line with "
            "every required column, or all of them in contract order"
        )
    return names if width == len(names) else [ID, *names]


def _within_limits(read: Iterable[pa.Table], kind: str) -> Iterator[pa.Table]:
    """Yield the same blocks within the row limit; Arrow's errors become the client's."""
    try:
        yield from _within(read)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is not {kind}: {error}") from error


def _within(blocks: Iterable[AnyBlock]) -> Iterator[AnyBlock]:
    """Yield the same blocks until they have more rows than a request may have."""
    rows = 0
    for block in blocks:
        rows += block.num_rows
        if rows > MAX_ROWS:
            raise TooLargeError(_too_many())
        yield block


def _too_many() -> str:
    return f"the table has more than {MAX_ROWS} rows or {MAX_UNPACKED} bytes; send less at a time"


def _pieces(body: bytes) -> Iterator[bytes]:
    """Yield the body in pieces of whole lines."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", start + _LINES_BYTES) + 1 or len(body)
        yield body[start:end]
        start = end


def _plain_json(piece: bytes, parsing: pyarrow.json.ParseOptions) -> pa.Table | None:
    """Return the piece as a table, None if it must be read line by line."""
    reading = pyarrow.json.ReadOptions(use_threads=False, block_size=len(piece) + 1)
    try:
        table = pyarrow.json.read_json(pa.BufferReader(piece), reading, parsing)
        table.validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    return table if _is_one_a_line(piece, table.num_rows) else None


def _is_one_a_line(piece: bytes, rows: int) -> bool:
    """Return whether each line is one object; Arrow also accepts two per line, and one over two lines.

    JSON text holds no raw line break, and these objects are flat, so `}`, a break and `{` separate two objects.

    """
    text = piece.strip()
    breaks = text.count(b"}\n{") + text.count(b"}\r\n{")
    return breaks == rows - 1 and text.count(b"\n") == breaks


def _objects(piece: bytes) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, line in enumerate(piece.split(b"\n")):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise _LineError(len(rows), number, f"is not one JSON object: {error.msg}") from error
        if not isinstance(row, dict):
            raise _LineError(len(rows), number, "is not an object of columns")
        rows.append(row)
    return rows


class _LineError(Exception):
    """A line of a piece that cannot be read, with the number of applicants and lines before it."""

    def __init__(self, rows: int, lines: int, reason: str) -> None:
        super().__init__(reason)
        self.rows = rows
        self.lines = lines


def _numbered(parts: Iterable[ScoredBlock], body: bytes) -> Iterator[ScoredBlock]:
    """Yield the same blocks; report an unreadable line by its number in the body."""
    read = rows = 0
    pieces = _pieces(body)
    try:
        for part, piece in zip(parts, pieces, strict=False):
            rows += part.num_rows
            read += len(piece)
            yield part
    except _LineError as error:
        line = body.count(b"\n", 0, read) + error.lines + 1
        raise RequestError(f"line {line} {error}", index=rows + error.rows) from error
