"""Bodies of `/invocations`, Parquet, CSV and JSON Lines: read in blocks, scored as they are read."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from credit_model import blocks
from credit_model.contract import ID, Contract
from credit_model.parallel import in_order
from credit_model.scoring import Scorer
from images.serve.faults import RequestError, TooLargeError

# Applicants of a body of the largest size have at least so many bytes each.
MAX_ROWS = 2_000_000
# Parquet of applicants unpacks to a few times its size; what unpacks to more was made to do so.
MAX_UNPACKED = 2 << 30
_LINES_BYTES = 2 << 20
_JSON_TYPES = {"numeric": pa.float64(), "integer": pa.float64(), "boolean": pa.bool_()}


@dataclass(frozen=True)
class Scored:
    """Scores of a body as they become known, and whether the body had a header line.

    Attributes:
        parts: Tables of scores in order; reading them may raise RequestError or InputError.
        header: False for a CSV without one.
    """

    parts: Iterator[pa.Table]
    header: bool = True


def parquet(body: bytes, scorer: Scorer, reasons: bool, _header: str | None) -> Scored:
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
    return Scored(scorer.score_blocks(_told(read, "Parquet"), reasons=reasons))


def comma_separated(body: bytes, scorer: Scorer, reasons: bool, header: str | None) -> Scored:
    """Score a CSV, with a header line or, in the contract's order, without one.

    Raises:
        RequestError: It is not UTF-8, or its first line fits neither.
        InputError: Two columns mean the same one.
    """
    first = _first_line(body)
    present = blocks.wanted(first, scorer.contract) != {} if header is None else header == "present"
    names = first if present else _in_contract_order(len(first), scorer.contract)
    if not blocks.wanted(names, scorer.contract):
        raise RequestError("the header line of the CSV body has none of the model's columns")
    read: Iterator[pa.Table] = iter([pa.table({name: pa.array([], pa.string()) for name in names})])
    if not present or re.search(rb"[\r\n]\s*[^\s]", body):
        read = blocks.csv_blocks(lambda: pa.BufferReader(body), names, scorer.contract, header_line=present)
    return Scored(scorer.score_blocks(_told(read, "CSV"), reasons=reasons), present)


def json_lines(body: bytes, scorer: Scorer, reasons: bool, _header: str | None) -> Scored:
    """Score JSON Lines: plain pieces through Arrow, any other with the rules of the online routes."""
    schema = {ID: pa.string()}
    schema |= {column.name: _JSON_TYPES.get(column.kind, pa.string()) for column in scorer.contract.features}
    parsing = pyarrow.json.ParseOptions(explicit_schema=pa.schema(schema), unexpected_field_behavior="error")

    def work(piece: bytes) -> pa.Table:
        table = _plain_json(piece, parsing)
        if table is not None:
            return next(scorer.score_blocks([table], reasons=reasons))
        matrix, ids = scorer.reader.read(_objects(piece))
        return scorer.answers(matrix, pa.array(ids, pa.string()), reasons=reasons)

    return Scored(_within(scorer.in_one_count(_counted(in_order(work, _pieces(body))))))


def _first_line(body: bytes) -> list[str]:
    try:
        return next(csv.reader([re.split(rb"[\r\n]", body, maxsplit=1)[0].decode("utf-8-sig")]), [])
    except UnicodeDecodeError as error:
        raise RequestError(f"the CSV body is not UTF-8: {error}") from error
    except csv.Error as error:
        raise RequestError(f"the CSV body's header cannot be read: {error}") from error


def _in_contract_order(width: int, contract: Contract) -> list[str]:
    names = [column.name for column in contract.features]
    if width not in (len(names), len(names) + 1):
        raise RequestError(
            f"the CSV body has no header line with the model's columns, and its first line has {width} values where "
            f"the contract has {ID} and {len(names)} features; send a header line or all of them in contract order"
        )
    return names if width == len(names) else [ID, *names]


def _told(read: Iterable[pa.Table], kind: str) -> Iterator[pa.Table]:
    """The same blocks, not too many of them, with Arrow's complaints as the client's fault."""
    try:
        yield from _within(read)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is not {kind}: {error}") from error


def _within(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    rows = 0
    for table in tables:
        rows += table.num_rows
        if rows > MAX_ROWS:
            raise TooLargeError(_too_many())
        yield table


def _too_many() -> str:
    return f"the table has more than {MAX_ROWS} rows or {MAX_UNPACKED} bytes; send less at a time"


def _pieces(body: bytes) -> Iterator[bytes]:
    """The body in pieces of whole lines."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", start + _LINES_BYTES) + 1 or len(body)
        yield body[start:end]
        start = end


def _plain_json(piece: bytes, parsing: pyarrow.json.ParseOptions) -> pa.Table | None:
    """The piece as a table; None where it needs to be looked at line by line."""
    reading = pyarrow.json.ReadOptions(use_threads=False, block_size=len(piece) + 1)
    try:
        table = pyarrow.json.read_json(pa.BufferReader(piece), reading, parsing)
        table.validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    return table


def _objects(piece: bytes) -> list[dict[str, object]]:
    rows = []
    for number, line in enumerate(filter(None, map(bytes.strip, piece.split(b"\n")))):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise _LineError(number, f"is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise _LineError(number, "is not an object of columns")
        rows.append(row)
    return rows


class _LineError(Exception):
    """A line of a piece that cannot be read."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


def _counted(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same tables; a line that cannot be read is told by its number in the body."""
    done = 0
    try:
        for part in parts:
            done += part.num_rows
            yield part
    except _LineError as error:
        index = done + error.number
        raise RequestError(f"line {index + 1} {error}", index=index) from error
