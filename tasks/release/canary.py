"""Watches a challenger under traffic: its errors and latency beside the champion's, from the servers' own counters."""

import time
from collections.abc import Iterable

from prefect import get_run_logger
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from tasks.errors import ReleaseError
from tasks.release import kserve
from tasks.release.endpoint import Endpoint
from tasks.release.limits import ReleaseLimits
from tasks.release.rollout import Rollout
from tasks.settings import settings
from tasks.steps import step

ROUTES = ("predict", "infer")
# A pod that ends while it is asked is no fault of the model; one that never answers is.
SILENCES = 3


class Tally(BaseModel, frozen=True):
    """Answers to applicants' requests.

    Attributes:
        requests: how many.
        errors: how many of them were 5xx.
        buckets: how many took at most so many seconds, cumulative.
    """

    requests: float = 0.0
    errors: float = 0.0
    buckets: dict[float, float] = {}

    def __add__(self, other: "Tally") -> "Tally":
        """Return both together."""
        return self._with(other, 1.0)

    def __sub__(self, other: "Tally") -> "Tally":
        """Return what has come since `other`."""
        return self._with(other, -1.0)

    def _with(self, other: "Tally", sign: float) -> "Tally":
        limits = self.buckets.keys() | other.buckets.keys()
        return Tally(
            requests=self.requests + sign * other.requests,
            errors=self.errors + sign * other.errors,
            buckets={limit: self.buckets.get(limit, 0.0) + sign * other.buckets.get(limit, 0.0) for limit in limits},
        )

    def error_rate(self) -> float:
        """Return the share of 5xx answers; 0 where nothing was asked."""
        return self.errors / self.requests if self.requests else 0.0

    def percentile_ms(self, share: float) -> float:
        """Return a percentile of the latency in ms, linear within a bucket as Prometheus' `histogram_quantile`.

        Beyond the last finite limit it is that limit.
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
    """Return when a server was started (which tells its pods apart) and what it has answered since."""
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
    """What a revision has answered since the meter was made; its pods are told apart by when they started.

    Args:
        url: tag URL of the revision; None: nothing is ever read.
    """

    def __init__(self, url: str | None) -> None:
        self.url = url
        self._first: dict[float, Tally] = {}
        self._last: dict[float, Tally] = {}
        self._silences = 0

    def read(self) -> Tally:
        """Ask whichever pod answers for its counters; return what is known of all of them.

        Raises:
            ReleaseError: no answer several times in a row.
        """
        if self.url is not None:
            try:
                with Endpoint(self.url) as server:
                    started, tally = read_tally(server.metrics())
            except ReleaseError:
                self._silences += 1
                if self._silences >= SILENCES:
                    raise
            else:
                self._silences = 0
                self._first.setdefault(started, tally)
                self._last[started] = tally
        return _sum(self._last[pod] - self._first[pod] for pod in self._last)


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total += tally
    return total


def fault(challenger: Tally, champion: Tally, limits: ReleaseLimits) -> str | None:
    """Return what is wrong with a challenger under traffic, None where nothing is.

    Few requests are judged as if they were `min_requests` without further errors, and their latency is not judged.
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
        return f"p99 is {slow:.1f} ms where the champion's is {usual:.1f} ms; {limits.max_slowdown:g} times is allowed"
    return None


@step
def watch(rollout: Rollout, percent: int, limits: ReleaseLimits, before: Tally | None) -> Tally:
    """Watch a step of traffic; return what the champion has answered in it.

    Args:
        rollout: the release.
        percent: the challenger's share now.
        limits: how long, and what is put up with.
        before: what the champion answered in earlier steps: at 100 % it has no URL of its own any more.

    Raises:
        ReleaseError: too many errors, too slow, or no counters to be had.
    """
    service = kserve.read(rollout.service) or {}
    challenger = Meter(kserve.latest_url(service))
    champion = Meter(kserve.previous_url(service, rollout.previous_revision))
    seconds = settings().release_dwell_seconds if limits.dwell_seconds is None else limits.dwell_seconds
    deadline = time.monotonic() + seconds
    while True:
        seen, usual = challenger.read(), (before or Tally()) + champion.read()
        if wrong := fault(seen, usual, limits):
            raise ReleaseError(f"{rollout.service} at {percent} %: {wrong}")
        left = deadline - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(left, settings().poll_seconds, 2.0))
    _tell(percent, seconds, seen, usual, limits)
    return usual


def _tell(percent: int, seconds: float, seen: Tally, usual: Tally, limits: ReleaseLimits) -> None:
    few = min(seen.requests, usual.requests) < limits.min_requests
    get_run_logger().info(
        "%d %% for %.0f s: %.0f answers, %.0f errors, p99 %.1f ms; champion %.0f, %.0f, %.1f ms%s",
        *(percent, seconds, seen.requests, seen.errors, seen.percentile_ms(0.99)),
        *(usual.requests, usual.errors, usual.percentile_ms(0.99)),
        f" (fewer than {limits.min_requests} requests: latency not judged)" if few else "",
    )
