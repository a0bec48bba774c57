"""Runs that survive two at once, a reclaimed spot instance and an abandoned job, and what a person sees of them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import FlowRun

from sandbox.stack import ROOT
from tests.e2e import portfolio
from tests.e2e.processes import with_variable
from tests.e2e.runs import eventually
from tests.e2e.world import World

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(400)]
MONTH = f"{datetime.now(UTC):%Y-%m}"


@dataclass(frozen=True)
class ConcurrentTrainings:
    """Two trainings on the same data that started at once, and the jobs and models before them."""

    runs: list[FlowRun]
    jobs_before: set[str]
    models_before: set[str]


@pytest.fixture(scope="module")
def trainings(world: World) -> ConcurrentTrainings:
    """Return the ended runs, shared by the tests that inspect them."""
    world.runs.quiet()
    jobs, models = world.job_names(), set(world.models())
    asked = {"portfolio": portfolio.NAME, "approval": "manual", "parameters": {"max_rounds": "41"}}
    started = [world.runs.start("train", **asked) for _ in range(2)]
    return ConcurrentTrainings([world.runs.end(run) for run in started], jobs, models)


def test_two_trainings_started_together_train_once(world: World, trainings: ConcurrentTrainings) -> None:
    jobs, models, ended = trainings.jobs_before, trainings.models_before, trainings.runs
    assert all(run.state.is_completed() for run in ended)
    assert {run.name for run in ended} == {f"train {portfolio.NAME} {MONTH}"}
    assert list(world.new_jobs(jobs).values()) == ["Completed"]
    assert len(set(world.models()) - models) == 1
    first, second = sorted((record(world, run) for run in ended), key=lambda one: -one["costs"]["usd"])
    assert first["outcome"]["model_version"] == second["outcome"]["model_version"]
    assert "earlier run" in second["costs"]["lines"][-1]["note"]
    assert first["costs"]["lines"][-1]["usd"] > 0


def record(world: World, run: FlowRun) -> dict[str, Any]:
    """Return the record of a run."""
    document: dict[str, Any] = json.loads(world.get(f"s3://{world.bucket}/runs/{run.name.split()[0]}/{run.id}.json"))
    return document


def test_a_person_sees_progress_costs_links_and_lineage(world: World, trainings: ConcurrentTrainings) -> None:
    train = max(trainings.runs, key=lambda run: record(world, run)["costs"]["usd"])
    score = world.runs.completed("score", portfolio=portfolio.NAME)
    chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[train.id, score.id]))
    shown = world.runs.client.read_artifacts(artifact_filter=chosen, limit=50)
    progress = [artifact.data for artifact in shown if artifact.type == "progress"]
    assert progress == [100.0, 100.0] or progress == [100.0]  # an earlier test may have scored the batch
    kinds = {artifact.key: artifact.type for artifact in shown if artifact.key}
    assert kinds.items() >= {
        ("costs-train-uci-credit-card", "table"),
        ("costs-score-uci-credit-card", "table"),
        ("model-uci-credit-card", "markdown"),
    }
    job = record(world, train)["outcome"]["job_name"]
    assert f"console.aws.amazon.com/sagemaker/home?region=eu-west-1#/jobs/{job}" in world.runs.artifact(
        train, "model-uci-credit-card"
    )
    lineage = {
        event["resource"]["prefect.resource.id"]: {
            one["prefect.resource.id"] for one in event["related"] if one["prefect.resource.role"] == "asset"
        }
        for event in asset_events(world)
    }
    of = f"credit://{portfolio.NAME}"
    assert lineage == {
        f"{of}/snapshot": {f"{of}/lake.applications"},
        f"{of}/model": {f"{of}/snapshot"},
        f"{of}/scores": {f"{of}/model", f"{of}/lake.applications"},
    }


def asset_events(world: World) -> list[dict[str, Any]]:
    """Return the materialization events of assets."""
    asked = {"filter": {"event": {"name": ["prefect.asset.materialization.succeeded"]}}, "limit": 50}
    answer = httpx.post(f"{world.environment['PREFECT_API_URL']}/events/filter", json=asked)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


def test_a_spot_training_continues_from_its_checkpoint(quiet_world: World) -> None:
    """Run the flow as a process with the setting; SIGTERM to the container stands for a spot interruption."""
    world = quiet_world
    before = world.job_names()
    patience = {"learning_rate": "0.01", "max_rounds": "600"}
    call = f"train({portfolio.NAME!r}, approval='manual', parameters={patience!r})"
    flow = subprocess.Popen(
        [sys.executable, "-c", f"from flows.train import train; {call}"],
        cwd=ROOT,
        env={**os.environ, **world.environment, "CREDIT_TRAIN_SPOT": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        (job,) = eventually(lambda: world.new_jobs(before), "a job in progress", seconds=90)
        folder = world.state / "aws" / "sagemaker" / "training-jobs" / job / "checkpoints"
        eventually(lambda: list(folder.glob("fold-*.checkpoint")), "a checkpoint", seconds=60, pause=0.05)
        for container in with_variable("TRAINING_JOB_NAME", job):
            container.terminate()
        assert flow.wait(180) == 0
    finally:
        flow.kill()
    described = world.aws("sagemaker").describe_training_job(TrainingJobName=job)
    assert "Interrupted" in [one["Status"] for one in described["SecondaryStatusTransitions"]]
    assert described["TrainingJobStatus"] == "Completed"
    log = world.aws("logs").filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job}/", filterPattern='"taken up"'
    )
    assert log["events"]


def test_the_next_training_with_other_settings_stops_an_abandoned_job(quiet_world: World) -> None:
    world = quiet_world
    before = world.job_names()
    endless = {"learning_rate": "0.0001", "max_rounds": "1000000", "early_stopping_rounds": "1000000"}
    first = world.runs.start("train", portfolio=portfolio.NAME, approval="manual", parameters=endless)
    (job,) = eventually(lambda: world.new_jobs(before), "a job in progress", seconds=90)
    for process in with_variable("PREFECT__FLOW_RUN_ID", str(first)):
        process.kill()
    assert world.runs.end(first).state.is_crashed()
    assert world.new_jobs(before) == {job: "InProgress"}
    second = world.runs.completed("train", portfolio=portfolio.NAME, approval="manual")
    eventually(lambda: world.new_jobs(before)[job] == "Stopped", "the job stopped")
    assert job in world.runs.artifact(second, "settled-uci-credit-card")
