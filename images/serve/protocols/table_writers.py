"""Writers of `/invocations` answers: Parquet, CSV and JSON Lines, block by block, so that only the answer is kept."""

import io
from collections.abc import Callable, Iterable, Iterator

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from credit_model.scoring.files import flattened

# Rows of one row group of a Parquet answer; a block of scores has fewer.
_GROUP = 1 << 17
Writer = Callable[[pa.Schema, Iterable[pa.Table], bool], bytes]


def write_parquet(schema: pa.Schema, blocks: Iterable[pa.Table], _header: bool) -> bytes:
    """Write Parquet with zstd."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for group in _groups(blocks):
            writer.write_table(group)
    return sink.getvalue()


def write_csv(schema: pa.Schema, blocks: Iterable[pa.Table], header: bool) -> bytes:
    """Write CSV with reason codes separated by `|`."""
    sink = io.BytesIO()
    flat = flattened(schema.empty_table()).schema
    with pyarrow.csv.CSVWriter(sink, flat, write_options=pyarrow.csv.WriteOptions(include_header=header)) as writer:
        for block in blocks:
            # For a first chunk without rows, Arrow 25 writes uninitialised memory, so chunks are combined.
            writer.write_table(flattened(block).combine_chunks())
    return sink.getvalue()


def write_json_lines(schema: pa.Schema, blocks: Iterable[pa.Table], _header: bool) -> bytes:
    """Write one object per line."""
    sink = io.BytesIO()
    for block in blocks:
        columns = [column.to_pylist() for column in block.columns]
        rows = (dict(zip(schema.names, row, strict=True)) for row in zip(*columns, strict=True))
        sink.writelines(orjson.dumps(row) + b"\n" for row in rows)
    return sink.getvalue()


def _groups(blocks: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same rows in tables of a row group's size."""
    kept: list[pa.Table] = []
    for block in blocks:
        kept.append(block)
        if sum(table.num_rows for table in kept) >= _GROUP:
            yield pa.concat_tables(kept)
            kept = []
    if kept:
        yield pa.concat_tables(kept)


WRITERS: dict[str, Writer] = {
    "application/x-parquet": write_parquet,
    "text/csv": write_csv,
    "application/jsonlines": write_json_lines,
}
