"""Releases of bad models, of a good one under load, and releases killed at random moments. `make soak-releases`."""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from prefect.client.orchestration import SyncPrefectClient

from benchmarks.soak.knobs import KNOBS, Knob, drop, order, slow_loops
from sandbox.flow_runs import now
from sandbox.stack import Sandbox
from tests.e2e import portfolio
from tests.e2e.load import Load
from tests.e2e.models import register_twin
from tests.e2e.processes import mentioning, with_variable
from tests.e2e.runs import Runs, eventually
from tests.e2e.world import World

ROWS = 4_000
SECONDS_TO_KILL_IN = 14.0
QUIET = {"max_slowdown": 20.0, "tolerated_ms": 250.0}  # two cores run everything: only `slow` tests latency


class BadChallenger(NamedTuple):
    """A challenger that the release must reject.

    Attributes:
        fault: a fault of `tests/e2e/faulty_server.py`; `{half}` is a rate between 10 and 50 % of the load.
        reason: text that the failed run's message must contain.
        silent: whether clients must not see any error.
        limits: limits of the release.
    """

    fault: str
    reason: str
    silent: bool
    limits: dict[str, Any]


BAD = {
    "a crashes on load": BadChallenger("crash", "does not load", True, QUIET),
    "b answers 500": BadChallenger("errors", "500", False, QUIET),
    "c answers wrong PDs": BadChallenger("wrong 0.001", "golden applicant", False, QUIET),
    "d is ten times as slow": BadChallenger("slow 0.05", "times is allowed", False, {"dwell_seconds": 3.0}),
    "e reports another version": BadChallenger("", "version", True, QUIET),
    "f never becomes ready": BadChallenger("hang", "not reached within", True, {**QUIET, "ready_seconds": 12.0}),
    "g fails only at 50 %": BadChallenger("busy {half:.0f}", "at 50 %", False, {**QUIET, "dwell_seconds": 5.0}),
}


def report(name: str, fine: bool, detail: object) -> bool:
    """Print one result and return whether it is good."""
    print(f"{'ok' if fine else 'NOT OK':<7}{name}: {detail}", flush=True)
    return fine


class Soak:
    """The scenarios, run against one sandbox.

    Args:
        world: The sandbox, with a serving champion.
        rate: Requests per second from clients.
        moments: Source of the random moments.
    """

    def __init__(self, world: World, rate: float, moments: random.Random) -> None:
        self._world = world
        self._rate = rate
        self._moments = moments

    def bad(self, name: str, case: BadChallenger) -> bool:
        """Release a bad challenger under load; the champion and its clients must not be affected."""
        world, champion = self._world, self._world.serving()
        spec = world.isvc()["spec"]["predictor"]
        champions = self._revisions_of(champion)
        stand_in = champion if name.startswith("e ") else ""
        version = register_twin(world, fault=case.fault.format(half=0.3 * self._rate), stand_in=stand_in)
        with Load(world, self._rate) as load:
            run = world.runs.run("release", portfolio=portfolio.NAME, version=version, limits=case.limits)
        message = str(run.state.message) if run.state else ""
        champions |= self._revisions_of(champion)
        challengers = {name for name in load.failures if name.startswith("credit-model-") and name not in champions}
        fine = run.state is not None and run.state.is_failed() and case.reason in message
        fine &= world.serving() == champion and world.isvc()["spec"]["predictor"] == spec and world.leftovers() == {}
        fine &= set(load.failures) == challengers and not (case.silent and load.failures)
        shown = f"{load.rate:.0f}/s, {load.answers.total()} answers, failures {dict(load.failures)}; {message[:160]!r}"
        return report(name, fine, shown)

    def _revisions_of(self, version: str) -> set[str]:
        return {revision for revision, held in self._world.versions_by_revision().items() if held == version}

    def good(self) -> bool:
        """Release a good challenger under load; no request may be lost."""
        version = register_twin(self._world)
        with Load(self._world, self._rate) as load:
            self._world.runs.completed("release", portfolio=portfolio.NAME, version=version, limits=QUIET)
        fine = not load.failures and self._world.serving() == version and len(load.answers) == 2
        return report(
            "a good release", fine, f"{load.rate:.0f}/s, {dict(load.answers)}, failures {dict(load.failures)}"
        )

    def awkward(self, name: str, knob: Knob) -> bool:
        """Release a good challenger while the cluster is awkward; it ends well, or it is settled by the next one."""
        world, champion, version = self._world, self._world.serving(), register_twin(self._world)
        with Load(world, self._rate) as load:
            order(world, knob)
            run = world.runs.run("release", portfolio=portfolio.NAME, version=version, limits=QUIET)
            drop(world)
        message = str(run.state.message) if run.state else "no state"
        ended = run.state is not None and (run.state.is_failed() if knob.refused else run.state.is_completed())
        fine = ended and knob.refused in message and load.failures.total() <= knob.lost
        if knob.refused:
            options = {"foreign_change": "take over", "limits": QUIET}
            world.runs.completed("release", portfolio=portfolio.NAME, version=version, **options)
        fine &= world.serving() == version and world.leftovers() == {} and set(load.answers) <= {champion, version}
        return report(name, fine, f"{load.answers.total()} answers, failures {dict(load.failures)}; {message[:120]!r}")

    def kills(self, number: int) -> bool:
        """Kill `number` releases at random moments; the release after each kill must succeed."""
        died, fine = 0, True
        versions = [register_twin(self._world) for _ in range(2)]
        while died < number:
            version = next(v for v in versions if v != self._world.serving())
            moment, alive = self._kill(version)
            died += alive
            self._world.runs.completed("release", portfolio=portfolio.NAME, version=version, limits=QUIET)
            one = self._deviations(version)
            fine &= one == {} or report("after a kill", False, one)
            print(f"       killed {moment:4.1f} s after its start{'' if alive else ' (it had ended)'}", flush=True)
        return report(f"{died} kills", fine, "each time one version at 100 %, one revision's process, no leftovers")

    def _kill(self, version: str) -> tuple[float, bool]:
        run = self._world.runs.start("release", portfolio=portfolio.NAME, version=version, limits=QUIET)
        mark = ("PREFECT__FLOW_RUN_ID", str(run))
        eventually(lambda: with_variable(*mark), "the flow's process", seconds=90)
        moment = self._moments.uniform(0.0, SECONDS_TO_KILL_IN)
        time.sleep(moment)
        for process in with_variable(*mark):
            process.kill()
        state = self._world.runs.end(run).state
        return moment, state is not None and state.is_crashed()

    def _deviations(self, version: str) -> dict[str, Any]:
        """Return the deviations from the expected state after a successful release of a version."""
        wrong = dict(self._world.leftovers())
        if self._world.serving() != version:
            wrong["serving"] = self._world.serving()
        deadline = time.monotonic() + 20
        while (loaded := self._world.loaded()) != [version] and time.monotonic() < deadline:
            time.sleep(0.5)
        return wrong | ({"processes": loaded} if loaded != [version] else {})


def prepare(world: World) -> None:
    """Release a first champion to the endpoint."""
    since = now()
    rows = portfolio.applicants(ROWS, first_id=1, seed=11)
    uri = world.put(f"import/{portfolio.NAME}/applications/only.csv", portfolio.as_csv(rows))
    world.runs.completed("ingest", uri=uri, retrain=False)
    world.runs.completed("train", portfolio=portfolio.NAME)
    world.runs.triggered("release", since)
    world.runs.quiet()


def within(state: Path, scenario: Callable[[World], bool]) -> bool:
    """Run a scenario on a sandbox whose serve image can simulate faults."""
    state.mkdir()
    images = state / "images.json"
    images.write_text(json.dumps({"credit-serve": [sys.executable, "-m", "tests.e2e.faulty_server"]}))
    os.environ["SANDBOX_IMAGES"] = str(images)
    with Sandbox(state) as sandbox, SyncPrefectClient(sandbox.environment["PREFECT_API_URL"]) as client:
        world = World(state, sandbox.environment, Runs(client))
        prepare(world)
        return scenario(world)


def _chosen(numbers: str) -> list[str]:
    first, _, last = numbers.partition("-")
    return list(KNOBS)[int(first) : int(last or first) + 1] if numbers else []


def main() -> int:
    """Run the scenarios and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.releases", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--cases", default="abcdefg+", help="letters of the bad challengers; + for the good one")
    parser.add_argument("--knobs", default="0-99", help="numbers of the cluster's faults, as 0-3; empty for none")
    parser.add_argument("--delay", type=float, help="seconds that each control loop waits before a round")
    parser.add_argument("--seed", type=int, default=int(datetime.now(UTC).timestamp()), help="seed of the moments")
    options = parser.parse_args()

    def scenario(world: World) -> bool:
        soak = Soak(world, options.rate, random.Random(options.seed))
        results = [soak.bad(name, case) for name, case in BAD.items() if name[0] in options.cases]
        results += [soak.good()] if "+" in options.cases else []
        results += [soak.awkward(name, KNOBS[name]) for name in _chosen(options.knobs)]
        results += [soak.kills(options.kills)] if options.kills else []
        return all(results)

    os.environ.update(slow_loops(options.delay) if options.delay else {})
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        fine = within(state, scenario)
        eventually(lambda: not mentioning(str(state)), "no process left by the sandbox", seconds=30)
    print(f"seed {options.seed}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
