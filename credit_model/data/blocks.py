"""Streams CSV and Parquet, from disk or from memory, in blocks of typed columns that are ready to be scored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from credit_model.contract.contract import ID, Contract
from credit_model.data.missing import NULL_VALUES, without_markers
from credit_model.errors import InputError
from credit_model.parallel import BLOCK_ROWS

# Arrow reads some thirty of these ahead; a line must not be longer.
_BLOCK_BYTES = 1 << 20
_LEVELS = pa.dictionary(pa.int32(), pa.string())


def wanted(headers: Sequence[str], contract: Contract) -> dict[str, str]:
    """Canonical name of each header that scoring needs: the id and the features.

    Raises:
        InputError: Two headers mean the same column.
    """
    known = {ID, *(column.name for column in contract.features)}
    by_header, found = contract.request_headers, dict[str, str]()
    for header in headers:
        name = by_header.get(header.strip().lower())
        if name in found.values():
            raise InputError(index=0, column=header, value=None, reason=f"'{name}' is given twice; send it once")
        if name in known:
            found[header] = name
    return found


def csv_blocks(
    source: Callable[[], pa.NativeFile],
    headers: Sequence[str],
    contract: Contract,
    *,
    separator: str = ",",
    skipped: int = 1,
    literal: Collection[str] = (ID,),
) -> Iterator[pa.Table]:
    """Blocks of a CSV: numbers as float64, levels as dictionaries; as text from the first block on that does not fit.

    Args:
        source: Opens the CSV from its first byte.
        headers: Its columns in order.
        contract: Says which columns are needed, and as what; others are not converted.
        separator: Between values.
        skipped: Lines before the first row: blank ones, and the header where there is one.
        literal: Canonical names of the columns where NA is a value, as `credit_model.markers` finds them.

    Raises:
        pyarrow.ArrowInvalid: Not a CSV of these columns.
        InputError: Two headers mean the same column.
    """
    names = wanted(headers, contract)
    kinds = {column.name: pa.float64() for column in contract.features}
    kinds |= {column.name: _LEVELS for column in contract.features if column.has_levels or column.kind == "boolean"}
    kinds[ID] = pa.string()
    typed, text = {header: kinds[name] for header, name in names.items()}, dict.fromkeys(names, pa.string())
    reading = pacsv.ReadOptions(
        block_size=_BLOCK_BYTES, column_names=list(headers), skip_rows=skipped, use_threads=False
    )
    parsing = pacsv.ParseOptions(delimiter=separator, newlines_in_values=True)
    kept = {header for header, name in names.items() if name in literal}
    done = 0
    for types in (typed, text):
        try:
            with source() as stream:
                # A legal value may be written in a way that only the text reader takes; rows given out stay given out.
                batches = pacsv.open_csv(stream, reading, parsing, _conversion(types))
                for block in _after(done, (without_markers(batch, kept) for batch in batches)):
                    yield block
                    done += block.num_rows
            return
        except pa.ArrowInvalid:
            if types is text:
                raise


def _conversion(types: dict[str, pa.DataType]) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        column_types=types, include_columns=list(types), null_values=NULL_VALUES, strings_can_be_null=False
    )


def parquet_blocks(file: pq.ParquetFile, contract: Contract) -> Iterator[pa.Table]:
    """Blocks of a Parquet file opened with `read_dictionary` as `parquet_levels` says; other columns are not read.

    Raises:
        pyarrow.ArrowInvalid: Damaged, or text that is not UTF-8.
        InputError: Two columns mean the same one.
    """
    names = list(wanted(file.schema_arrow.names, contract))
    for batch in file.iter_batches(BLOCK_ROWS, columns=names, use_threads=False):
        batch.validate(full=True)  # Arrow reads text that is not UTF-8 without a word
        yield pa.Table.from_batches([batch])


def parquet_levels(schema: pa.Schema, contract: Contract) -> list[str]:
    """Columns of a Parquet file to read as dictionaries, so that each level is looked at once.

    Raises:
        InputError: Two columns mean the same one.
    """
    levels = {column.name for column in contract.features if column.has_levels}
    text = {field.name for field in schema if field.type == pa.string()}
    return [header for header, name in wanted(schema.names, contract).items() if name in levels and header in text]


def _after(rows: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows after the first so many, in tables of at most `BLOCK_ROWS`."""
    for batch in batches:
        skipped = min(rows, batch.num_rows)
        rows -= skipped
        for start in range(skipped, batch.num_rows, BLOCK_ROWS):
            yield pa.Table.from_batches([batch.slice(start, BLOCK_ROWS)])
