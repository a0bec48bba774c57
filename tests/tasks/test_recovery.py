"""What dead runs have left is finished or undone; what may still be somebody's is left alone."""

import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import boto3
import pyarrow as pa
import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.logging import disable_run_logger
from prefect.states import Completed, Crashed, Running, State
from prefect.testing.utilities import prefect_test_harness

from tasks import s3
from tasks.batch import DRAWN, PUBLISHED, Batch, publish
from tasks.errors import ReleaseError
from tasks.lake import tables
from tasks.recovery import Leftover, settle_batches, settle_release, stop_abandoned
from tasks.release import record
from tasks.release.undo import settle
from tasks.run import context
from tasks.sagemaker.jobs import RUN_TAG, TRAINING
from tasks.settings import Settings
from tests.tasks.test_batch import scored, write

pytestmark = [pytest.mark.xdist_group("platform"), pytest.mark.usefixtures("platform")]
ROLE = "arn:aws:iam::123456789012:role/train"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/probe:1"
DAY = date(2026, 3, 1)
StartRun = Callable[[State], str]


@flow(name="release")
def release() -> None:
    """A flow of that name."""


@pytest.fixture(scope="module")
def prefect_client() -> Iterator[SyncPrefectClient]:
    with prefect_test_harness(server_startup_timeout=120), get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def a_run(prefect_client: SyncPrefectClient) -> Iterator[StartRun]:
    """Enters a flow run in a state; none stays unfinished."""
    entered = []

    def enter(state: State) -> str:
        run = prefect_client.create_flow_run(release)
        entered.append(run.id)
        prefect_client.set_flow_run_state(run.id, state, force=True)
        return str(run.id)

    yield enter
    for run in entered:
        prefect_client.set_flow_run_state(run, Completed(), force=True)


@pytest.fixture
def portfolio() -> str:
    return f"p{uuid.uuid4().hex[:8]}"


@pytest.fixture
def training(platform: Settings) -> Iterator[Callable[..., str]]:
    """Starts training jobs that take a minute, followed by some flow runs; none outlives the test."""
    sagemaker = boto3.client("sagemaker")
    s3.write_bytes(platform.uri("leftovers", "train", "rows"), b"1\n")
    names = []

    def start(portfolio: str, *runs: str) -> str:
        name = f"credit-{portfolio}-{uuid.uuid4().hex[:16]}"
        source = {"S3DataType": "S3Prefix", "S3Uri": platform.uri("leftovers", "train", "")}
        sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=ROLE,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            HyperParameters={"sleep": "60", "auc": "0.5"},
            InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
            OutputDataConfig={"S3OutputPath": platform.uri("leftovers", "out")},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 90},
            Tags=[{"Key": f"{RUN_TAG}{run}", "Value": "some run"} for run in runs],
        )
        names.append(name)
        return name

    yield start
    for name in names:
        if status(name) == "InProgress":
            sagemaker.stop_training_job(TrainingJobName=name)


def status(name: str) -> str:
    return str(boto3.client("sagemaker").describe_training_job(TrainingJobName=name)["TrainingJobStatus"])


def settled(step, *arguments) -> list[Leftover]:
    with disable_run_logger():
        return step.fn(*arguments)


def stopped(portfolio, *, keep) -> list[Leftover]:
    with disable_run_logger():
        return stop_abandoned(TRAINING, portfolio, keep=keep)


def test_a_job_is_stopped_where_every_run_that_followed_it_has_ended(a_run, training, portfolio):
    dead = training(portfolio, a_run(Crashed()), a_run(Completed()))
    (found,) = stopped(portfolio, keep="credit-other")
    assert (found.what, found.name) == ("training job", dead)
    assert status(dead) in ("Stopping", "Stopped")
    assert stopped(portfolio, keep="credit-other") == []


def test_a_job_that_may_be_somebodys_is_left_alone(a_run, training, portfolio):
    crashed = a_run(Crashed())
    kept = [
        training(portfolio, crashed, a_run(Running())),
        training(portfolio, str(uuid.uuid4())),  # a run of another Prefect server
        training(portfolio),  # of no run at all
        training(f"{portfolio}-more", crashed),  # of a portfolio whose name begins alike
    ]
    about_to_attach = training(portfolio, crashed)
    assert stopped(portfolio, keep=about_to_attach) == []
    assert {status(name) for name in [*kept, about_to_attach]} == {"InProgress"}


def test_a_job_of_a_run_that_prefect_has_deleted_is_stopped_once_no_run_can_be_so_old(
    training, portfolio, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(context, "RETENTION", timedelta(0))
    dead = training(portfolio, str(uuid.uuid4()))
    (found,) = stopped(portfolio, keep="credit-other")
    assert found.name == dead


def drawn(platform: Settings, portfolio: str, run: str, answered: list[str] | None) -> Batch:
    """A batch of two applicants that a run has drawn, with the answers of the transform job."""
    name = uuid.uuid4().hex[:16]
    uri = platform.uri("batch", portfolio, name, "")
    write(f"{uri}input/1", pa.table({"application_id": ["a", "b"]}))
    if answered is not None:
        write(f"{uri}scores/1.out", scored(answered))
    known = {"batch_id": name, "portfolio": portfolio, "rows": 2, "day": DAY.isoformat(), "model_version": "v1"}
    batch = Batch(**known, input_uri=f"{uri}input/", output_uri=f"{uri}scores/", runs=[run])
    s3.write_json(f"{uri}{DRAWN}", batch.model_dump())
    return batch


def visible(portfolio: str) -> list[str]:
    return list(tables.locations(tables.scores(), f"portfolio = '{portfolio}'"))


def test_scores_that_were_ready_for_a_day_without_scores_are_published(platform, a_run, portfolio):
    batch = drawn(platform, portfolio, a_run(Crashed()), ["a", "b"])
    (found,) = settled(settle_batches, portfolio, "another")
    assert found.done == "2 scores published for 2026-03-01"
    assert visible(portfolio) == [batch.output_uri]
    assert settled(settle_batches, portfolio, "another") == []


def test_scores_that_came_too_late_stay_and_are_not_published(platform, a_run, portfolio):
    newer = drawn(platform, portfolio, a_run(Completed()), ["a", "b"])
    publish(newer, "v1", DAY)
    older = drawn(platform, portfolio, a_run(Crashed()), ["a", "b"])
    (found,) = settled(settle_batches, portfolio, "another")
    assert found.name == older.batch_id
    assert "other scores are published" in found.done
    assert visible(portfolio) == [newer.output_uri]
    assert s3.list_keys(older.output_uri)
    assert settled(settle_batches, portfolio, "another") == []


def test_answers_that_do_not_fit_the_question_are_never_published(platform, a_run, portfolio):
    drawn(platform, portfolio, a_run(Crashed()), ["a"])
    (found,) = settled(settle_batches, portfolio, "another")
    assert "1 missing" in found.done
    assert visible(portfolio) == []


def test_a_batch_that_was_only_drawn_is_deleted(platform, a_run, portfolio):
    batch = drawn(platform, portfolio, a_run(Crashed()), None)
    (found,) = settled(settle_batches, portfolio, "another")
    assert found.done.startswith("deleted")
    assert s3.list_keys(batch.folder) == []


def test_a_batch_that_is_being_worked_on_or_published_is_left_alone(platform, a_run, portfolio):
    mine, alive = (drawn(platform, portfolio, a_run(state), None) for state in (Crashed(), Running()))
    noted = drawn(platform, portfolio, a_run(Crashed()), ["a", "b"])
    tables.point_partition(tables.scores(), [portfolio, noted.day], noted.output_uri)
    assert settled(settle_batches, portfolio, mine.batch_id) == []
    assert s3.list_keys(mine.folder)
    assert s3.list_keys(alive.folder)
    assert s3.read_json(f"{noted.folder}{PUBLISHED}")["rows"] == 2


def test_a_release_under_way_is_not_settled_by_others(platform, a_run, portfolio):
    intent = platform.uri("releases", f"{portfolio}.json")
    left = {"service": "s", "bundle_uri": "s3://b/m/", "champion": None, "previous_revision": None}
    s3.write_json(intent, {"portfolio": portfolio, **left})
    a_run(Running())
    assert settled(settle_release, portfolio) == []
    assert s3.list_keys(intent)


def test_a_release_that_cannot_be_settled_keeps_nobody_from_training(
    platform, prefect_client, portfolio, monkeypatch, tmp_path
):
    assert prefect_client
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    left = {"service": "s", "bundle_uri": "s3://b/m/", "champion": None, "previous_revision": None}
    s3.write_json(platform.uri("releases", f"{portfolio}.json"), {"portfolio": portfolio, **left})
    (found,) = settled(settle_release, portfolio)
    assert found.done.startswith("left to the next release")
    assert s3.list_keys(platform.uri("releases", f"{portfolio}.json"))


@pytest.mark.parametrize("state", [Running(), None], ids=["alive", "unknown"])
def test_what_may_be_alive_is_not_settled_by_another_release(platform, prefect_client, a_run, portfolio, state):
    assert prefect_client
    run = a_run(state) if state else str(uuid.uuid4())
    intent = platform.uri("releases", f"{portfolio}.json")
    left = {"service": "s", "bundle_uri": "s3://b/m/", "champion": None, "previous_revision": None, "flow_run": run}
    s3.write_json(intent, {"portfolio": portfolio, **left})
    with pytest.raises(ReleaseError, match=run):
        settle(portfolio)
    assert s3.list_keys(intent)


def test_a_release_of_a_run_that_prefect_has_deleted_is_claimed_once_no_run_can_be_so_old(
    platform, prefect_client, portfolio, monkeypatch
):
    assert prefect_client
    monkeypatch.setattr(context, "RETENTION", timedelta(0))
    left = {"service": "s", "bundle_uri": "s3://b/m/", "champion": None, "previous_revision": None}
    intent = {"portfolio": portfolio, **left, "flow_run": str(uuid.uuid4())}
    s3.write_json(platform.uri("releases", f"{portfolio}.json"), intent)
    claimed = record.claim(portfolio)
    assert claimed is not None
    assert claimed.bundle_uri == "s3://b/m/"


def test_of_two_that_begin_at_once_one_does(platform, portfolio):
    intent = platform.uri("releases", f"{portfolio}.json")
    assert [s3.create_json(intent, {"by": name}) for name in ("one", "two")] == [True, False]
    assert s3.read_json(intent) == {"by": "one"}
