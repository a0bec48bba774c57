"""Watches a challenger under traffic: compares its errors and latency with the champion's, from server metrics."""

import time
from collections.abc import Iterable

from prefect import get_run_logger
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from tasks.errors import ReleaseError
from tasks.release import kserve
from tasks.release.endpoint import Endpoint
from tasks.release.limits import ReleaseLimits
from tasks.release.record import Rollout
from tasks.release.status import latest_url, previous_url
from tasks.settings import settings
from tasks.steps import step

ROUTES = ("predict", "infer")
# A pod may end while it is read, which is no fault of the model; repeated silence is.
SILENCES = 3


class Tally(BaseModel, frozen=True):
    """Counts of answered requests.

    Attributes:
        requests: number of requests.
        errors: number of 5xx answers.
        buckets: cumulative counts by upper limit of the latency in seconds.
    """

    requests: float = 0.0
    errors: float = 0.0
    buckets: dict[float, float] = {}

    def __add__(self, other: "Tally") -> "Tally":
        """Return the sum of both."""
        return self._with(other, 1.0)

    def __sub__(self, other: "Tally") -> "Tally":
        """Return the difference to an earlier tally."""
        return self._with(other, -1.0)

    def _with(self, other: "Tally", sign: float) -> "Tally":
        limits = self.buckets.keys() | other.buckets.keys()
        return Tally(
            requests=self.requests + sign * other.requests,
            errors=self.errors + sign * other.errors,
            buckets={limit: self.buckets.get(limit, 0.0) + sign * other.buckets.get(limit, 0.0) for limit in limits},
        )

    def error_rate(self) -> float:
        """Return the share of 5xx answers, 0 without requests.

        >>> Tally(requests=200, errors=3).error_rate()
        0.015
        """
        return self.errors / self.requests if self.requests else 0.0

    def percentile_ms(self, share: float) -> float:
        """Return a percentile of the latency in ms, linear within a bucket like Prometheus' `histogram_quantile`.

        Beyond the last finite limit, it is that limit.

        >>> Tally(buckets={0.01: 50, 0.02: 100, float("inf"): 100}).percentile_ms(0.75)
        15.0
        """
        limits = sorted(self.buckets)
        rank = share * (self.buckets[limits[-1]] if limits else 0.0)
        lower, below = 0.0, 0.0
        for limit in limits:
            count = self.buckets[limit]
            if count >= rank and count > below:
                inside = (rank - below) / (count - below)
                return 1e3 * (lower if limit == float("inf") else lower + inside * (limit - lower))
            lower, below = limit, count
        return 0.0


def read_tally(text: str) -> tuple[float, Tally]:
    """Return a server's start time, which identifies its pod, and its counts since then."""
    started, requests, errors, buckets = 0.0, 0.0, 0.0, dict[float, float]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "process_start_time_seconds":
                started = sample.value
            if sample.labels.get("route") not in ROUTES:
                continue
            if sample.name == "credit_serve_requests_total":
                requests += sample.value
                errors += sample.value if sample.labels["status"].startswith("5") else 0.0
            elif sample.name == "credit_serve_seconds_bucket":
                limit = float(sample.labels["le"])
                buckets[limit] = buckets.get(limit, 0.0) + sample.value
    return started, Tally(requests=requests, errors=errors, buckets=buckets)


class Meter:
    """Counts a revision's answers since the meter was created; start times distinguish its pods.

    A pod that has started since then counts from its first answer: one that crashes and restarts hides nothing.

    Args:
        url: tag URL of the revision; None to read nothing.
    """

    def __init__(self, url: str | None) -> None:
        self.url = url
        self._began = time.time()
        self._first: dict[float, Tally] = {}
        self._last: dict[float, Tally] = {}
        self._silences = 0

    def read(self) -> Tally:
        """Read the metrics of whichever pod answers; return the sum over all pods seen so far.

        Raises:
            ReleaseError: several reads in a row have failed.
        """
        if self.url is not None:
            try:
                with Endpoint(self.url, attempts=1) as server:
                    started, tally = read_tally(server.metrics())
            except ReleaseError:
                self._silences += 1
                if self._silences >= SILENCES:
                    raise
            else:
                self._silences = 0
                self._first.setdefault(started, tally if started < self._began else Tally())
                self._last[started] = tally
        return _sum(self._last[pod] - self._first[pod] for pod in self._last)


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total += tally
    return total


def fault(challenger: Tally, champion: Tally, limits: ReleaseLimits) -> str | None:
    """Return what is wrong with a challenger under traffic, None if nothing is.

    Fewer than `min_requests` requests count as that many without further errors, and their latency is not judged.
    """
    allowed = champion.error_rate() + limits.max_error_rate
    if challenger.errors > allowed * max(challenger.requests, limits.min_requests):
        return (
            f"{challenger.errors:.0f} of {challenger.requests:.0f} answers are 5xx; the champion has "
            f"{champion.errors:.0f} of {champion.requests:.0f}, and {limits.max_error_rate:.1%} more is allowed"
        )
    if min(challenger.requests, champion.requests) < limits.min_requests:
        return None
    slow, usual = challenger.percentile_ms(0.99), champion.percentile_ms(0.99)
    if slow > max(limits.tolerated_ms, limits.max_slowdown * usual):
        return (
            f"p99 is {slow:.1f} ms and the champion's {usual:.1f} ms; at most {limits.max_slowdown:g} times is allowed"
        )
    return None


@step
def watch(rollout: Rollout, percent: int, limits: ReleaseLimits, before: Tally | None) -> Tally:
    """Watch one step of traffic; return the champion's tally so far.

    Args:
        rollout: the release.
        percent: the challenger's current share.
        limits: watch time and tolerances.
        before: the champion's tally of earlier steps, needed because at 100 % it no longer has a URL of its own.

    Raises:
        ReleaseError: there are too many errors, answers are too slow, or metrics cannot be read.
    """
    service = kserve.existing(rollout.service)
    challenger = Meter(latest_url(service))
    champion = Meter(previous_url(service, rollout.serving_revision))
    seconds = settings().release_dwell_seconds if limits.dwell_seconds is None else limits.dwell_seconds
    deadline = time.monotonic() + seconds
    while True:
        seen, usual = challenger.read(), (before or Tally()) + champion.read()
        if wrong := fault(seen, usual, limits):
            raise ReleaseError(f"{rollout.service} at {percent} %: {wrong}")
        rollout.wait_seconds()
        left = deadline - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(left, settings().poll_seconds, 2.0))
    _log(percent, seconds, seen, usual, limits)
    return usual


def _log(percent: int, seconds: float, seen: Tally, usual: Tally, limits: ReleaseLimits) -> None:
    few = min(seen.requests, usual.requests) < limits.min_requests
    get_run_logger().info(
        "%d %% for %.0f s: %.0f answers, %.0f errors, p99 %.1f ms; champion %.0f, %.0f, %.1f ms%s",
        *(percent, seconds, seen.requests, seen.errors, seen.percentile_ms(0.99)),
        *(usual.requests, usual.errors, usual.percentile_ms(0.99)),
        f" (fewer than {limits.min_requests} requests: latency not judged)" if few else "",
    )
