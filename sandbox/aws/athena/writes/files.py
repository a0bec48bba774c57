"""Files that UNLOAD, CTAS and INSERT write: named, split and compressed as in Athena."""

import gzip
import json
import random
import string
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

from sandbox.aws.athena.writes.properties import Properties
from sandbox.aws.athena.writes.texts import json_text, lazy_text
from sandbox.aws.errors import QueryError, UnsupportedSqlError
from sandbox.aws.storage import Location, Storage

ROWS_PER_FILE = 50_000
_PARQUET = {"GZIP": "gzip", "SNAPPY": "snappy", "ZSTD": "zstd", "LZ4": "lz4", "NONE": "none", "UNCOMPRESSED": "none"}
_ORC = {"ZLIB": "zlib", "SNAPPY": "snappy", "ZSTD": "zstd", "LZ4": "lz4", "NONE": "uncompressed"}
_TEXT = {"GZIP": "gz", "NONE": "", "ZSTD": "zst", "BZIP2": "bz2"}
_KNOWN = {"GZIP", "SNAPPY", "ZSTD", "LZ4", "NONE", "UNCOMPRESSED", "ZLIB", "BZIP2", "DEFLATE", "LZO"}
_CODECS = {"PARQUET": _PARQUET, "ORC": _ORC, "JSON": _TEXT, "TEXTFILE": _TEXT}


class Writer:
    """Writes record batches below S3 locations and collects the files for the manifest.

    Args:
        storage: Where to write.
        scratch: Local folder for the current file.
        properties: Format and compression.

    Raises:
        QueryError: There is no such compression.
        UnsupportedSqlError: The sandbox does not write this format or compression.
    """

    def __init__(self, storage: Storage, scratch: Path, properties: Properties) -> None:
        self._storage = storage
        self._scratch = scratch
        self._format = properties.format
        self._level = properties.level
        self._delimiter = properties.delimiter
        self._compression = properties.compression or ("ZLIB" if self._format == "ORC" else "GZIP")
        if self._compression not in _KNOWN:
            raise QueryError(f"INVALID_TABLE_PROPERTY: line 1:1: Invalid value for compression: {self._compression}")
        if self._format not in _CODECS:
            raise UnsupportedSqlError(f"format {self._format}")
        if self._compression not in _CODECS[self._format]:
            raise UnsupportedSqlError(f"compression {self._compression} of {self._format}")
        if self._level is not None and self._compression != "ZSTD":
            raise QueryError("INVALID_TABLE_PROPERTY: compression_level is only for the compression ZSTD")
        tail = "".join(random.choices(string.ascii_lowercase + string.digits, k=5))  # noqa: S311 - a name, not a secret
        self._stem = f"{datetime.now(UTC):%Y%m%d_%H%M%S}_{random.randrange(100_000):05d}_{tail}"  # noqa: S311
        self.files: list[Location] = []
        self.rows = 0

    def write(self, folder: Location, batches: Iterable[pa.RecordBatch], *, bucket: int | None = None) -> None:
        """Write each batch as one file in `folder`; skip empty batches."""
        for batch in batches:
            if not batch.num_rows:
                continue
            ending = _TEXT[self._compression] if self._format in {"JSON", "TEXTFILE"} else ""
            name = uuid.uuid4() if bucket is None else f"bucket-{bucket:05d}"
            place = folder / f"{self._stem}_{name}{f'.{ending}' if ending else ''}"
            self._storage.write(place, self._bytes(batch))
            self.files.append(place)
            self.rows += batch.num_rows

    def _bytes(self, batch: pa.RecordBatch) -> bytes:
        if self._format in {"PARQUET", "ORC"}:
            return self._columnar(pa.Table.from_batches([batch]))
        text = "".join(line + "\n" for line in (self._json(batch) if self._format == "JSON" else self._lines(batch)))
        if self._compression == "GZIP":
            return gzip.compress(text.encode(), mtime=0)
        if self._compression == "NONE":
            return text.encode()
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, {"ZSTD": "zstd", "BZIP2": "bz2"}[self._compression]) as stream:
            stream.write(text.encode())
        return bytes(sink.getvalue().to_pybytes())

    def _columnar(self, table: pa.Table) -> bytes:
        path = self._scratch / f"{uuid.uuid4()}.data"
        table = table.rename_columns([name.lower() for name in table.column_names])
        if self._format == "ORC":
            orc.write_table(table, str(path), compression=_ORC[self._compression])
        else:
            # Athena writes timestamps in Parquet's old 96-bit form.
            pq.write_table(
                table,
                path,
                compression=_PARQUET[self._compression],
                compression_level=self._level,
                use_deprecated_int96_timestamps=True,
            )
        body = path.read_bytes()
        path.unlink()
        return body

    def _json(self, batch: pa.RecordBatch) -> Iterable[str]:
        names = [name.lower() for name in batch.schema.names]
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            pairs = (f"{json.dumps(name)}:{json_text(value)}" for name, value in zip(names, row, strict=True))
            yield "{" + ",".join(pairs) + "}"

    def _lines(self, batch: pa.RecordBatch) -> Iterable[str]:
        texts = [
            [None if value is None else lazy_text(value, column.type) for value in column.to_pylist()]
            for column in batch.columns
        ]
        for row in zip(*texts, strict=True):
            yield self._delimiter.join("\\N" if value is None else value for value in row)


def require_empty(storage: Storage, folder: Location, what: str) -> None:
    """Refuse to write into a folder that already has files.

    Raises:
        QueryError: HIVE_PATH_ALREADY_EXISTS, with Athena's message.
    """
    if next(storage.objects(folder), None) is not None:
        raise QueryError(
            f"HIVE_PATH_ALREADY_EXISTS: Target directory for table '{what}' already exists: {folder}. You may need to "
            "manually clean the data at this location before retrying. Athena will not delete data in your account."
        )
