"""What AWS sends becomes an event that the triggers take: through Prefect Cloud's webhook and through EventBridge.

The recorded events are the examples of the AWS documentation (S3 user guide, SageMaker developer guide), with our names
in place of theirs.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.events.models import EventPattern
from prefect.server.events.schemas.automations import EventTrigger
from prefect.server.events.schemas.events import ReceivedEvent
from prefect.server.utilities.user_templates import render_user_template_sync, validate_user_template

from sandbox.aws.events.transformer import transform
from sandbox.formation import Formation
from tasks.events import RECEIVED

ROOT = Path(__file__).parents[2]
RECORDED = {
    name: json.loads((Path(__file__).parent / "recorded" / f"{name}.json").read_text())
    for name in ("s3-object-created", "sagemaker-model-package")
}
STAGE = {"Stage": "dev", "Bucket": "credit-sandbox", "PrefectApiUrl": "http://127.0.0.1:4200/api"}
RULES = {
    "s3-object-created": Formation("orchestration", STAGE).properties("LandingRule"),
    "sagemaker-model-package": Formation("orchestration", STAGE).properties("ApprovalRule"),
}
TEMPLATE = (ROOT / "deployments" / "prefect" / "webhook.json.j2").read_text()
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def rendered(body: dict[str, Any]) -> str:
    """What Cloud makes of a request: Jinja over `method`, `headers` and `body`."""
    return render_user_template_sync(TEMPLATE, {"method": "POST", "headers": {}, "body": body})


def through_webhook(body: dict[str, Any]) -> ReceivedEvent:
    return ReceivedEvent.model_validate(json.loads(rendered(body)))


def through_eventbridge(name: str, body: dict[str, Any]) -> ReceivedEvent:
    (target,) = RULES[name]["Targets"]
    (sent,) = json.loads(transform(target["InputTransformer"], body, {"arn": "arn", "name": "rule"}))
    return ReceivedEvent.model_validate(sent)


def triggers() -> list[EventTrigger]:
    declared = [trigger for entry in DEPLOYMENTS for trigger in entry.get("triggers", [])]
    return [
        EventTrigger.model_validate({key: one[key] for key in EventTrigger.model_fields if key in one})
        for one in declared
    ]


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_event_fires_its_trigger_alone(name):
    event = through_webhook(RECORDED[name])
    assert str(event.id) == RECORDED[name]["id"]
    assert [trigger.expect for trigger in triggers() if trigger.covers(event)] == [{event.event}]


@pytest.mark.parametrize("name", RECORDED)
def test_the_webhook_and_eventbridge_say_the_same_and_what_is_documented(name):
    event = through_webhook(RECORDED[name])
    direct = through_eventbridge(name, RECORDED[name])
    same = {"id", "occurred", "event", "resource", "payload"}
    assert event.model_dump(include=same) == direct.model_dump(include=same)
    kind = next(kind for kind in RECEIVED if kind.name == event.event)
    typed = kind.model_validate(event.payload)
    assert dict(event.resource) == typed.resource()


def test_a_key_with_quotes_and_an_unversioned_bucket_come_through():
    body = json.loads(json.dumps(RECORDED["s3-object-created"]))
    body["detail"]["object"] = {"key": 'landing/case/applications/a "b" <c> & d\\e.csv'}
    event = through_webhook(body)
    assert event.payload["key"] == body["detail"]["object"]["key"]
    assert event.payload["version_id"] == ""
    assert event.resource.id == f"s3://amzn-s3-demo-bucket1/{event.payload['key']}"


@pytest.mark.parametrize("changed", [{"source": "aws.ec2"}, {"detail-type": "Object Deleted"}])
def test_other_events_are_refused(changed):
    assert rendered(RECORDED["s3-object-created"] | changed) == ""


def test_cloud_takes_the_template():
    validate_user_template(TEMPLATE)


@pytest.mark.parametrize(
    ("changed", "passes"),
    [
        ({}, True),
        ({"UpdatedModelPackageFields": ["ModelApprovalStatus", "ApprovalDescription"]}, True),
        ({"UpdatedModelPackageFields": None}, True),
        ({"UpdatedModelPackageFields": ["CustomerMetadataProperties"]}, False),
        ({"ModelApprovalStatus": "Rejected"}, False),
        ({"ModelPackageGroupName": "fraud-cards"}, False),
    ],
)
def test_the_rule_takes_approvals_of_our_groups_only(changed, passes):
    event = RECORDED["sagemaker-model-package"]
    detail = {key: value for key, value in {**event["detail"], **changed}.items() if value is not None}
    pattern = EventPattern(None, RULES["sagemaker-model-package"]["EventPattern"])
    assert pattern.matches_event({**event, "detail": detail}) is passes


@pytest.mark.parametrize(("key", "passes"), [("landing/case/outcomes/x.csv", True), ("lake/x.parquet", False)])
def test_the_rule_takes_objects_under_landing_only(key, passes):
    event = json.loads(json.dumps(RECORDED["s3-object-created"]))
    event["detail"] |= {"bucket": {"name": "credit-sandbox"}, "object": {"key": key}}
    assert EventPattern(None, RULES["s3-object-created"]["EventPattern"]).matches_event(event) is passes
