"""Tables as bodies of `/invocations`, one function a format."""

import io
import json

import pyarrow.csv
import pyarrow.parquet as pq

PARQUET, CSV, LINES = "application/x-parquet", "text/csv", "application/jsonlines"


def as_parquet(table):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def as_csv(table):
    sink = io.BytesIO()
    pyarrow.csv.write_csv(table, sink)
    return sink.getvalue()


def as_lines(table):
    return "\n".join(json.dumps(row) for row in table.to_pylist()).encode()
