"""Training through the deployment: once for the same data, and a clear end where it cannot be done."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from tests.e2e import portfolio
from tests.e2e.processes import with_variable
from tests.e2e.runs import eventually
from tests.e2e.world import World

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(400)]


def test_the_same_data_train_once(quiet_world: World) -> None:
    runs = quiet_world.runs
    first = runs.completed("train", portfolio=portfolio.NAME, approval="manual")
    jobs, models = len(quiet_world.training_jobs()), list(quiet_world.models())
    second = runs.completed("train", portfolio=portfolio.NAME, approval="manual")
    assert len(quiet_world.training_jobs()) == jobs
    assert list(quiet_world.models()) == models
    assert runs.artifact(first, "model-uci-credit-card") == runs.artifact(second, "model-uci-credit-card")


def test_a_failed_training_says_why_and_does_not_stand_in_the_way(quiet_world: World) -> None:
    models = list(quiet_world.models())
    failed = quiet_world.runs.run(
        "train", portfolio=portfolio.NAME, approval="manual", parameters={"learning_rate": "9"}
    )
    assert failed.state is not None
    assert failed.state.is_failed()
    jobs = quiet_world.training_jobs()
    reason = next(reason for reason in (_reason(quiet_world, job["TrainingJobName"]) for job in jobs) if reason)
    assert "hyperparameter 'learning_rate'" in reason
    assert reason in str(failed.state.message)
    assert "last log lines (/aws/sagemaker/TrainingJobs):" in str(failed.state.message)
    assert list(quiet_world.models()) == models
    quiet_world.runs.completed("train", portfolio=portfolio.NAME, approval="manual")


def _reason(world: World, job: str) -> str:
    return str(world.aws("sagemaker").describe_training_job(TrainingJobName=job).get("FailureReason", ""))


@pytest.fixture
def endless(quiet_world: World) -> Iterator[Callable[[], UUID]]:
    """Starts trainings that would not end by themselves; none outlives the test."""
    started: list[UUID] = []
    patience = {"learning_rate": "0.0001", "max_rounds": "1000000", "early_stopping_rounds": "1000000"}

    def start() -> UUID:
        run = quiet_world.runs.start("train", portfolio=portfolio.NAME, approval="manual", parameters=patience)
        started.append(run)
        return run

    yield start
    for run in started:
        if not quiet_world.runs.client.read_flow_run(run).state.is_final():
            quiet_world.runs.cancel(run)


def test_a_training_goes_on_without_its_flow_and_ends_with_a_cancelled_one(
    quiet_world: World, endless: Callable[[], UUID]
) -> None:
    """A killed run leaves the job to the next, which attaches to it; cancelling that one stops the job."""
    before = {job["TrainingJobName"] for job in quiet_world.training_jobs()}
    first = endless()
    (job,) = eventually(lambda: new_jobs(quiet_world, before), "a job in progress", seconds=90)
    for process in with_variable("PREFECT__FLOW_RUN_ID", str(first)):
        process.kill()
    assert quiet_world.runs.end(first).state.is_crashed()
    second = endless()
    eventually(lambda: "attaching to it" in quiet_world.runs.log(second), "a run attached to the job", seconds=90)
    assert new_jobs(quiet_world, before) == {job: "InProgress"}
    quiet_world.runs.cancel(second)
    assert quiet_world.runs.end(second).state.is_cancelled()
    eventually(lambda: new_jobs(quiet_world, before) == {job: "Stopped"}, "the job stopped")
    assert f"run cancelled: training job {job} told to stop" in quiet_world.runs.log(second)


def new_jobs(world: World, before: set[str]) -> dict[str, str]:
    """Return the status of each job that was not there before."""
    jobs = {job["TrainingJobName"]: job["TrainingJobStatus"] for job in world.training_jobs()}
    return {name: status for name, status in jobs.items() if name not in before}
