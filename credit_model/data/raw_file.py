"""Raw files: CSV (plain or gzipped, comma or semicolon, with or without a byte order mark) and Parquet, as batches."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from credit_model.data.csv_batches import CsvLayout, csv_batches
from credit_model.errors import DataError

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_HEAD = 1 << 20
_BLOCK = 16 << 20
_BATCH = 65_536
_BLANK = re.compile(rb"([ \t]*(\r\n|\n|\r))*")
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class RawFile:
    """A raw file whose header has been read.

    Attributes:
        path: File on disk.
        label: Name for messages.
        headers: Column headers in file order, as written.
        separator: `,` or `;` for CSV, None for Parquet.
        compressed: Whether the CSV is gzipped.
        skipped: Lines of a CSV before its first row: blank ones and the header.
    """

    path: Path
    label: str
    headers: tuple[str, ...]
    separator: str | None
    compressed: bool = False
    skipped: int = 1

    @property
    def layout(self) -> CsvLayout:
        """How the lines of a CSV are to be read."""
        return CsvLayout(self.headers, self.separator or ",", self.skipped)

    def open_bytes(self) -> pa.NativeFile:
        """Open the text of a CSV from its first byte, unpacked."""
        return _bytes(self.path, compressed=self.compressed)

    def batches(self, columns: list[str], *, literal: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns in batches; all of them are text when the file is CSV.

        Args:
            columns: Headers of the columns.
            literal: Headers of the columns where NA is a value of a CSV.

        Raises:
            DataError: The file is cut off, ragged or wrongly encoded; names the row.
        """
        with file_faults(self):
            yield from self._parquet(columns) if self.separator is None else self._csv(columns, literal)

    def _parquet(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
                batch.validate(full=True)  # Arrow itself accepts text that is not UTF-8
                yield batch

    def _csv(self, columns: list[str], literal: Collection[str]) -> Iterator[pa.RecordBatch]:
        text = dict.fromkeys(columns, pa.string())
        with self.open_bytes() as stream:
            yield from csv_batches(stream, self.layout, text, literal=literal, block_bytes=_BLOCK, use_threads=True)


def open_raw(path: Path, *, label: str) -> RawFile:
    """Recognise a file by its first bytes and read its header.

    Args:
        path: File on disk.
        label: Name of the file in messages.

    Raises:
        DataError: Not readable, empty, not a table, or a header that appears twice.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise DataError(f"{label}: cannot be read ({error.strerror}); check the path") from error
    if not magic:
        raise DataError(f"{label}: the file is empty; deliver a file with a header and rows")
    raw = _open_parquet(path, label) if magic == _PARQUET else _open_csv(path, label, magic)
    lowered = [header.strip().lower() for header in raw.headers]
    repeated = sorted({name for name in lowered if lowered.count(name) > 1})
    if repeated:
        raise DataError(f"{label}: header '{repeated[0]}' appears twice; each column needs a name of its own")
    return raw


def delivered_rows(path: Path, rows: set[int]) -> dict[int, str]:
    """Return rows of a file as they were delivered, each as a JSON object of header and value.

    Args:
        path: File that has been read before.
        rows: One-based numbers of data rows.
    """
    raw, offset, found = open_raw(path, label=str(path)), 0, {}
    for batch in raw.batches(list(raw.headers), literal=raw.headers):
        for row in sorted(row for row in rows if offset < row <= offset + batch.num_rows):
            values = batch.slice(row - offset - 1, 1).to_pylist()[0]
            found[row] = json.dumps(values, default=str, ensure_ascii=False)
        offset += batch.num_rows
    return found


def _open_parquet(path: Path, label: str) -> RawFile:
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{label}: a damaged or cut-off Parquet file; deliver it again") from error
    return RawFile(path, label, tuple(names), None)


def _open_csv(path: Path, label: str, magic: bytes) -> RawFile:
    compressed = magic.startswith(_GZIP)
    if magic.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{label} row 0: the text is UTF-16; save the file as UTF-8")
    try:
        with _bytes(path, compressed=compressed) as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise DataError(f"{label}: the gzip data is cut off or damaged; deliver the file again") from error
    blank, line = first_line(head)
    headers, separator = _header(line, label)
    return RawFile(path, label, headers, separator, compressed, blank + 1)


def first_line(head: bytes) -> tuple[int, bytes]:
    r"""Return how many blank lines a CSV begins with, and its first line that is not blank, without a byte order mark.

    Example:
        >>> first_line(b"\n\nid,age\n1,30\n")
        (2, b'id,age')
    """
    text = head.removeprefix(b"\xef\xbb\xbf")
    start = _BLANK.match(text).end()  # type: ignore[union-attr]  # it matches nothing too
    end = _LINE_END.search(text, start)
    return len(_LINE_END.findall(text, 0, start)), text[start : end.start() if end else len(text)]


def _header(line: bytes, label: str) -> tuple[tuple[str, ...], str]:
    if not line.strip():
        raise DataError(f"{label}: the file is empty; deliver a file with a header and rows")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{label}: the header is not UTF-8 text; save the file as UTF-8 CSV or Parquet") from error
    bare = re.sub(r'"[^"]*"', "", text)
    separator = ";" if bare.count(";") > bare.count(",") else ","
    if separator not in bare or "\x00" in text:
        raise DataError(f"{label}: not a CSV file (its first line has no comma or semicolon); deliver CSV or Parquet")
    headers = tuple(next(csv.reader([text], delimiter=separator)))
    unnamed = [number for number, header in enumerate(headers, 1) if not header.strip()]
    if unnamed:
        raise DataError(f"{label}: column {unnamed[0]} of the header has no name; name it or remove it")
    return headers, separator


def _bytes(path: Path, *, compressed: bool) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="gzip" if compressed else None)


@contextmanager
def file_faults(raw: RawFile) -> Iterator[None]:
    """Turn Arrow's errors into ours, with the line number where Arrow gives none.

    Raises:
        DataError: Instead of Arrow's error.
    """
    try:
        yield
    except pa.ArrowInvalid as error:
        raise DataError(f"{raw.label}{_explain(raw, str(error))}") from error
    except OSError as error:
        if raw.separator is None:
            raise DataError(f"{raw.label}: a damaged or cut-off Parquet file; deliver it again") from error
        raise DataError(f"{raw.label}: the gzip data is cut off or damaged; deliver the file again") from error


def _explain(raw: RawFile, message: str) -> str:
    if "Empty CSV file" in message or "Could not skip initial" in message:
        return ": there is a header but no data row; deliver a file with rows"
    ragged = re.search(r"Expected (\d+) columns, got (\d+)", message)
    if ragged:
        found = f"{ragged[2]} values where the header has {ragged[1]}"
        return f" line {_find_line(raw, ragged=True)}: {found}; correct the line or its quotes"
    if "UTF8" in message:
        return f" line {_find_line(raw, ragged=False)}: not UTF-8 text; save the file as UTF-8"
    return f": not readable as a table ({message}); deliver CSV or Parquet"


def _find_line(raw: RawFile, *, ragged: bool) -> int | str:
    """Return the number of the first bad line of the file (header = 1), reading it again: only a bad file pays."""
    opener = gzip.open if raw.compressed else open
    with opener(raw.path, "rb") as stream:
        if not ragged:
            return next((number for number, line in enumerate(stream, 1) if not _is_utf8(line)), "?")
        reader = csv.reader((line.decode("utf-8", "replace") for line in stream), delimiter=raw.separator or ",")
        ragged_lines = (reader.line_num for values in reader if values and len(values) != len(raw.headers))
        wrong = (number for number in ragged_lines if number >= raw.skipped)  # blank lines above the header are fine
        try:
            return next(wrong, "?")
        except csv.Error:  # a field longer than Python's reader takes, which an unclosed quote makes
            return reader.line_num


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
