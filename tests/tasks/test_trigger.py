"""A training is asked for where the lake knows outcomes that no model does, and by the last run of a burst."""

import uuid
from datetime import timedelta

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.logging import disable_run_logger
from prefect.states import Completed, Running, Scheduled
from prefect.testing.utilities import prefect_test_harness
from prefect.types import DateTime

from tasks import events, s3, trigger
from tasks.lake.ingest import find_landed, portfolio_of, publish
from tasks.lake.snapshot import take_snapshot
from tasks.sagemaker.registry import PublishedModel, register_model
from tasks.trigger import DECIDES, Decision, announce_ingest, count_new_outcomes
from tests.tasks.portfolios import as_csv, deliver, uci_rows

pytestmark = pytest.mark.integration

PORTFOLIO = "uci_credit_card"


def arrive(first: int, number: int, *, table: str = "applications", keep: set[str] | None = None):
    """Publish a file of applicants, with outcomes or only some of the columns."""
    rows = [row | {"ID": str(first + place)} for place, row in enumerate(uci_rows(number))]
    if keep:
        rows = [{name: value for name, value in row.items() if name in keep} for row in rows]
    with disable_run_logger():
        return publish.fn(find_landed.fn(deliver(as_csv(rows), table=table), None))


def register(platform) -> None:
    """Enter a model that was trained on what the lake has now."""
    snapshot = take_snapshot.fn(PORTFOLIO)
    archive = platform.uri("training", f"{uuid.uuid4().hex}.tar.gz")
    s3.write_bytes(archive, b"not looked at")
    model = PublishedModel(
        portfolio=PORTFOLIO, version=uuid.uuid4().hex[:16], bundle_uri="s3://b/m/", archive_uri=archive,
        snapshot_id=snapshot.snapshot_id, job_name="job", metrics={},
    )  # fmt: skip
    register_model.fn(model, {"promoted": False, "checks": []}, "Rejected")


def test_outcomes_count_until_a_model_has_seen_them_and_once(platform):
    base = 50_000_000
    everything = {*uci_rows(1)[0]}
    target = "default.payment.next.month"
    arrive(base, 40)
    register(platform)
    assert count_new_outcomes(PORTFOLIO) == 0
    arrive(base + 100, 30)
    assert count_new_outcomes(PORTFOLIO) == 30
    arrive(base, 50)  # the forty again, and ten more
    assert count_new_outcomes(PORTFOLIO) == 40
    arrive(base + 200, 7, table="outcomes", keep={"ID", target})
    assert count_new_outcomes(PORTFOLIO) == 40
    arrive(base + 200, 7, keep=everything - {target})
    assert count_new_outcomes(PORTFOLIO) == 47
    register(platform)
    assert count_new_outcomes(PORTFOLIO) == 0


@pytest.fixture
def announced(monkeypatch):
    sent = []
    monkeypatch.setattr(events, "emit_event", lambda **event: sent.append(event))
    return sent


def test_a_run_that_published_nothing_speaks_only_to_ask_for_a_training(platform, announced):
    report = arrive(60_000_000, 3)
    waiting = Decision(new_outcomes=None, retrain=False)
    announce_ingest.fn(PORTFOLIO, None, waiting)
    announce_ingest.fn(PORTFOLIO, report.model_copy(update={"repeated": True}), waiting)
    assert announced == []
    announce_ingest.fn(PORTFOLIO, report, waiting)
    announce_ingest.fn(PORTFOLIO, None, Decision(new_outcomes=120, retrain=True))
    assert [event["resource"]["credit.retrain"] for event in announced] == ["false", "true"]
    assert [event["payload"]["accepted"] for event in announced] == [3, 0]


@pytest.mark.parametrize(
    ("uri", "whose"),
    [
        ("s3://b/landing/case/applications/x.csv", "case"),
        ("s3://b/backfill/2026/case/outcomes/x.csv", "case"),
        ("s3://b/landing/case/x.csv", None),
        ("s3://b/landing/case/scores/x.csv", None),
        ("s3://outcomes/x.csv", None),
    ],
)
def test_an_address_tells_whose_file_it_is(uri, whose):
    assert portfolio_of(uri) == whose


@pytest.fixture(scope="module")
def prefect():
    with prefect_test_harness(server_startup_timeout=120), get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def deployment(prefect):
    """A deployment of a flow like ingest."""

    @flow
    def ingest(uri: str, retrain: bool = True) -> None: ...

    flow_id = prefect.create_flow(ingest)
    return prefect.create_deployment(flow_id, f"ingest-{uuid.uuid4().hex}")


@pytest.fixture
def ours(prefect, deployment, monkeypatch, platform):
    """The run that decides."""
    run = start(prefect, deployment, state=Running())
    monkeypatch.setattr(trigger.runtime.flow_run, "id", str(run.id), raising=False)
    monkeypatch.setattr(trigger.runtime.deployment, "id", str(deployment), raising=False)
    return run


def start(prefect, deployment, *, state, portfolio="case", tags=(), **parameters):
    uri = f"s3://b/landing/{portfolio}/applications/{uuid.uuid4().hex}.csv"
    parameters = {"uri": uri, **parameters}
    return prefect.create_flow_run_from_deployment(deployment, parameters=parameters, state=state, tags=list(tags))


@pytest.mark.parametrize("state", [Scheduled(), Running()])
def test_the_decision_is_left_to_a_run_on_its_way(prefect, deployment, ours, state):
    other = start(prefect, deployment, state=state)
    assert trigger.later_file("case") == other.parameters["uri"]
    assert DECIDES in prefect.read_flow_run(ours.id).tags
    assert trigger.later_file("uci_credit_card") is None


def test_the_decision_is_not_left_to_a_run_that_will_not_take_it(prefect, deployment, ours):
    start(prefect, deployment, state=Running(), tags=[DECIDES])
    start(prefect, deployment, state=Scheduled(), retrain=False)
    start(prefect, deployment, state=Scheduled(), portfolio="uci_credit_card")
    start(prefect, deployment, state=Completed())
    start(prefect, deployment, state=Scheduled(scheduled_time=DateTime.now("UTC") - timedelta(hours=2)))
    assert trigger.later_file("case") is None


def test_it_is_found_behind_many_others(prefect, deployment, ours, monkeypatch):
    monkeypatch.setattr(trigger, "PAGE", 2)
    for _ in range(5):
        start(prefect, deployment, state=Scheduled(), portfolio="uci_credit_card")
    other = start(prefect, deployment, state=Scheduled())
    assert trigger.later_file("case") == other.parameters["uri"]


def test_it_is_left_to_a_file_whose_event_waits(prefect, deployment, ours, platform, monkeypatch):
    uri = platform.uri("landing", "case", "applications", f"{uuid.uuid4().hex}.csv")
    s3.write_bytes(uri, b"")
    assert trigger.later_file("case") == uri
    assert trigger.later_file("uci_credit_card") is None
    prefect.create_flow_run_from_deployment(deployment, parameters={"uri": uri}, state=Completed())
    assert trigger.later_file("case") is None
    s3.delete([uri])


def test_no_one_waits_for_an_event_that_was_lost(prefect, deployment, ours, platform, monkeypatch):
    uri = platform.uri("landing", "case", "applications", f"{uuid.uuid4().hex}.csv")
    s3.write_bytes(uri, b"")
    monkeypatch.setattr(trigger, "DELIVERY", timedelta(seconds=-5))
    assert trigger.later_file("case") is None
    s3.delete([uri])
