"""prefect.yaml says what its writer meant: Prefect's own types read every trigger, schedule and parameter of it."""

import re
from pathlib import Path

import pytest
import yaml
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.schedules import CronSchedule
from prefect.events import DeploymentEventTrigger
from prefect.flows import load_flow_from_entrypoint

from tasks import events

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
TRIGGER_FIELDS = set(DeploymentEventTrigger.model_fields)
# The first schedule of a process imports croniter, which starts a process to ask for the machine's word size. Here, and
# not in a test, because a unit test may start none.
CronSchedule(cron="0 0 * * *")


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
class TestDeployment:
    def test_triggers_are_prefects(self, deployment):
        for trigger in deployment.get("triggers", []):
            assert set(trigger) <= TRIGGER_FIELDS
            parsed = DeploymentEventTrigger.model_validate(trigger)
            assert parsed.expect
            assert parsed.threshold == 1

    def test_parameters_are_the_flows(self, deployment):
        flow = load_flow_from_entrypoint(str(ROOT / deployment["entrypoint"]))
        known = set(flow.parameters.properties)
        given = [deployment.get("parameters", {})]
        given += [
            thing.get("parameters", {}) for thing in deployment.get("triggers", []) + deployment.get("schedules", [])
        ]
        assert all(set(parameters) <= known for parameters in given)

    def test_schedules_and_limits_are_prefects(self, deployment):
        for schedule in deployment.get("schedules", []):
            CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
        limit = deployment["concurrency_limit"]
        assert limit["limit"] == (4 if deployment["name"] == "ingest" else 1)
        assert ConcurrencyOptions(collision_strategy=limit["collision_strategy"]).collision_strategy == "ENQUEUE"


def test_triggers_expect_events_that_somebody_sends_and_read_what_these_carry():
    known = {event.name: event for event in (*events.RECEIVED, *events.EMITTED)}
    for trigger in (trigger for d in DEPLOYMENTS for trigger in d.get("triggers", [])):
        (event,) = (known[name] for name in trigger["expect"])
        assert set(trigger["match"]) <= {"prefect.resource.id", *(f"credit.{label}" for label in event.labels)}
        read = set(re.findall(r"event\.payload\.(\w+)", str(trigger["parameters"])))
        assert read <= set(event.model_fields)


def test_the_document_names_every_event_its_resource_and_payload():
    rows = re.findall(r"^\| `(credit\.[a-z_.]+)` \|(.*)\|$", (ROOT / "docs" / "events.md").read_text(), re.MULTILINE)
    documented = {name: re.findall(r"`([^`]+)`", cells) for name, cells in rows}
    for event in (*events.RECEIVED, *events.EMITTED):
        words = documented.pop(event.name)
        told = [*event.model_fields, *(f"credit.{label}" for label in event.labels)]
        assert [word for word in told if word not in words] == [], event.name
        assert [word for word in words if re.fullmatch(r"[a-z_]+", word) and word not in told] == [], event.name
    assert documented == {}
