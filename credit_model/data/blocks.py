"""CSV and Parquet, from disk or from memory, as a stream of blocks of typed columns that are ready to be scored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from credit_model.contract.contract import ID, Contract
from credit_model.data.csv_batches import CsvLayout, csv_batches
from credit_model.errors import InputError
from credit_model.parallel import BLOCK_ROWS

# Arrow reads about thirty of these ahead; a line must not be longer.
_BLOCK_BYTES = 1 << 20
_LEVELS = pa.dictionary(pa.int32(), pa.string())


def wanted(headers: Sequence[str], contract: Contract) -> dict[str, str]:
    """Return the canonical name of each header that scoring needs: the id and the features.

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
    source: Callable[[], pa.NativeFile], layout: CsvLayout, contract: Contract, *, literal: Collection[str]
) -> Iterator[pa.Table]:
    """Yield blocks of a CSV: numbers as float64, levels as dictionaries.

    A value that does not fit its type ends that: the block with it and all later ones hold text, which may be legal
    all the same (a boolean as "TRUE", a number with blanks).

    Args:
        source: Opens the CSV from its first byte.
        layout: How its lines are to be read.
        contract: Says which columns are needed, and in which type.
        literal: Canonical names of the columns where NA is a value, as `literal_columns` finds them.

    Raises:
        pyarrow.ArrowInvalid: Not a CSV of these columns.
        InputError: Two headers mean the same column.
    """
    names = wanted(layout.headers, contract)
    kinds = {column.name: pa.float64() for column in contract.features}
    kinds |= {column.name: _LEVELS for column in contract.features if not column.rule.is_number}
    kinds[ID] = pa.string()
    typed, text = {header: kinds[name] for header, name in names.items()}, dict.fromkeys(names, pa.string())
    kept = {header for header, name in names.items() if name in literal}
    done = 0
    for types in (typed, text):
        try:
            with source() as stream:
                batches = csv_batches(stream, layout, types, literal=kept, block_bytes=_BLOCK_BYTES, use_threads=False)
                # The second time only the rows that have not been yielded yet.
                for block in _after(done, batches):
                    yield block
                    done += block.num_rows
            return
        except pa.ArrowInvalid:
            if types is text:
                raise


def parquet_blocks(file: pq.ParquetFile, contract: Contract) -> Iterator[pa.Table]:
    """Yield blocks of the columns of a Parquet file that scoring needs.

    Args:
        file: Opened with `read_dictionary=parquet_levels(...)`.
        contract: The feature contract.

    Raises:
        pyarrow.ArrowInvalid: Damaged, or text that is not UTF-8.
        InputError: Two columns mean the same one.
    """
    names = list(wanted(file.schema_arrow.names, contract))
    for batch in file.iter_batches(BLOCK_ROWS, columns=names, use_threads=False):
        batch.validate(full=True)  # Arrow itself accepts text that is not UTF-8
        yield pa.Table.from_batches([batch])


def parquet_levels(schema: pa.Schema, contract: Contract) -> list[str]:
    """Return the columns of a Parquet file to read as dictionaries, so that each level is checked once.

    Raises:
        InputError: Two columns mean the same one.
    """
    levels = {column.name for column in contract.features if column.has_levels}
    text = {field.name for field in schema if field.type == pa.string()}
    return [header for header, name in wanted(schema.names, contract).items() if name in levels and header in text]


def _after(rows: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows after the first `rows`, in tables of at most `BLOCK_ROWS`."""
    for batch in batches:
        skipped = min(rows, batch.num_rows)
        rows -= skipped
        for start in range(skipped, batch.num_rows, BLOCK_ROWS):
            yield pa.Table.from_batches([batch.slice(start, BLOCK_ROWS)])
