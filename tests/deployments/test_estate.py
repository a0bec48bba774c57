"""plan, deploy and destroy of a stage, against moto; driver/test_first_hour.py is about time and order."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from deployments import manifests, stages, templates
from deployments.errors import StageFileError
from deployments.registry import images
from sandbox.services import Service

# The tests go through one stage from its first plan to its end.
pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("estate")]

ROOT = Path(__file__).parents[2]
FILLED = {
    "Account": "123456789012",
    "Region": "eu-west-1",
    "AlarmEmail": "risk@example.com",
    "PrefectApiUrl": "https://prefect.example.com/api",
    "PrefectApiKeySecret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:key-a1b2c3",
    "Repository": "bank/credit",
    "Owner": "credit-risk",
    "CostCentre": "4711",
}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def account(tmp_path_factory) -> Iterator[Path]:
    """An empty account; a folder with a stage's file."""
    state = tmp_path_factory.mktemp("account")
    dev = (stages.FOLDER / "dev.env").read_text()
    for name, value in FILLED.items():
        assert f"\n{name}=\n" in dev
        dev = dev.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    (state / "dev.env").write_text(dev)
    server = Service(
        "aws", [sys.executable, "-m", "tests.deployments.aws_process", str(state)], state=state, env={}, cwd=ROOT
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", server.announced()["endpoint"])
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_REGION": "eu-west-1",
        }.items():
            environment.setenv(name, value)
        boto3.setup_default_session(region_name="eu-west-1")
        secret = boto3.client("secretsmanager").create_secret(Name="key", SecretString="of-prefect")["ARN"]
        file = state / "dev.env"
        file.write_text(file.read_text().replace(FILLED["PrefectApiKeySecret"], secret))
        yield state
    server.stop()


def driver(account: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deployments", "--stages", str(account), *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=False)


def stacks() -> dict[str, str]:
    listed = boto3.client("cloudformation").describe_stacks()["Stacks"]
    return {one["StackName"]: one["StackStatus"] for one in listed}


def push_images() -> None:
    """Leave an image of the commit that is checked out in every repository."""
    for repository in images.REPOSITORIES.values():
        config = {"digest": "sha256:" + "0" * 64, "name": repository}
        document = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []})
        boto3.client("ecr").put_image(repositoryName=repository, imageManifest=document, imageTag=images.commit())


# The tests of one stage from its first plan to its end; each goes on from where the one before has left the account.


def test_a_plan_of_an_empty_account_makes_nothing(account):
    done = driver(account, "plan", "dev")
    assert done.returncode == 0, done.stderr
    assert "Bucket (AWS::S3::Bucket)" in done.stdout
    assert "credit-dev-orchestration: new" in done.stdout
    assert stacks() == {}


def test_the_first_deployment_goes_as_far_as_it_can_without_images(account):
    done = driver(account, "deploy", "dev")
    assert done.returncode == 1
    assert f"no image credit-train, credit-serve, credit-worker of commit {images.commit()[:12]}" in done.stderr
    made = set(templates.STACKS) - {"orchestration", "alarms", "observability"}
    assert stacks() == {f"credit-dev-{name}": "CREATE_COMPLETE" for name in made}
    held = boto3.client("s3").list_buckets()["Buckets"]
    assert {one["Name"] for one in held} == {"credit-dev-123456789012", "credit-dev-123456789012-pipeline"}


def test_with_images_everything_stands(account):
    push_images()
    done = driver(account, "deploy", "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "credit-dev-data: up to date" in done.stdout
    assert set(stacks()) == {f"credit-dev-{name}" for name in templates.STACKS}
    task = boto3.client("ecs").describe_task_definition(taskDefinition="credit-flows")["taskDefinition"]
    told = {one["name"]: one["value"] for one in task["containerDefinitions"][0]["environment"]}
    assert told["CREDIT_BUCKET"] == "credit-dev-123456789012"
    assert "credit-train@sha256:" in told["CREDIT_TRAIN_IMAGE"]
    assert told["CREDIT_TRAIN_SPOT"] == "false", "a new account has no quota of spot instances"
    rules = {one["Name"] for one in boto3.client("events").list_rules()["Rules"]}
    assert rules == {"landing", "approvals", "ecs-tasks", "failed-tasks", "failed-jobs", "failed-pipeline"}


def test_every_stack_says_whose_it_is_and_what_data_it_holds(account):
    for stack in boto3.client("cloudformation").describe_stacks()["Stacks"]:
        tags = {one["Key"]: one["Value"] for one in stack["Tags"]}
        assert tags.keys() == {"credit:stage", "credit:owner", "credit:cost-centre", "credit:data-class"}
        assert tags["credit:owner"] == "credit-risk"


def test_a_second_deployment_changes_nothing(account):
    done = driver(account, "deploy", "dev")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("up to date") == len(templates.STACKS)


def test_a_plan_says_what_a_changed_value_changes(account, tmp_path):
    changed = (account / "dev.env").read_text().replace("LogDays=30", "LogDays=60")
    (tmp_path / "dev.env").write_text(changed)
    before = stacks()
    done = driver(tmp_path, "plan", "dev")
    assert done.returncode == 0, done.stderr
    assert stacks() == before


def test_outputs_are_what_the_manifests_want(account, tmp_path):
    done = driver(account, "manifests", "dev", "--to", str(tmp_path / "kserve"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "kserve")]
    written = (tmp_path / "kserve" / "stage.env").read_text()
    assert written == "SERVE_ROLE_ARN=arn:aws:iam::123456789012:role/credit-serve\n"
    told = dict(line.split("=", 1) for line in driver(account, "outputs", "dev").stdout.splitlines())
    assert told["EcsCluster"] == "credit-dev"
    assert told["OnlineTables"] == "credit-online"


def test_destroying_has_to_be_meant(account):
    done = driver(account, "destroy", "dev")
    assert done.returncode == 1
    assert "orchestration, pipeline, serving, network; add --yes" in done.stdout
    assert len(stacks()) == len(templates.STACKS)


def test_destroying_keeps_the_data(account):
    boto3.client("s3").put_object(Bucket="credit-dev-123456789012", Key="lake/x", Body=b"rows")
    done = driver(account, "destroy", "dev", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(stacks()) == {"credit-dev-data", "credit-dev-training"}
    assert boto3.client("s3").get_object(Bucket="credit-dev-123456789012", Key="lake/x")["Body"].read() == b"rows"


def test_what_was_taken_down_can_be_made_again(account):
    done = driver(account, "deploy", "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(stacks()) == {f"credit-dev-{name}" for name in templates.STACKS}


def test_destroying_takes_the_data_when_asked_also_what_an_interrupted_one_has_left(account):
    boto3.client("cloudformation").delete_stack(StackName="credit-dev-pipeline")
    boto3.client("s3").head_bucket(Bucket="credit-dev-123456789012-pipeline")
    done = driver(account, "destroy", "dev", "--yes", "--with-data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stacks() == {}
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []


def test_without_credentials_it_says_so(account):
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none", "AWS_EC2_METADATA_DISABLED": "true"}
    command = [sys.executable, "-m", "deployments", "--stages", str(account), "plan", "dev"]
    done = subprocess.run(command, cwd=ROOT, env={**bare, **nowhere}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "credentials and a region" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("LogDays", "line 1: 'LogDays' is not KEY=value"),
        ("LogDays=1\nLogDays=2", "line 2: LogDays is given twice"),
        ("LogDayz=30", "LogDayz is not a parameter of a stage"),
        ("Bucket=mine", "Bucket is not a parameter of a stage"),
        ("JWT_ISUER=x", "JWT_ISUER is not a parameter of a stage"),
        ('LogDays="30"', "line 1: LogDays: the value is everything after the =; leave out quotes"),
        ("LogDays=30 # days", "leave out quotes and comments"),
        ("ServeTokenName=tokens", "belong together: give both or neither"),
        ("ServeTokenName=t\nServeTokenSecret=s\nJWT_ISSUER=https://i", "which is not a JWT: give one of the two"),
        ("ServeNodesMin=5\nServeNodesMax=4", "ServeNodesMin 5 is above ServeNodesMax 4"),
    ],
)
def test_a_stage_file_that_does_not_fit_is_refused(text, told, tmp_path):
    (tmp_path / "dev.env").write_text(text)
    with pytest.raises(StageFileError, match=told):
        stages.read(tmp_path / "dev.env")


def test_a_stage_file_of_another_encoding_is_refused(tmp_path):
    (tmp_path / "dev.env").write_bytes("Repository=bänk/credit".encode("latin-1"))
    with pytest.raises(StageFileError, match="is not UTF-8"):
        stages.read(tmp_path / "dev.env")


def test_what_is_missing_is_asked_for_before_anything_is_made(tmp_path):
    with pytest.raises(
        StageFileError, match=r"Account is missing.*\n.*Region is missing.*\n.*PrefectApiUrl is missing"
    ):
        stages.check_complete({"AlarmEmail": "a@b", "BudgetDollars": "1"})
    stages.check_complete({"AlarmEmail": "a@b", "BudgetDollars": "1", **FILLED})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("Account", "12345", "is not of the form"),
        ("Region", "Ireland", "is not of the form"),
        ("LogDays", "31", "is none of 30, 60"),
        ("BudgetDollars", "lots", "is not a number"),
        ("BudgetDollars", "0", "is not between 1 and any"),
        ("TrainSpot", "yes", "is none of true, false"),
        ("PrefectApiUrl", "http://prefect", "is not of the form https"),
        ("Repository", "credit", "is not of the form"),
        ("PrefectApiKeySecret", "arn:aws:secretsmanager:eu-west-1:210987654321:secret:k", "another account or region"),
    ],
)
def test_a_value_that_cloudformation_would_refuse_is_refused_at_once(name, value, told):
    with pytest.raises(StageFileError, match=f"{name}={value} .*{told}"):
        stages.check_complete({**FILLED, name: value})


def test_the_stage_file_is_checked_without_aws(tmp_path):
    (tmp_path / "dev.env").write_text("".join(f"{name}={value}\n" for name, value in FILLED.items()))
    command = [sys.executable, "-m", "deployments", "--stages", str(tmp_path), "check", "dev"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_shipped_stage_files_say_what_to_fill_in(stage):
    with pytest.raises(StageFileError, match=r"correct it, commit and push it.*\n  Account is missing"):
        stages.check_complete(stages.read(stages.FOLDER / f"{stage}.env"))


def test_a_stage_without_a_repository_has_no_pipeline():
    assert "pipeline" not in stages.wanted({**FILLED, "Repository": ""})
    assert stages.wanted(FILLED) == list(templates.STACKS)


def test_istios_policies_are_there_where_the_stage_has_jwts(tmp_path):
    jwt = {name: f"https://{name}" for name in ("JWT_ISSUER", "JWT_KEYS", "ANY_CALLER", "RELEASE_CALLER")}
    values = {**jwt, "JWT_AUDIENCE": "credit"}
    made = {"ServeRoleArn": "arn:aws:iam::123456789012:role/credit-serve"}
    to = tmp_path / "kserve"
    assert manifests.write(to, values, made) == [to, to / "istio"]
    assert "JWT_ISSUER=https://JWT_ISSUER\n" in (to / "istio" / "stage.env").read_text()
    assert manifests.write(to, {}, made) == [to]  # what it wrote itself it writes anew


def test_manifests_delete_nothing_of_anybodys(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    made = {"ServeRoleArn": "arn:aws:iam::123456789012:role/credit-serve"}
    for folder in (tmp_path, manifests.FOLDER):
        with pytest.raises(StageFileError, match="something other than a stage's manifests"):
            manifests.write(folder, {}, made)
    assert (tmp_path / "thesis.txt").read_text() == "all of it"
    assert (manifests.FOLDER / "rbac.yaml").exists()


def test_an_unknown_stage_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(StageFileError, match="stages: dev, prod"):
        stages.read(stages.FOLDER / "test.env")


def test_a_value_that_only_a_person_can_know_is_asked_for():
    made = dict.fromkeys(templates.all_outputs(), "made")
    with pytest.raises(StageFileError, match=r"needs Repository \(GitHub repository.*a line Repository="):
        stages.arguments("pipeline", {**made, "Stage": "dev", "AlarmEmail": "a@b"})


def test_manifests_want_the_stacks_first(tmp_path):
    with pytest.raises(StageFileError, match=r"SERVE_ROLE_ARN.*deploy its stacks first"):
        manifests.write(tmp_path / "kserve", {}, {})
