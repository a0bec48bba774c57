"""Every trigger of prefect.yaml and a person's approval start their flow; a burst of files starts one training."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.types import DateTime

from sandbox.flow_runs import now
from tests.e2e import portfolio
from tests.e2e.models import register_twin
from tests.e2e.runs import eventually
from tests.e2e.world import GROUP, World

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/credit-uci-credit-card/7777"
LANDING = f"landing/{portfolio.NAME}/applications"
IMPORT = f"import/{portfolio.NAME}/applications"
# Gate limits that pass a model that is neither better nor worse.
LENIENT = {
    "margin": 1, "min_gain": -1, "max_slope_error": 99, "max_in_the_large": 99, "max_psi": 99,
    "max_swap_excess": 1, "max_profit_loss": 99,
}  # fmt: skip
pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(900)]

RETRAIN = {"prefect.resource.id": f"credit.portfolio.{portfolio.NAME}", "credit.retrain": "true"}
FILE = f"{LANDING}/none.csv"
TRIGGERS = {
    "landing object": (
        "credit.landing.object_created",
        {"prefect.resource.id": f"s3://b/{FILE}"},
        {"bucket": "b", "key": FILE, "version_id": "v1"},
        "ingest",
        {"uri": f"s3://b/{FILE}", "version_id": "v1"},
    ),
    "new outcomes": ("credit.data.ingested", RETRAIN, {"portfolio": "case"}, "train", {"portfolio": "case"}),
    "drift": ("credit.drift.detected", RETRAIN, {"portfolio": "case"}, "train", {"portfolio": "case"}),
    "model approved": (
        "credit.model.approved",
        {"prefect.resource.id": ARN, "credit.group": GROUP},
        {"group": GROUP, "package": ARN, "approved_at": "2026-10-01T09:00:00Z"},
        "release",
        {"portfolio": portfolio.NAME, "version": ARN, "approved_at": "2026-10-01T09:00:00Z"},
    ),
}


def emit(world: World, name: str, resource: dict[str, str], payload: dict[str, Any], at: DateTime) -> None:
    """Send an event with labels on its resource, as EventBridge does."""
    world.event(name, resource, {"id": str(uuid.uuid4()), "occurred": at.isoformat(), **payload})


def drop(world: World, place: str, first_id: int, number: int) -> str:
    """Upload a file of new applicants with their outcomes."""
    content = portfolio.as_csv(portfolio.applicants(number, first_id=first_id, seed=first_id))
    return world.put(f"{place}/{uuid.uuid4().hex}.csv", content)


def approve(world: World, version: str) -> str:
    """Approve a model as a person does; return the ARN of its package."""
    arn: str = world.models()[version]["ModelPackageArn"]
    world.aws("sagemaker").update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="looked at the report"
    )
    return arn


def cancelled_run(world: World, deployment: str, since: DateTime) -> FlowRun:
    """Wait for the run that an event created since then, and cancel it before it starts."""
    (run,) = eventually(lambda: world.runs.since(deployment, since), f"a run of {deployment}")
    world.runs.cancel(run.id)
    assert world.runs.end(run.id).state.is_cancelled()
    return run


def assert_trigger_starts_its_deployment(world: World, trigger: str) -> None:
    """Send a trigger's event and check that it creates a run with the right parameters."""
    event, resource, payload, deployment, parameters = TRIGGERS[trigger]
    since = now()
    with world.work_pool_paused():
        emit(world, event, resource, payload, since)
        run = cancelled_run(world, deployment, since)
    assert run.parameters.items() >= parameters.items()
    assert set(run.tags) >= {"credit", "stage:sandbox"}


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_trigger_starts_its_deployment_with_its_parameters(quiet_world: World, trigger: str) -> None:
    assert_trigger_starts_its_deployment(quiet_world, trigger)


@pytest.mark.parametrize("trigger", ["new outcomes", "drift"])
def test_an_event_without_the_retrain_label_starts_no_training(quiet_world: World, trigger: str) -> None:
    event, _, payload, deployment, _ = TRIGGERS[trigger]
    since = now()
    emit(quiet_world, event, {**RETRAIN, "credit.retrain": "false"}, payload, since)
    with quiet_world.work_pool_paused():  # a second event that does start a run shows that the first was handled
        emit(quiet_world, event, RETRAIN, payload, since)
        cancelled_run(quiet_world, deployment, since)
    assert len(quiet_world.runs.since(deployment, since)) == 1


def test_a_persons_approval_starts_one_release(trained_world: World) -> None:
    world = trained_world
    champion = world.serving()
    drop_uri = drop(world, IMPORT, 4_000_001, 1_000)
    world.runs.completed("ingest", uri=drop_uri, retrain=False)
    before, known = now(), set(world.models())
    world.runs.completed("train", portfolio=portfolio.NAME, approval="manual", limits=LENIENT)
    (version,) = set(world.models()) - known
    assert world.models()[version]["ModelApprovalStatus"] == "PendingManualApproval"
    assert world.runs.since("release", before) == []
    arn, since = approve(world, version), now()
    release = world.runs.triggered("release", before)
    assert release.name == f"release {portfolio.NAME} package {arn.rsplit('/', 1)[-1]}"
    assert world.serving() == version != champion
    # The release updated its package, which is approved: that update must not start another release.
    approved_at = (since - timedelta(minutes=1)).isoformat()
    late = {"group": GROUP, "package": arn, "approved_at": approved_at}
    successor = register_twin(world)
    world.runs.completed("release", portfolio=portfolio.NAME, version=successor)
    moment = now()
    emit(world, "credit.model.approved", {"prefect.resource.id": arn, "credit.group": GROUP}, late, moment)
    world.runs.triggered("release", moment)
    assert world.serving() == successor
    # Three releases: after the approval, by hand, and after the late copy of the event.
    assert len(world.runs.since("release", before)) == 3


def test_schedules_make_runs(quiet_world: World) -> None:
    """Wait long enough for the server's scheduler, which runs once a minute."""

    def planned() -> set[str]:
        runs = quiet_world.runs.client.read_flow_runs(limit=200, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
        deployments = {run.deployment_id for run in runs if run.auto_scheduled}
        return {quiet_world.runs.client.read_deployment(one).name for one in deployments if one}

    eventually(lambda: planned() >= {"train", "score", "monitor"}, "a run of every schedule", seconds=150, pause=2)


def test_approving_a_package_of_another_group_starts_nothing(quiet_world: World) -> None:
    sagemaker, group, since = quiet_world.aws("sagemaker"), f"fraud-{uuid.uuid4().hex[:8]}", now()
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    sagemaker.create_model_package(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    # A second event that does start a run shows that the approval was handled.
    assert_trigger_starts_its_deployment(quiet_world, "landing object")
    assert quiet_world.runs.since("release", since) == []


def test_a_burst_of_files_starts_one_training(trained_world: World) -> None:
    world, since = trained_world, now()
    before = world.job_names()
    uris = [drop(world, LANDING, 5_000_001 + 1_000 * number, 40) for number in range(8)]
    eventually(lambda: len(world.runs.since("ingest", since)) == len(uris), "a run for each file", seconds=300)
    train = world.runs.triggered("train", since, seconds=420)
    world.runs.quiet()
    ingests = world.runs.since("ingest", since)
    assert sorted(run.parameters["uri"] for run in ingests) == sorted(uris)
    assert all(run.state.is_completed() for run in ingests)
    assert len(world.new_jobs(before)) == 1, train.name
    assert world.trained_files() >= {world.ledger(uri)["ingest_id"] for uri in uris}


def test_files_that_a_dead_run_left_are_trained_on_after_the_next_file(trained_world: World) -> None:
    """Ingest without retraining stands for a run that died before it could start the training."""
    world, since = trained_world, now()
    left = drop(world, IMPORT, 6_000_001, 150)
    world.runs.completed("ingest", uri=left, retrain=False)
    assert world.runs.since("train", since) == []
    drop(world, LANDING, 6_100_001, 3)
    world.runs.triggered("train", since)
    assert world.ledger(left)["ingest_id"] in world.trained_files()


def test_a_file_that_arrives_during_training_is_trained_on_next(trained_world: World) -> None:
    world = trained_world
    world.runs.completed("ingest", uri=drop(world, IMPORT, 7_000_001, 150), retrain=False)
    since, before = now(), world.job_names()
    world.runs.start("train", portfolio=portfolio.NAME, approval="manual")
    eventually(lambda: world.new_jobs(before), "a training under way", seconds=90)
    late = drop(world, LANDING, 7_100_001, 150)
    eventually(lambda: len(world.runs.since("train", since)) == 2, "a second training", seconds=90)
    world.runs.quiet()
    assert all(run.state.is_completed() for run in world.runs.since("train", since))
    assert len(world.new_jobs(before)) == 2
    assert world.ledger(late)["ingest_id"] in world.trained_files()
