"""Kill flows at random moments and run them again: the result must match undisturbed runs. `make soak-kills`."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from psutil import Process

from sandbox.flow_runs import now
from sandbox.stack import Sandbox
from tests.e2e import portfolio
from tests.e2e.processes import mentioning, with_variable
from tests.e2e.runs import Runs, eventually
from tests.e2e.world import World

ROWS = 4_000
FLOWS = ("ingest", "train", "score")
STARTED_SECONDS = 90.0
# A kill comes within this many seconds of the start of the flow's process.
MOMENTS = {"ingest": 8.0, "train": 40.0, "score": 25.0}


class Killer:
    """Starts flow runs and kills them.

    Args:
        world: The sandbox.
        moments: Source of the random moments.
    """

    def __init__(self, world: World, moments: random.Random) -> None:
        self._world = world
        self._moments = moments
        self.kills: list[tuple[str, float]] = []

    def kill(self, flow: str, parameters: dict[str, Any], number: int) -> None:
        """Kill `number` runs of one flow, starting a new run after each; the last run must succeed."""
        died = 0
        while died < number:
            died += self._kill_once(flow, parameters)
        self._world.runs.completed(flow, **parameters)

    def _kill_once(self, flow: str, parameters: dict[str, Any]) -> bool:
        """Start a run and kill its processes at a random moment; return whether it was still running."""
        run = self._world.runs.start(flow, **parameters)
        mark = ("PREFECT__FLOW_RUN_ID", str(run))
        eventually(lambda: with_variable(*mark), "the flow's process", seconds=STARTED_SECONDS)
        moment = self._moments.uniform(0.0, MOMENTS[flow])
        time.sleep(moment)
        victims = with_variable(*mark)
        for process in victims:
            process.kill()
        state = self._world.runs.end(run).state
        alive = bool(victims) and state is not None and state.is_crashed()
        if alive:
            self.kills.append((flow, moment))
            self._note(flow, run, moment)
        return alive

    def _note(self, flow: str, run: UUID, moment: float) -> None:
        lines = self._world.runs.log(run).count("Finished in state Completed")
        print(f"       killed {flow} {moment:4.1f} s after its start, {lines} steps done", flush=True)


def soak(world: World, kills: int, seed: int) -> bool:
    """Kill ingest, train and score in turn, then compare the state with that of undisturbed runs."""
    killer, since = Killer(world, random.Random(seed)), now()
    rows = portfolio.applicants(ROWS, first_id=1, seed=seed)
    uri = world.put(f"import/{portfolio.NAME}/applications/only.csv", portfolio.as_csv(rows))
    shares = {flow: kills // 3 + (place < kills % 3) for place, flow in enumerate(reversed(FLOWS))}
    killer.kill("ingest", {"uri": uri, "retrain": False}, shares["ingest"])
    killer.kill("train", {"portfolio": portfolio.NAME}, shares["train"])
    world.runs.triggered("release", since)
    killer.kill("score", {"portfolio": portfolio.NAME}, shares["score"])
    world.runs.quiet()
    checks = {"kills": (len(killer.kills), kills), **_checks(world, rows)}
    for name, (seen, wanted) in checks.items():
        print(f"{'ok' if seen == wanted else 'NOT OK':<7}{name}: {seen} (wanted {wanted})")
    return all(seen == wanted for seen, wanted in checks.values())


def _checks(world: World, rows: list[portfolio.Row]) -> dict[str, tuple[Any, Any]]:
    ids = sorted(str(row["ID"]) for row in rows)
    jobs = Counter(job["TrainingJobStatus"] for job in world.training_jobs())
    transforms = world.aws("sagemaker").list_transform_jobs()["TransformJobSummaries"]
    drawn, published = _batches(world, "batch.json"), _batches(world, "published.json")
    return {
        "files in the ledger": (len(world.keys("ledger/")), 1),
        "rows in the lake, each once": (_ids(world, f"lake/applications/portfolio={portfolio.NAME}/") == ids, True),
        "training jobs": (dict(jobs), {"Completed": 1}),
        "models": (len(world.models()), 1),
        "the model serves": (world.serving() in world.models(), True),
        "left by a release": (world.leftovers(), {}),
        "transform jobs": (dict(Counter(job["TransformJobStatus"] for job in transforms)), {"Completed": 1}),
        "days with scores": (len(_score_places(world)), 1),
        "scores, each applicant once": ([_ids(world, place) == ids for place in _score_places(world)], [True]),
        "batches drawn and not published": (drawn - published, set()),
        "processes of flows": (_flow_processes(world), []),
    }


def _flow_processes(world: World) -> list[str]:
    """Return the command lines of this sandbox's flow processes, not those of other sandboxes on the machine."""

    def flows() -> list[Process]:
        ours = with_variable("PREFECT_API_URL", world.environment["PREFECT_API_URL"])
        of_runs = {process.pid for process in with_variable("PREFECT__FLOW_RUN_ID")}
        return [process for process in ours if process.pid in of_runs]

    return _remaining(flows)


def _remaining(look: Callable[[], list[Process]], seconds: int = 20) -> list[str]:
    """Return the command lines of processes that do not end by themselves; a run ends before its process does."""
    for _ in range(seconds):
        if not look():
            return []
        time.sleep(1)
    return [" ".join(process.cmdline()) for process in look()]


def _ids(world: World, prefix: str) -> list[str]:
    uri = prefix if prefix.startswith("s3://") else f"s3://{world.bucket}/{prefix}"
    return sorted(world.parquet(uri)["application_id"].to_pylist())


def _score_places(world: World) -> list[str]:
    found = world.aws("glue").get_partitions(DatabaseName=world.environment["CREDIT_DATABASE"], TableName="scores")
    return [partition["StorageDescriptor"]["Location"] for partition in found["Partitions"]]


def _batches(world: World, name: str) -> set[str]:
    return {key.removesuffix(name) for key in world.keys("batch/") if key.endswith(f"/{name}")}


def _within(state: Path, scenario: Callable[[World], bool]) -> bool:
    # Not `get_client`: Prefect read its settings before the sandbox started, so it would start its own server.
    with Sandbox(state) as sandbox, SyncPrefectClient(sandbox.environment["PREFECT_API_URL"]) as client:
        return scenario(World(state, sandbox.environment, Runs(client)))


def main() -> int:
    """Run the scenario and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(datetime.now(UTC).timestamp()), help="seed of the moments")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        fine = _within(state, lambda world: soak(world, options.kills, options.seed))
        left = _remaining(lambda: mentioning(str(state)))
    print(f"{'NOT OK' if left else 'ok':<7}processes left by the sandbox: {left}")
    print(f"seed {options.seed}, {time.monotonic() - started:.0f} s")
    return 0 if fine and not left else 1


if __name__ == "__main__":
    sys.exit(main())
