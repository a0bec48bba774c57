"""A challenger under traffic is judged by what the servers count, pod by pod, and only where there is enough of it."""

import bisect
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from images.serve.metrics import SECONDS, Metrics
from tasks.errors import ReleaseError
from tasks.release.canary import Meter, Tally, fault, read_tally
from tasks.release.endpoint import percentile
from tasks.release.limits import ReleaseLimits
from tasks.settings import Settings

pytestmark = pytest.mark.integration

LIMITS = ReleaseLimits(max_error_rate=0.01, max_slowdown=3.0, tolerated_ms=10.0, min_requests=100)
LATENCIES = st.lists(st.floats(0.0001, 2.4), min_size=1, max_size=300)


def server_text(answers: list[tuple[str, int, float]], started: float = 1.0) -> str:
    """The text of the real server's own counters."""
    metrics, registry = Metrics([], version="v1", unknown=Counter()), CollectorRegistry()
    for route, status, seconds in answers:
        metrics.add_request(route, status, seconds)
    registry.register(metrics)
    return (
        generate_latest(registry).decode()
        + f"# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {started}\n"
    )


def tally(requests: int, errors: int = 0, seconds: float = 0.002) -> Tally:
    answers = [("predict", 200, seconds)] * (requests - errors) + [("predict", 500, seconds)] * errors
    return read_tally(server_text(answers))[1]


@given(LATENCIES, st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(latencies, share):
    _, seen = read_tally(server_text([("predict", 200, value) for value in latencies]))
    true = float(np.percentile(latencies, 100 * share, method="inverted_cdf"))
    place = bisect.bisect_left(SECONDS, true)
    limits = [0.0, *SECONDS]
    assert 1e3 * limits[place] <= seen.percentile_ms(share) <= 1e3 * limits[place + 1] * (1 + 1e-9)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_percentiles_of_times_are_numpys(values, share):
    assert percentile(values, share) == np.percentile(values, 100 * share, method="inverted_cdf")


def test_only_answers_to_applicants_count_and_only_5xx_are_errors():
    answers = [("predict", 200, 0.01), ("infer", 503, 0.01), ("predict", 422, 0.01), ("metadata", 500, 9.0)]
    started, seen = read_tally(server_text(answers, started=17.5))
    assert (started, seen.requests, seen.errors, seen.buckets[float("inf")]) == (17.5, 3, 1, 3)


@pytest.mark.parametrize(
    ("challenger", "champion", "words"),
    [
        (tally(1000, 10), tally(1000), None),
        (tally(1000, 11), tally(1000), "11 of 1000 answers are 5xx"),
        (tally(1000, 40), tally(1000, 35), None),  # it is not the challenger
        (tally(5, 1), tally(500), None),
        (tally(5, 2), tally(500), "2 of 5"),
        (tally(200, seconds=0.04), tally(200), "p99"),
        (tally(50, seconds=0.04), tally(200), None),
        (tally(200, seconds=0.04), tally(0), None),
        (tally(200, seconds=0.009), tally(200, seconds=0.0009), None),  # fast enough anyway
        (Tally(), Tally(), None),
    ],
)
def test_what_is_a_fault(challenger, champion, words):
    found = fault(challenger, champion, LIMITS)
    assert found is None if words is None else words in str(found)


class Pods:
    """Several pods behind one URL, which answer in turn."""

    def __init__(self) -> None:
        self.texts: list[str | None] = []
        pods = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = pods.texts.pop(0)
                self.send_response(200 if text else 503)
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def pods() -> Iterator[Pods]:
    pods = Pods()
    thread = Thread(target=pods.server.serve_forever)
    thread.start()
    yield pods
    pods.server.shutdown()
    pods.server.server_close()
    thread.join()


def answered(number: int, started: float) -> str:
    return server_text([("predict", 200, 0.001)] * number, started)


def test_a_pod_that_restarts_hides_no_answers(pods: Pods, platform: Settings):
    assert platform
    later = time.time() + 60
    pods.texts = [answered(100, 1.0), answered(50, later), answered(50, later + 1)]
    meter = Meter(pods.url)
    assert [meter.read().requests for _ in range(3)] == [0, 50, 100]


def test_pods_are_told_apart_and_counted_from_the_first_look(pods: Pods, platform: Settings):
    assert platform
    pods.texts = [answered(100, 1.0), answered(7, 2.0), answered(130, 1.0), answered(9, 2.0)]
    meter = Meter(pods.url)
    assert [meter.read().requests for _ in range(4)] == [0, 0, 30, 32]


def test_a_server_may_be_silent_for_a_moment_and_not_for_long(pods: Pods, platform: Settings):
    assert platform
    pods.texts = [answered(1, 1.0), None, None, answered(4, 1.0), None, None, None]
    meter = Meter(pods.url)
    assert [meter.read().requests for _ in range(6)] == [0, 0, 0, 3, 3, 3]
    with pytest.raises(ReleaseError, match="answers 503"):
        meter.read()
