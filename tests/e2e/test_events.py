"""Events start what they should: every trigger of prefect.yaml, approvals by a person, and bursts of files once."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from prefect.client.schemas.sorting import FlowRunSort
from prefect.types import DateTime

from tests.e2e import portfolio
from tests.e2e.models import register_twin
from tests.e2e.runs import eventually, now
from tests.e2e.test_training import new_jobs
from tests.e2e.world import GROUP, World

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/credit-uci-credit-card/7777"
LANDING = f"landing/{portfolio.NAME}/applications"
IMPORT = f"import/{portfolio.NAME}/applications"
# A gate that lets a model through which is neither better nor worse.
LENIENT = {
    "margin": 1, "min_gain": -1, "max_slope_error": 99, "max_in_the_large": 99, "max_psi": 99,
    "max_swap_excess": 1, "max_profit_loss": 99,
}  # fmt: skip
pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(900)]

LABELLED = {"prefect.resource.id": f"credit.portfolio.{portfolio.NAME}", "credit.retrain": "true"}
FILE = f"{LANDING}/none.csv"
FIRED = {
    "landing object": (
        "credit.landing.object_created",
        {"prefect.resource.id": f"s3://b/{FILE}"},
        {"bucket": "b", "key": FILE, "version_id": "v1"},
        "ingest",
        {"uri": f"s3://b/{FILE}", "version_id": "v1"},
    ),
    "new outcomes": ("credit.data.ingested", LABELLED, {"portfolio": "case"}, "train", {"portfolio": "case"}),
    "drift": ("credit.drift.detected", LABELLED, {"portfolio": "case"}, "train", {"portfolio": "case"}),
    "model approved": (
        "credit.model.approved",
        {"prefect.resource.id": ARN, "credit.group": GROUP},
        {"group": GROUP, "package": ARN, "approved_at": "2026-10-01T09:00:00Z"},
        "release",
        {"portfolio": portfolio.NAME, "version": ARN, "approved_at": "2026-10-01T09:00:00Z"},
    ),
}


def happen(world: World, name: str, resource: dict[str, str], payload: dict[str, Any], at: DateTime) -> None:
    """Send an event with labels on its resource."""
    world.event(name, resource, {"id": str(uuid.uuid4()), "occurred": at.isoformat(), **payload})


def drop(world: World, place: str, first_id: int, number: int) -> str:
    """Write a file of new applicants with their outcomes."""
    content = portfolio.as_csv(portfolio.applicants(number, first_id=first_id, seed=first_id))
    return world.put(f"{place}/{uuid.uuid4().hex}.csv", content)


def approve(world: World, version: str) -> str:
    """Approve a model as a person does; return its package."""
    arn: str = world.models()[version]["ModelPackageArn"]
    world.aws("sagemaker").update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="looked at the report"
    )
    return arn


@pytest.mark.parametrize("trigger", FIRED)
def test_a_trigger_starts_its_deployment_with_its_parameters(quiet_world: World, trigger: str) -> None:
    event, resource, payload, deployment, parameters = FIRED[trigger]
    since = now()
    with quiet_world.no_run_begins():
        happen(quiet_world, event, resource, payload, since)
        (run,) = eventually(lambda: quiet_world.runs.since(deployment, since), f"a run of {deployment}")
        quiet_world.runs.cancel(run.id)
        assert quiet_world.runs.end(run.id).state.is_cancelled()
    assert run.parameters.items() >= parameters.items()
    assert set(run.tags) >= {"credit", "stage:sandbox"}


@pytest.mark.parametrize("trigger", ["new outcomes", "drift"])
def test_an_event_that_asks_for_no_training_starts_none(quiet_world: World, trigger: str) -> None:
    event, _, payload, deployment, _ = FIRED[trigger]
    since = now()
    happen(quiet_world, event, {**LABELLED, "credit.retrain": "false"}, payload, since)
    with quiet_world.no_run_begins():  # one that starts something comes after it
        happen(quiet_world, event, LABELLED, payload, since)
        (run,) = eventually(lambda: quiet_world.runs.since(deployment, since), f"a run of {deployment}")
        quiet_world.runs.cancel(run.id)
        quiet_world.runs.end(run.id)
    assert len(quiet_world.runs.since(deployment, since)) == 1


def test_a_person_approves_and_the_release_follows_once(learnt_world: World) -> None:
    world = learnt_world
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
    # The release wrote on the package that it serves, which is an update of an approved package.
    approved_at = (since - timedelta(minutes=1)).isoformat()
    late = {"group": GROUP, "package": arn, "approved_at": approved_at}
    successor = register_twin(world)
    world.runs.completed("release", portfolio=portfolio.NAME, version=successor)
    moment = now()
    happen(world, "credit.model.approved", {"prefect.resource.id": arn, "credit.group": GROUP}, late, moment)
    world.runs.triggered("release", moment)
    assert world.serving() == successor
    # The person's, the one by hand, the late copy.
    assert len(world.runs.since("release", before)) == 3


def test_schedules_make_runs(quiet_world: World) -> None:
    """The server's own scheduler looks once a minute."""

    def planned() -> set[str]:
        runs = quiet_world.runs.client.read_flow_runs(limit=200, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
        deployments = {run.deployment_id for run in runs if run.auto_scheduled}
        return {quiet_world.runs.client.read_deployment(one).name for one in deployments if one}

    eventually(lambda: planned() >= {"train", "score", "monitor"}, "a run of every schedule", seconds=150, pause=2)


def test_approving_a_stranger_starts_nothing(quiet_world: World) -> None:
    sagemaker, group, since = quiet_world.aws("sagemaker"), f"fraud-{uuid.uuid4().hex[:8]}", now()
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    sagemaker.create_model_package(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    test_a_trigger_starts_its_deployment_with_its_parameters(quiet_world, "landing object")  # comes after it
    assert quiet_world.runs.since("release", since) == []


def test_a_burst_of_files_is_one_training(learnt_world: World) -> None:
    world, since = learnt_world, now()
    before = {job["TrainingJobName"] for job in world.training_jobs()}
    uris = [drop(world, LANDING, 5_000_001 + 1_000 * number, 40) for number in range(8)]
    eventually(lambda: len(world.runs.since("ingest", since)) == len(uris), "a run for each file", seconds=120)
    train = world.runs.triggered("train", since, seconds=420)
    world.runs.quiet()
    ingests = world.runs.since("ingest", since)
    assert sorted(run.parameters["uri"] for run in ingests) == sorted(uris)
    assert all(run.state.is_completed() for run in ingests)
    assert len(new_jobs(world, before)) == 1, train.name
    assert world.learnt_files() >= {world.ledger(uri)["ingest_id"] for uri in uris}


def test_what_a_dead_run_left_is_trained_on_after_the_next_file(learnt_world: World) -> None:
    """A run that may not decide stands for one that died before it could."""
    world, since = learnt_world, now()
    left = drop(world, IMPORT, 6_000_001, 150)
    world.runs.completed("ingest", uri=left, retrain=False)
    assert world.runs.since("train", since) == []
    drop(world, LANDING, 6_100_001, 3)
    world.runs.triggered("train", since)
    assert world.ledger(left)["ingest_id"] in world.learnt_files()


def test_a_file_that_arrives_while_training_runs_is_not_lost(learnt_world: World) -> None:
    world = learnt_world
    world.runs.completed("ingest", uri=drop(world, IMPORT, 7_000_001, 150), retrain=False)
    since, before = now(), {job["TrainingJobName"] for job in world.training_jobs()}
    world.runs.start("train", portfolio=portfolio.NAME, approval="manual")
    eventually(lambda: new_jobs(world, before), "a training under way", seconds=90)
    late = drop(world, LANDING, 7_100_001, 150)
    eventually(lambda: len(world.runs.since("train", since)) == 2, "a second training to come", seconds=90)
    world.runs.quiet()
    assert all(run.state.is_completed() for run in world.runs.since("train", since))
    assert len(new_jobs(world, before)) == 2
    assert world.ledger(late)["ingest_id"] in world.learnt_files()
