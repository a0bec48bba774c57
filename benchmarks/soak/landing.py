"""Fifty files within a minute: each is ingested once, and one training covers all of them. `make soak-landing`."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun
from prefect.types import DateTime

from sandbox import estate
from sandbox.stack import Sandbox

PORTFOLIO = "case"
ROWS_A_FILE = 200
DROPPING_SECONDS = 60.0
DEADLINE_SECONDS = 1_200.0
FLOWS = ("ingest", "train", "release")


class Platform:
    """The sandbox: files dropped into it, and the state read back from it."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client
        self._s3: Any = boto3.client("s3")
        self._sagemaker: Any = boto3.client("sagemaker")

    def drop(self, name: str, content: bytes) -> None:
        """Write a file under landing/."""
        key = f"landing/{PORTFOLIO}/applications/{name}"
        self._s3.put_object(Bucket=estate.BUCKET, Key=key, Body=content)

    def runs(self, flow: str, since: DateTime) -> list[FlowRun]:
        """Return the flow runs that events have started since then."""
        asked = FlowRunFilter(expected_start_time=FlowRunFilterExpectedStartTime(after_=since))
        named = DeploymentFilter(name=DeploymentFilterName(any_=[flow]))
        found: list[FlowRun] = self._client.read_flow_runs(flow_run_filter=asked, deployment_filter=named, limit=200)
        return [run for run in found if not run.auto_scheduled]

    def await_all(self, files: int, since: DateTime) -> None:
        """Wait until every file's ingest run has ended and no other run is running or pending."""
        deadline, calm = time.monotonic() + DEADLINE_SECONDS, 0
        while calm < 5:
            runs = {flow: self.runs(flow, since) for flow in FLOWS}
            ended = all(run.state and run.state.is_final() for found in runs.values() for run in found)
            calm = calm + 1 if ended and len(runs["ingest"]) >= files else 0
            if time.monotonic() > deadline:
                raise SystemExit(f"not all runs ended within {DEADLINE_SECONDS:.0f} s")
            time.sleep(2)

    def ledger(self) -> list[dict[str, Any]]:
        """Return the ledger entries of the ingested files."""
        listed = self._s3.list_objects_v2(Bucket=estate.BUCKET, Prefix=f"ledger/{PORTFOLIO}/").get("Contents", [])
        return [self._json(item["Key"]) for item in listed]

    def jobs(self) -> list[str]:
        """Return the names of all training jobs."""
        return [job["TrainingJobName"] for job in self._sagemaker.list_training_jobs()["TrainingJobSummaries"]]

    def files_trained_on(self) -> int:
        """Return the number of files in the largest snapshot."""
        pages = self._s3.list_objects_v2(Bucket=estate.BUCKET, Prefix="snapshots/").get("Contents", [])
        manifests = [self._json(item["Key"]) for item in pages if item["Key"].endswith("/manifest.json")]
        sets = [{values[-1] for values in manifest["ingested_files"]["applications"]} for manifest in manifests]
        return max(map(len, sets), default=0)

    def _json(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._s3.get_object(Bucket=estate.BUCKET, Key=key)["Body"].read())
        return document


def simulated(files: int, folder: Path) -> Iterator[bytes]:
    """Yield files of simulated applications with outcomes; each covers every month."""
    whole = folder / "all.csv"
    rows = ["--rows", str(files * ROWS_A_FILE), "--months", "12"]
    subprocess.run([sys.executable, "-m", "credit_model", "simulate", str(whole), *rows], check=True)
    header, *lines = whole.read_bytes().splitlines(keepends=True)
    for number in range(files):
        yield header + b"".join(lines[number::files])


def soak(platform: Platform, files: list[bytes]) -> bool:
    """Drop the files, wait, and print the checks; return whether all hold."""
    since, started = DateTime.now("UTC"), time.monotonic()
    for number, content in enumerate(files):
        time.sleep(max(0.0, started + number * DROPPING_SECONDS / len(files) - time.monotonic()))
        platform.drop(f"{number:03d}.csv", content)
    dropped = time.monotonic() - started
    platform.await_all(len(files), since)
    ingests, ledger = platform.runs("ingest", since), platform.ledger()
    checks = {
        "files dropped": (len(files), len(files)),
        "ingest runs completed": (sum(bool(run.state and run.state.is_completed()) for run in ingests), len(files)),
        "files in the ledger, each once": (len({entry["source"]["uri"] for entry in ledger}), len(files)),
        "rows in the lake": (sum(entry["accepted"] for entry in ledger), len(files) * ROWS_A_FILE),
        "training jobs": (len(platform.jobs()), 1),
        "files that the model was trained on": (platform.files_trained_on(), len(files)),
    }
    for name, (seen, wanted) in checks.items():
        print(f"{'ok' if seen == wanted else 'NOT OK':<7}{name}: {seen} of {wanted}")
    for flow in FLOWS:
        states = Counter(run.state.name for run in platform.runs(flow, since) if run.state)
        print(f"       runs of {flow}: {dict(states)}")
    print(f"dropped in {dropped:.0f} s, all ended {time.monotonic() - started:.0f} s after the first file")
    return all(seen == wanted for seen, wanted in checks.values())


def main() -> int:
    """Run the scenario and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak.landing", description=__doc__)
    parser.add_argument("--files", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = list(simulated(options.files, Path(folder)))
        with (
            Sandbox(Path(folder) / "state") as sandbox,
            SyncPrefectClient(sandbox.environment["PREFECT_API_URL"]) as client,
        ):
            return 0 if soak(Platform(client), files) else 1


if __name__ == "__main__":
    sys.exit(main())
