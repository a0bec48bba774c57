"""The prediction log: writes every prediction to S3 as Parquet, without slowing answers."""

import asyncio
import hashlib
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from prometheus_client import Counter

# Most predictions that wait while S3 does not answer, about 25 MB; further ones are dropped and counted.
CAPACITY = 100_000
CLOSE_SECONDS = 8.0
# Pause between two attempts while S3 does not answer.
PAUSE_SECONDS = 5.0
SCHEMA = pa.schema(
    [
        pa.field("application_id", pa.string()),
        pa.field("features_digest", pa.string()),
        pa.field("pd", pa.float64()),
        pa.field("model_version", pa.string()),
        pa.field("scored_at", pa.timestamp("us", "UTC")),
    ]
)

LOGGED = Counter("credit_serve_predictions_logged", "Predictions that have reached the prediction log")
DROPPED = Counter("credit_serve_predictions_dropped", "Predictions that the prediction log could not keep")
log = logging.getLogger(__name__)
_Entry = tuple[float, str | None, str, float]


@dataclass(frozen=True)
class LogSettings:
    """Where and when predictions are written.

    Attributes:
        uri: `s3://bucket/prefix`.
        rows: a file is written as soon as this many predictions wait.
        seconds: longest a prediction waits while S3 answers.
        capacity: most predictions that may wait.
    """

    uri: str
    rows: int = 10_000
    seconds: float = 60.0
    capacity: int = CAPACITY


@dataclass
class _Object:
    """A Parquet file to write; a failed write is repeated under the same key, so that no row is duplicated."""

    key: str
    rows: int
    body: bytes = field(repr=False)


class PredictionLog:
    """Takes predictions from the event loop and writes them from a separate thread.

    Attributes:
        written: predictions that have reached S3.
    """

    def __init__(self, settings: LogSettings, *, version: str, portfolio: str) -> None:
        self.written = 0
        # Two counters, so that each is changed by one thread only.
        self._refused = 0
        self._lost = 0
        self._settings = settings
        self._bucket, _, prefix = settings.uri.removeprefix("s3://").partition("/")
        self._prefix = "/".join([*([prefix.strip("/")] if prefix.strip("/") else []), f"portfolio={portfolio}"])
        self._version = version
        self._entries: deque[_Entry] = deque()
        self._objects: deque[_Object] = deque()
        self._unwritten = 0
        self._client: Any = None
        self._closing = False
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Return how many predictions were not kept: too many were waiting, or the server ended before S3 took them."""
        return self._refused + self._lost

    def add(self, *, application_id: str | None, features: bytes, pd: float) -> None:
        """Queue one prediction, or drop and count it if too many wait; takes about two microseconds.

        Args:
            application_id: the applicant, if known.
            features: the encoded features; only their digest is kept, so equal digests mean equal features.
            pd: the predicted probability of default.
        """
        if self._closing or len(self._entries) + self._unwritten >= self._settings.capacity:
            self._refused += 1
            DROPPED.inc()
            return
        digest = hashlib.blake2b(features, digest_size=16).hexdigest()
        self._entries.append((time.time(), application_id, digest, pd))
        if len(self._entries) >= self._settings.rows and not self._wake.is_set():
            self._wake.set()

    async def close(self) -> None:
        """Write what is waiting; what has not reached S3 after `CLOSE_SECONDS` is dropped, counted and logged."""
        self._closing = True
        self._end.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
        lost = len(self._entries) + self._unwritten
        if lost:
            self._lost += lost
            DROPPED.inc(lost)
            log.error("predictions lost: S3 did not take them in time", extra={"facts": {"rows": lost}})

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._settings.seconds)
            self._wake.clear()
            if not self._flush():
                # Without a pause, the next prediction would wake the thread at once.
                self._end.wait(min(PAUSE_SECONDS, self._settings.seconds))
        deadline = time.monotonic() + CLOSE_SECONDS
        while not self._flush() and time.monotonic() < deadline:
            time.sleep(0.5)

    def _flush(self) -> bool:
        """Write everything that is waiting; return False if something could not be written and stays."""
        try:
            while self._entries or self._objects:
                if not self._objects:
                    self._encode()
                self._put(self._objects[0])
                done = self._objects.popleft()
                self.written += done.rows
                LOGGED.inc(done.rows)
                self._unwritten -= done.rows
        except Exception as error:  # of any kind: the log must go on, and no request may notice
            # Neither the message nor values, which may be personal data.
            facts = {"type": type(error).__name__, "waiting": len(self._entries) + self._unwritten}
            facts |= {"dropped": self.dropped, "bucket": self._bucket}
            log.warning("the prediction log cannot be written; retrying", extra={"facts": facts})
            return False
        return True

    def _encode(self) -> None:
        """Encode the oldest waiting predictions as Parquet, one object per day."""
        count = min(len(self._entries), self._settings.rows)
        self._unwritten += count  # first, so that `add` never sees too few
        batch = [self._entries.popleft() for _ in range(count)]
        try:
            self._objects += [self._object(list(rows)) for _, rows in groupby(batch, key=_day)]
        except Exception:
            self._unwritten -= count
            self._lost += count
            DROPPED.inc(count)
            raise

    def _object(self, entries: Sequence[_Entry]) -> _Object:
        name = f"{datetime.fromtimestamp(entries[0][0], UTC):%H%M%S}-{uuid.uuid4().hex}.parquet"
        return _Object(f"{self._prefix}/date={_day(entries[0])}/{name}", len(entries), self._parquet(entries))

    def _parquet(self, entries: Sequence[_Entry]) -> bytes:
        times, ids, digests, pds = zip(*entries, strict=True)
        micros = pa.array([int(moment * 1e6) for moment in times], pa.int64()).cast(SCHEMA.field("scored_at").type)
        versions = pa.repeat(pa.scalar(self._version, pa.string()), len(entries))
        columns = [pa.array(ids, pa.string()), pa.array(digests), pa.array(pds, pa.float64()), versions, micros]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns, schema=SCHEMA), sink, compression="zstd")
        body: bytes = sink.getvalue().to_pybytes()
        return body

    def _put(self, item: _Object) -> None:
        if self._client is None:
            self._client = _s3_client()
        self._client.put_object(Bucket=self._bucket, Key=item.key, Body=item.body)


def _day(entry: _Entry) -> date:
    return datetime.fromtimestamp(entry[0], UTC).date()


def _s3_client() -> Any:  # noqa: ANN401 - botocore builds its clients at run time
    import botocore.session  # noqa: PLC0415 - only where predictions are logged
    from botocore.config import Config  # noqa: PLC0415

    patience = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
    return botocore.session.Session().create_client("s3", region_name=os.environ.get("AWS_REGION"), config=patience)
