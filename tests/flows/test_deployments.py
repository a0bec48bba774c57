"""prefect.yaml says what its writer meant: Prefect's own types read every trigger, schedule and parameter of it."""

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
        assert limit["limit"] == 1
        assert ConcurrencyOptions(collision_strategy=limit["collision_strategy"]).collision_strategy == "ENQUEUE"


def test_events_that_flows_emit_are_the_ones_that_triggers_expect():

    emitted = {value for name, value in vars(events).items() if name.isupper()} | {"credit.landing.object_created"}
    expected = {event for d in DEPLOYMENTS for t in d.get("triggers", []) for event in t["expect"]}
    assert expected <= emitted
