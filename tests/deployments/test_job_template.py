"""The work pool's template: what the ECS worker makes of it for a flow run."""

import json
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_KEY, temporary_settings
from prefect.utilities.templating import apply_values
from prefect_aws.workers.ecs_worker import ECSJobConfiguration

from deployments import templates
from deployments.connect import TEMPLATE

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:credit/prefect-api-key-a1b2c3"


@pytest.fixture
def prepared():
    """Return the job of a flow run, by a worker that has a key, with these values in place of the Prefect variables."""
    template = json.loads(TEMPLATE.read_text())
    properties = template["variables"]["properties"]
    defaults = {name: one.get("default") for name, one in properties.items()}

    def prepare(secret: str) -> ECSJobConfiguration:
        told = {"cluster": "credit-dev", "vpc_id": "vpc-0", "network_configuration": {"subnets": ["subnet-0"]}}
        values = {**defaults, **told, "prefect_api_key_secret_arn": secret, "env": {}, "labels": {}}
        job = ECSJobConfiguration(**apply_values(template["job_configuration"], values))
        with temporary_settings({PREFECT_API_KEY: "pnu_the_workers_own"}):
            job.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="one"))
        return job

    return prepare


@pytest.mark.parametrize(("secret", "written"), [(SECRET, False), ("", True)])
def test_the_workers_key_is_written_into_a_task_only_where_no_secret_holds_it(prepared, secret, written):
    job = prepared(secret)
    assert ("PREFECT_API_KEY" in job.env) is written


def test_the_template_names_family_and_container_of_the_stack():
    task = templates.load("orchestration")["Resources"]["FlowTask"]["Properties"]
    template = json.loads(TEMPLATE.read_text())
    assert template["variables"]["properties"]["task_definition_arn"]["default"] == task["Family"]
    assert template["job_configuration"]["container_name"] == task["ContainerDefinitions"][0]["Name"]
