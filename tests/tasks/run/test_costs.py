"""What a run costs, against the arithmetic of AWS's price pages."""

import pytest

from tasks.run import costs
from tasks.settings import settings

pytestmark = [pytest.mark.xdist_group("platform"), pytest.mark.usefixtures("platform")]


@pytest.fixture(autouse=True)
def nothing_spent(monkeypatch):
    monkeypatch.setattr(costs, "_QUERIES", {})
    monkeypatch.setattr(costs, "_JOBS", {})


@pytest.fixture
def prices(monkeypatch):
    def are(text: str) -> None:
        monkeypatch.setenv("CREDIT_PRICES", text)
        settings.cache_clear()

    yield are
    monkeypatch.undo()
    settings.cache_clear()


def training(*, seconds: int, billable: int, spot: bool, count: int = 1, kind: str = "ml.m5.xlarge"):
    return {
        "TrainingJobName": "one",
        "ResourceConfig": {"InstanceType": kind, "InstanceCount": count},
        "TrainingTimeInSeconds": seconds,
        "BillableTimeInSeconds": billable,
        "EnableManagedSpotTraining": spot,
    }


def test_athena_charges_at_least_ten_megabytes_a_query(prices):
    prices('{"athena-tb": 5}')
    for scanned in (0, 3, 2**40 - 10 * 2**20 * 2):
        costs.count_query(scanned)
    assert costs.so_far().usd == pytest.approx(5.0)


def test_spot_training_is_billed_for_its_billable_seconds_on_every_instance(prices):
    prices('{"ml.m5.xlarge": 3.6}')
    costs.charge_training(training(seconds=1000, billable=300, spot=True, count=2), followed=True)
    found = costs.so_far()
    assert found.usd == pytest.approx(0.6)
    assert found.saved_usd == pytest.approx(1.4)
    assert found.complete


def test_a_job_that_had_ended_before_is_on_an_earlier_runs_account():
    costs.charge_training(training(seconds=1000, billable=1000, spot=False), followed=False)
    found = costs.so_far()
    assert found.usd == 0
    assert "earlier run" in found.lines[-1].note


def test_an_unknown_price_is_said_and_not_guessed(prices):
    costs.charge_training(training(seconds=10, billable=10, spot=False, kind="ml.new.huge"), followed=True)
    assert not costs.so_far().complete
    assert costs.so_far().lines[-1].usd is None
    prices('{"ml.new.huge": 36}')
    costs.charge_training(training(seconds=10, billable=10, spot=False, kind="ml.new.huge"), followed=True)
    assert costs.so_far().lines[-1].usd == pytest.approx(0.1)
    assert "ml.new.huge from CREDIT_PRICES" in costs.so_far().prices
