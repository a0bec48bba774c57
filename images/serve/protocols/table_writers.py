"""Writers of `/invocations` answers: Parquet, CSV and JSON Lines."""

from collections.abc import Callable

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from credit_model.scoring.files import flattened


def write_parquet(scores: pa.Table, _header: bool) -> bytes:
    """Write Parquet with zstd."""
    sink = pa.BufferOutputStream()
    pq.write_table(scores, sink, compression="zstd")
    return bytes(sink.getvalue())


def write_csv(scores: pa.Table, header: bool) -> bytes:
    """Write CSV with reason codes separated by `|`."""
    sink = pa.BufferOutputStream()
    # For a first chunk without rows, Arrow 25 writes uninitialised memory, so chunks are combined.
    pyarrow.csv.write_csv(flattened(scores).combine_chunks(), sink, pyarrow.csv.WriteOptions(include_header=header))
    return bytes(sink.getvalue())


def write_json_lines(scores: pa.Table, _header: bool) -> bytes:
    """Write one object per line."""
    columns = [column.to_pylist() for column in scores.columns]
    names = scores.column_names
    return b"".join(orjson.dumps(dict(zip(names, row, strict=True))) + b"\n" for row in zip(*columns, strict=True))


WRITERS: dict[str, Callable[[pa.Table, bool], bytes]] = {
    "application/x-parquet": write_parquet,
    "text/csv": write_csv,
    "application/jsonlines": write_json_lines,
}
