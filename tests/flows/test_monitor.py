"""The monitor flow tells its story in order, and its event starts training only where training is the remedy."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent

from tasks import events

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = {entry["name"]: entry for entry in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}


def trigger(name: str) -> EventTrigger:
    """A trigger of `train` as the server holds it."""
    declared = next(entry for entry in DEPLOYMENTS["train"]["triggers"] if entry["name"] == name)
    return EventTrigger.model_validate({key: declared[key] for key in EventTrigger.model_fields if key in declared})


@pytest.fixture
def announced(monkeypatch) -> list[ReceivedEvent]:
    """Events as the server would get them."""
    sent: list[ReceivedEvent] = []

    def emit(**event):
        sent.append(ReceivedEvent.model_validate({"id": uuid4(), "occurred": datetime.now(UTC), **event}))

    monkeypatch.setattr(events, "emit_event", emit)
    return sent


@pytest.mark.parametrize("retrain", [True, False])
def test_drift_starts_training_where_training_is_the_remedy(announced, retrain):
    told = {"version": "v1", "months": ["2026-03"], "reasons": ["x"], "report": "s3://b/monitoring.html"}
    events.announce(events.DriftDetected(portfolio="case", **told, retrain=retrain))
    assert trigger("drift").covers(announced[0]) is retrain
    assert not trigger("new outcomes").covers(announced[0])


def test_every_portfolio_that_is_scored_daily_is_watched_after_its_scores():
    def hours(name: str) -> dict[str, int]:
        schedules = DEPLOYMENTS[name]["schedules"]
        return {entry["parameters"]["portfolio"]: int(entry["cron"].split()[1]) for entry in schedules}

    scored, watched = hours("score"), hours("monitor")
    assert scored.keys() == watched.keys()
    assert all(watched[portfolio] > hour for portfolio, hour in scored.items())
