"""The server's Prometheus metrics: cheap to record, aggregated every thousand rows or when scraped."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
PDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75)
# Most values that wait for aggregation.
WAITING = 1024


class Histogram:
    """A histogram with buckets of values up to each limit."""

    def __init__(self, limits: Sequence[float]) -> None:
        self._limits = np.array(limits)
        self._counts = np.zeros(len(limits) + 1, dtype=np.int64)
        self._sum = 0.0
        self._waiting: list[float] = []

    def add(self, values: Iterable[float]) -> None:
        """Record values."""
        self._waiting += values
        if len(self._waiting) >= WAITING:
            self._add_up()

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """Return cumulative counts by upper limit, and the sum of all values."""
        self._add_up()
        names = [*map(repr, self._limits.tolist()), "+Inf"]
        return list(zip(names, np.cumsum(self._counts).astype(float).tolist(), strict=True)), self._sum

    def _add_up(self) -> None:
        values = np.array(self._waiting)
        self._waiting = []
        places = np.searchsorted(self._limits, values, side="left")
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(values.sum())


class Metrics(Collector):
    """Counts since the start. Only the event loop's thread may use it."""

    def __init__(self, features: Sequence[str], *, version: str, unknown: Counter[str]) -> None:
        """Start at zero.

        Args:
            features: the model's features in matrix order.
            version: the model's version.
            unknown: the reader's counter of unknown levels by column.
        """
        self._features = list(features)
        self._version = version
        self._unknown = unknown
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self._pds = Histogram(PDS)
        self._rows = 0
        self._absent: npt.NDArray[np.int64] = np.zeros(len(features), dtype=np.int64)
        self._waiting: list[bytes] = []
        self._waiting_rows = 0

    def add_request(self, route: str, status: int, seconds: float) -> None:
        """Record an answer."""
        self._requests[route, status] += 1
        histogram = self._seconds.get(route)
        if histogram is None:
            histogram = self._seconds[route] = Histogram(SECONDS)
        histogram.add((seconds,))

    def add_rows(self, rows: bytes, pds: list[float]) -> None:
        """Record scored applicants, given as the float64 bytes of their matrix."""
        self._rows += len(pds)
        self._pds.add(pds)
        self._waiting.append(rows)
        self._waiting_rows += len(pds)
        if self._waiting_rows >= WAITING:
            self._add_up()

    def add_table(self, rows: int, unknown: Counter[str]) -> None:
        """Record a scored table, and how many values of each column were unknown levels."""
        self._rows += rows
        self._unknown.update(unknown)

    def _add_up(self) -> None:
        if self._waiting:
            matrix = np.frombuffer(b"".join(self._waiting)).reshape(-1, len(self._features))
            self._absent += np.count_nonzero(np.isnan(matrix), axis=0)
        self._waiting, self._waiting_rows = [], 0

    def collect(self) -> Iterable[Metric]:
        """Return all metrics, as the client library's registry expects."""
        self._add_up()
        version = GaugeMetricFamily("credit_serve_model", "The model that answers", labels=["version"])
        version.add_metric([self._version], 1)
        requests = CounterMetricFamily("credit_serve_requests", "Answers", labels=["route", "status"])
        for (route, status), count in self._requests.items():
            requests.add_metric([route, str(status)], count)
        seconds = HistogramMetricFamily(
            "credit_serve_seconds", "Time from the request's head to its answer", labels=["route"]
        )
        for route, histogram in self._seconds.items():
            seconds.add_metric([route], *histogram.read())
        pds = HistogramMetricFamily("credit_serve_pd", "Probabilities of default that were answered")
        pds.add_metric([], *self._pds.read())
        rows = CounterMetricFamily("credit_serve_rows", "Applicants scored")
        rows.add_metric([], self._rows)
        return [version, requests, seconds, pds, rows, *self._per_feature()]

    def _per_feature(self) -> list[Metric]:
        unknown = CounterMetricFamily(
            "credit_serve_unknown_levels", "Levels that the model does not know", labels=["column"]
        )
        absent = CounterMetricFamily(
            "credit_serve_missing_values", "Values the model did not have, unknown levels included", labels=["feature"]
        )
        for feature, count in zip(self._features, self._absent.tolist(), strict=True):
            absent.add_metric([feature], count)
        for column, count in self._unknown.items():
            unknown.add_metric([column], count)
        return [absent, unknown]
