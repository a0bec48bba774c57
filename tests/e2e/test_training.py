"""Training through the deployment: once for the same data, and a clear end where it cannot be done."""

import pytest

from tests.e2e import portfolio
from tests.e2e.world import World

pytestmark = pytest.mark.timeout(400)


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
    reasons = [_reason(quiet_world, job["TrainingJobName"]) for job in quiet_world.training_jobs()]
    (reason,) = [reason for reason in reasons if reason]
    assert "hyperparameter 'learning_rate'" in reason
    assert reason in str(failed.state.message)
    assert list(quiet_world.models()) == models
    quiet_world.runs.completed("train", portfolio=portfolio.NAME, approval="manual")


def _reason(world: World, job: str) -> str:
    return str(world.aws("sagemaker").describe_training_job(TrainingJobName=job).get("FailureReason", ""))
