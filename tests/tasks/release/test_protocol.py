"""The protocol of a release holds whatever the cluster does between two of its requests.

The real code of `tasks/release` runs against KServe's and Knative's control loops in simulated time. Whatever the
latencies, crashes and lost answers: no version that has not passed its tests gets traffic, and in the end one version
has all of it, which was the champion or has passed every step. `make prove-release` takes many more examples.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sandbox.kubernetes.control.loops import Loops
from tasks.release.inference_service import version_in
from tasks.release.status import CANARY
from tests.tasks.release.simulation import EDITS, Behaviour, Cluster, Fault, World, world

pytestmark = pytest.mark.slow

LATENCIES = (0.05, 0.15, 0.35, 0.5, 0.75, 1.0, 1.5)
STARTS = (4.0, 12.0, 20.0)
CHALLENGERS = {
    "good": Behaviour(),
    "wrong": Behaviour(right=False),
    "crashes": Behaviour(loads=False),
    "fails at 10 %": Behaviour(fails_at=10),
    "fails at 100 %": Behaviour(fails_at=100),
    "starts slowly": Behaviour(start_seconds=25.0),
}
# A release reads the service, reads it again, and patches it.
FIRST_PATCH = 2
THOROUGH = os.environ.get("RELEASE_PROOF") == "thorough"
FAULTS = ("lost", "busy", "killed before", "killed after")


def delays(seconds: float) -> dict[str, float]:
    return dict.fromkeys(Loops.NAMES, seconds)


def assert_at_rest(cluster: Cluster, here: World, *versions: str) -> None:
    """Check that nothing is under way, and that one of the versions has the spec and all the traffic."""
    cluster.settle()
    assert exposed(cluster, here) == []
    assert cluster.documents == {}
    assert list(cluster.serving().values()) == [100]
    [serving] = cluster.serving()
    assert serving in versions
    assert version_in(cluster.spec()) == serving
    assert CANARY not in cluster.spec()
    assert serving in here.passed


def exposed(cluster: Cluster, here: World) -> list[tuple[float, str, str, int]]:
    """Return who had traffic without having passed the smoke test."""
    return [seen for seen in cluster.exposed if seen[2] not in here.tested]


def interrupted(
    challenger: Behaviour, latency: float, start: float, fault: Fault, request_seconds: float = 0.01
) -> int:
    """Release a champion, then a challenger with a fault at one of its requests, then settle what is left.

    Returns:
        The number of requests of the challenger's release.
    """
    behaviours = {"champion": Behaviour(start_seconds=start), "challenger": challenger}
    cluster = Cluster(behaviours, delays(latency), request_seconds=request_seconds)
    with world(cluster, behaviours) as here:
        assert here.release("champion") == "released"
        cluster.settle(10)
        cluster.exposed.clear()
        first = cluster.requests
        cluster.faults = {first + fault.number: fault.kind}
        done, sent = here.release("challenger"), cluster.requests - first
        settled = here.settle()
        ended = done == "released" or "already finished" in settled
        assert_at_rest(cluster, here, "challenger" if ended else "champion")
        assert not ended or (challenger.right and challenger.loads and challenger.fails_at is None)
    return sent


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("latency", LATENCIES)
def test_a_lost_answer_to_the_first_patch_gives_an_untested_version_no_traffic(latency, start):
    for name in ("good", "wrong") if THOROUGH else ("wrong",):
        interrupted(CHALLENGERS[name], latency, start, Fault(FIRST_PATCH, "lost"))


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", CHALLENGERS if THOROUGH else ("good", "wrong", "fails at 100 %"))
def test_a_release_survives_a_fault_at_any_request(name, kind):
    """Take every request, or in `make test` some, others for each challenger and each fault."""
    every = 1 if THOROUGH else 67
    number = (7 * list(CHALLENGERS).index(name) + 3 * FAULTS.index(kind)) % every
    for seconds in (0.01, 0.3) if THOROUGH else (0.01 if number % 2 else 0.3,):
        at, sent = number, number + 1
        while at < sent:
            sent = interrupted(CHALLENGERS[name], 0.35, 12.0, Fault(at, kind), seconds)
            at += every


VERSIONS = ("first", "second", "third")
REST = 30.0


class Releases(RuleBasedStateMachine):
    """Releases, rollbacks, settlements, crashes, lost answers and loops that are away, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: Any = None

    @initialize(
        latencies=st.tuples(*[st.sampled_from(LATENCIES) for _ in Loops.NAMES]),
        start=st.sampled_from(STARTS),
        second=st.sampled_from(list(CHALLENGERS.values())),
        third=st.sampled_from(list(CHALLENGERS.values())),
    )
    def begin(self, latencies, start, second, third) -> None:
        behaviours = {"first": Behaviour(start_seconds=start), "second": second, "third": third}
        self.cluster = Cluster(behaviours, dict(zip(Loops.NAMES, latencies, strict=True)))
        self.stack = world(self.cluster, behaviours)
        self.here = self.stack.__enter__()
        self.behaviours = behaviours
        assert self.here.release("first") == "released"

    def arm(self, faults) -> None:
        self.cluster.faults = {self.cluster.requests + number: kind for number, kind in faults}

    some_faults = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(FAULTS)), max_size=2)

    @rule(version=st.sampled_from(VERSIONS), faults=some_faults)
    def release(self, version, faults) -> None:
        self.arm(faults)
        self.here.release(version)
        self.cluster.faults = {}

    @rule(version=st.sampled_from(VERSIONS), at=st.integers(0, 60), edit=st.sampled_from(list(EDITS)))
    def disturbed_release(self, version, at, edit) -> None:
        """Somebody else edits the service in mid-release; a run that takes over gets on."""
        self.arm([(at, edit)])
        self.here.release(version)
        self.cluster.faults = {}
        assert "changed by another writer" not in self.here.release(version, foreign_change="take over")

    @rule(version=st.sampled_from(VERSIONS), faults=some_faults)
    def rollback(self, version, faults) -> None:
        self.arm(faults)
        self.here.rollback(version)
        self.cluster.faults = {}

    @rule(faults=some_faults)
    def settle(self, faults) -> None:
        self.arm(faults)
        self.here.settle()
        self.cluster.faults = {}

    @rule(loop=st.sampled_from(Loops.NAMES), seconds=st.sampled_from([2.0, 8.0, 30.0]))
    def away(self, loop, seconds) -> None:
        self.cluster.away(loop, seconds)

    @rule(seconds=st.sampled_from([0.3, 1.0, 5.0, 30.0]))
    def wait(self, seconds) -> None:
        self.cluster.settle(seconds)

    @invariant()
    def no_untested_version_has_traffic(self) -> None:
        if self.stack:
            assert exposed(self.cluster, self.here) == []

    def teardown(self) -> None:
        if self.stack is None:
            return
        try:
            self.cluster.settle(REST)
            self.here.settle()
            assert_at_rest(self.cluster, self.here, *VERSIONS)
        finally:
            STEPS.append(self.cluster.steps)
            self.stack.__exit__(None, None, None)


STEPS: list[int] = []
TestReleases = Releases.TestCase
TestReleases.settings = settings(
    max_examples=2000 if THOROUGH else 3,
    stateful_step_count=6,
    deadline=None,
    derandomize=not THOROUGH,
    suppress_health_check=list(HealthCheck),
)
