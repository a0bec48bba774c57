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

from sandbox.aws.athena.engine import Column
from sandbox.aws.athena.results import rows_of
from sandbox.aws.errors import QueryError, UnsupportedSqlError
from sandbox.aws.storage import Location, Storage

ROWS_PER_FILE = 50_000
_CODECS = {"GZIP": "gzip", "SNAPPY": "snappy", "ZSTD": "zstd", "NONE": "none"}


class Writer:
    """Writes record batches below S3 locations and collects the files for the manifest.

    Args:
        storage: Where to write.
        scratch: Local folder for the current file.
        format: PARQUET, JSON or TEXTFILE.
        compression: GZIP (Athena's default), SNAPPY, ZSTD or NONE.
        delimiter: Separator of the fields of a TEXTFILE.

    Raises:
        UnsupportedSqlError: The sandbox does not write this format or compression.
    """

    def __init__(
        self, storage: Storage, scratch: Path, *, format: str, compression: str = "GZIP", delimiter: str = "\x01"
    ) -> None:
        self._storage = storage
        self._scratch = scratch
        self._format = format.upper()
        self._compression = compression.upper()
        self._delimiter = delimiter
        if self._format not in {"PARQUET", "JSON", "TEXTFILE"}:
            raise UnsupportedSqlError(f"format {format}")
        if self._compression not in _CODECS or (
            self._format != "PARQUET" and self._compression not in {"GZIP", "NONE"}
        ):
            raise UnsupportedSqlError(f"compression {compression} of {format}")
        tail = "".join(random.choices(string.ascii_lowercase + string.digits, k=5))  # noqa: S311 - a name, not a secret
        self._stem = f"{datetime.now(UTC):%Y%m%d_%H%M%S}_{random.randrange(100_000):05d}_{tail}"  # noqa: S311
        self.files: list[Location] = []
        self.rows = 0

    def write(self, folder: Location, batches: Iterable[pa.RecordBatch]) -> None:
        """Write each batch as one file in `folder`; skip empty batches."""
        for batch in batches:
            if not batch.num_rows:
                continue
            extension = ".gz" if self._format != "PARQUET" and self._compression == "GZIP" else ""
            place = folder / f"{self._stem}_{uuid.uuid4()}{extension}"
            self._storage.write(place, self._bytes(batch))
            self.files.append(place)
            self.rows += batch.num_rows

    def _bytes(self, batch: pa.RecordBatch) -> bytes | Path:
        if self._format == "PARQUET":
            path = self._scratch / f"{uuid.uuid4()}.parquet"
            pq.write_table(pa.Table.from_batches([batch]), path, compression=_CODECS[self._compression])
            body = path.read_bytes()
            path.unlink()
            return body
        lines = self._json(batch) if self._format == "JSON" else self._text(batch)
        text = "".join(line + "\n" for line in lines).encode()
        return gzip.compress(text, mtime=0) if self._compression == "GZIP" else text

    def _json(self, batch: pa.RecordBatch) -> Iterable[str]:
        for row in batch.to_pylist():
            kept = {name: value for name, value in row.items() if value is not None}
            yield json.dumps(kept, default=str, ensure_ascii=False)

    def _text(self, batch: pa.RecordBatch) -> Iterable[str]:
        for row in rows_of(batch):
            yield self._delimiter.join("\\N" if value is None else value for value in row)


def check_columns(columns: list[Column], *, creates_table: bool) -> None:
    """Refuse result columns that a Hive table cannot store.

    Raises:
        QueryError: A column cannot be stored; the message is Athena's.
    """
    seen: set[str] = set()
    for position, column in enumerate(columns, start=1):
        if column.untyped:
            reason = "COLUMN_TYPE_UNKNOWN: line 1:1: Column type is unknown at position {}"
            raise QueryError(
                reason.format(position) if creates_table else "NOT_SUPPORTED: Unsupported Hive type: unknown"
            )
        if column.kind == "TIMESTAMP WITH TIME ZONE":
            raise QueryError(
                f"NOT_SUPPORTED: Unsupported Hive type: timestamp(3) with time zone (column {column.name}); "
                "CAST it AS timestamp"
            )
        if column.name.lower() in seen:
            raise QueryError(f"DUPLICATE_COLUMN_NAME: line 1:1: Column name '{column.name}' specified more than once")
        seen.add(column.name.lower())


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
