"""The commands of docs/prefect-cloud.md: run against a server that stands in for Cloud, or held against the clients."""

import os
import re
import shlex
import subprocess
import sys

import boto3
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from deployments.connect import connect, variables
from tests.conftest import ROOT
from tests.docs.test_documents import blocks

pytestmark = pytest.mark.integration

PAGE = "docs/prefect-cloud.md"
COMMANDS = [line for block in blocks(PAGE, "sh") for line in block.splitlines() if line]
PREFECT = [line for line in COMMANDS if line.startswith("prefect ")]
AWS = [line for line in COMMANDS if line.startswith("aws secretsmanager ")]
MADE = {"EcsCluster": "credit-dev", "Vpc": "vpc-0", "Subnets": "subnet-0,subnet-1", "TaskSecurityGroup": "sg-0"}
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:credit/prefect-api-key-a1b2c3"
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
CLI = [sys.executable, "-m", "prefect"]


@pytest.fixture(scope="module")
def server():
    """A Prefect server of one's own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        with prefect_test_harness(server_startup_timeout=120):
            yield PREFECT_API_URL.value()


def prefect(arguments: list[str], url: str) -> str:
    environment = {**os.environ, "PREFECT_API_URL": url, "PREFECT_CLI_COLORS": "false", "COLUMNS": "200"}
    environment.pop("CREDIT_WORKER_REPOSITORY", None)
    done = subprocess.run(
        [*CLI, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_variables_pool_and_deployments_come_to_be(server):
    for _ in ("the first time", "again"):
        connect("dev", {"PrefectApiUrl": server, "PrefectApiKeySecret": SECRET}, MADE)
    prefect(["--no-prompt", "deploy", "--all"], server)
    with get_client(sync_client=True) as client:
        pool = client.read_work_pool("credit-ecs")
        found = client.read_deployments()
        told = {name: client.read_variable_by_name(name).value for name in variables("dev", {}, MADE)}
    assert told["credit_ecs_network"]["subnets"] == ["subnet-0", "subnet-1"]
    assert told["credit_api_key_secret"] == SECRET
    assert pool.type == "ecs"
    assert {deployment.name for deployment in found} == {one["name"] for one in DEPLOYMENTS}
    for deployment in found:
        assert set(deployment.tags) >= {"credit", "stage:dev"}
        assert deployment.pull_steps in (None, [])
        assert deployment.description
    forms = {deployment.name: deployment.parameter_openapi_schema["properties"] for deployment in found}
    for name, form in forms.items():
        assert all(field.get("title", field_name) != field_name for field_name, field in form.items()), name
        assert all(field.get("description") for field in form.values()), name
    assert all("case" in form["portfolio"]["enum"] for name, form in forms.items() if name != "ingest")


@pytest.mark.parametrize("line", [line for line in PREFECT if "deploy --all" not in line])
def test_prefect_knows_the_command_and_its_options(line):
    words = shlex.split(line)[1:]
    options = [word for word in words if word.startswith("--")]
    groups = words[: next((place for place, word in enumerate(words) if word.startswith("-")), len(words))]
    commands = [group for group in groups if re.fullmatch(r"[a-z-]+", group)][: 3 if words[0] == "cloud" else 2]
    told = prefect([*commands, "--help"], "http://127.0.0.1:9/api")
    assert f"prefect {' '.join(commands)}" in told
    assert [option for option in options if option not in told] == []


@pytest.mark.parametrize("line", AWS)
def test_aws_knows_the_command_and_its_parameters(line):
    _, service, command, *rest = shlex.split(line)
    model = boto3.client(service, region_name="eu-west-1").meta.service_model
    operation = model.operation_model("".join(word.title() for word in command.split("-")))
    known = {
        re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower(): shape
        for name, shape in operation.input_shape.members.items()
    }
    given = {word.removeprefix("--") for word in rest if word.startswith("--")}
    assert given <= known.keys()
    assert {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in operation.input_shape.required_members} <= given


def test_the_page_names_the_variables():
    page = (ROOT / PAGE).read_text()
    assert [name for name in variables("dev", {}, MADE) if f"`{name}`" not in page] == []
