"""Training through the deployment: the same data train once, and a failure has a clear reason."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from tests.e2e import portfolio
from tests.e2e.processes import with_variable
from tests.e2e.runs import eventually
from tests.e2e.world import World

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(400)]


def test_training_twice_on_the_same_data_trains_once(quiet_world: World) -> None:
    runs = quiet_world.runs
    first = runs.completed("train", portfolio=portfolio.NAME, approval="manual")
    jobs, models = len(quiet_world.training_jobs()), list(quiet_world.models())
    second = runs.completed("train", portfolio=portfolio.NAME, approval="manual")
    assert len(quiet_world.training_jobs()) == jobs
    assert list(quiet_world.models()) == models
    assert runs.artifact(first, "model-uci-credit-card") == runs.artifact(second, "model-uci-credit-card")


def test_a_failed_training_gives_its_reason_and_does_not_block_the_next(quiet_world: World) -> None:
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
    """Yield a function that starts trainings without an end; all are cancelled after the test."""
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


def test_a_job_outlives_a_killed_flow_and_stops_with_a_cancelled_one(
    quiet_world: World, endless: Callable[[], UUID]
) -> None:
    """Attach the next run to the job of a killed run; cancelling that run stops the job."""
    before = quiet_world.job_names()
    first = endless()
    (job,) = eventually(lambda: quiet_world.new_jobs(before), "a job in progress", seconds=90)
    for process in with_variable("PREFECT__FLOW_RUN_ID", str(first)):
        process.kill()
    assert quiet_world.runs.end(first).state.is_crashed()
    second = endless()
    eventually(lambda: "attaching to it" in quiet_world.runs.log(second), "a run attached to the job", seconds=90)
    assert quiet_world.new_jobs(before) == {job: "InProgress"}
    quiet_world.runs.cancel(second)
    assert quiet_world.runs.end(second).state.is_cancelled()
    eventually(lambda: quiet_world.new_jobs(before) == {job: "Stopped"}, "the job stopped")
    assert f"run cancelled: stopping training job {job}" in quiet_world.runs.log(second)
