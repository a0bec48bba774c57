"""Arrow's CSV reader, opened in one place: typed batches of the wanted columns, with missing values as nulls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pacsv

from credit_model.data.missing import NULL_VALUES, without_markers


@dataclass(frozen=True)
class CsvLayout:
    """How the lines of a CSV are to be read.

    Attributes:
        headers: Columns in file order.
        separator: Text between values.
        skipped: Lines before the first row: blank ones, and the header where there is one.
    """

    headers: tuple[str, ...]
    separator: str = ","
    skipped: int = 1


def csv_batches(
    stream: pa.NativeFile,
    layout: CsvLayout,
    types: Mapping[str, pa.DataType],
    *,
    literal: Collection[str],
    block_bytes: int,
    use_threads: bool,
) -> Iterator[pa.RecordBatch]:
    """Yield the wanted columns of a CSV in batches.

    Args:
        stream: The CSV from its first byte; read as batches are asked for.
        layout: How its lines are to be read.
        types: Type of each wanted column by header; other columns are not converted.
        literal: Headers of the columns where NA is a value.
        block_bytes: Bytes read at a time. A line must not be longer.
        use_threads: Whether Arrow converts columns in its own threads.

    Raises:
        pyarrow.ArrowInvalid: Not a CSV of these columns, or a value does not fit its type.
    """
    reader = pacsv.open_csv(
        stream,
        pacsv.ReadOptions(
            block_size=block_bytes,
            column_names=list(layout.headers),
            skip_rows=layout.skipped,
            use_threads=use_threads,
        ),
        pacsv.ParseOptions(delimiter=layout.separator, newlines_in_values=True),
        pacsv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=NULL_VALUES, strings_can_be_null=False
        ),
    )
    yield from (without_markers(batch, literal) for batch in reader)
