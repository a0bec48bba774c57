"""A stage from its first plan to its second life, against a CloudFormation that is as slow and late as the service."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from deployments import __main__ as driver
from deployments import leftovers, stacks, stages, templates
from deployments.errors import StackError
from deployments.registry import images
from deployments.stacks import Stack
from tests.deployments.driver.cloud_formation import CloudFormation

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("first hour")]

VALUES = {
    "Account": "123456789012",
    "Region": "eu-west-1",
    "AlarmEmail": "risk@example.com",
    "PrefectApiUrl": "https://prefect.example.com/api",
}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Account:
    """An account with Prefect's key in it, and a folder with the stage's file."""

    def __init__(self, folder: Path, cloud: CloudFormation) -> None:
        self.folder, self.cloud = folder, cloud
        secrets = boto3.client("secretsmanager")
        self.secret = secrets.create_secret(Name="credit/prefect-api-key", SecretString="first")["ARN"]
        self.values: dict[str, str] = {}
        self.write(**VALUES, PrefectApiKeySecret=self.secret)

    def write(self, **values: str) -> None:
        """Fill in values of the shipped stage file, beside those of before."""
        self.values |= values
        lines = [
            line
            for line in (stages.FOLDER / "dev.env").read_text().splitlines()
            if line.partition("=")[0] not in self.values
        ]
        lines += [f"{name}={value}" for name, value in self.values.items()]
        (self.folder / "dev.env").write_text("\n".join(lines) + "\n")

    def run(self, *arguments: str) -> int:
        return driver.main(["--stages", str(self.folder), *arguments])

    def push_images(self) -> None:
        for name in images.REPOSITORIES.values():
            config = {"digest": "sha256:" + "0" * 64, "name": name}
            document = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []})
            boto3.client("ecr").create_repository(repositoryName=name)
            boto3.client("ecr").put_image(repositoryName=name, imageManifest=document, imageTag=images.commit())


@pytest.fixture
def account(tmp_path, monkeypatch) -> Iterator[Account]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(stacks, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(leftovers, "POLL_SECONDS", 0.001)
    with mock_aws():
        boto3.setup_default_session(region_name="eu-west-1")
        cloud = CloudFormation()
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", cloud.endpoint)
        yield Account(tmp_path, cloud)
        cloud.stop()


SHOULD_STAND = {f"credit-dev-{name}" for name in templates.STACKS} - {"credit-dev-pipeline"}


def test_a_stage_lives_twice(account, capsys):
    def said(*arguments: str, code: int = 0) -> str:
        assert account.run(*arguments) == code, capsys.readouterr()
        return capsys.readouterr().out

    assert "credit-dev-orchestration: new" in said("plan", "dev")
    assert account.cloud.stands() == {}, "a plan leaves nothing"

    account.push_images()
    said("deploy", "dev")
    assert account.cloud.stands() == dict.fromkeys(SHOULD_STAND, "CREATE_COMPLETE")
    assert said("plan", "dev").count("up to date") == len(SHOULD_STAND)

    account.write(LogDays="60")
    assert "Modify  FlowLogs (AWS::Logs::LogGroup)" in said("plan", "dev")
    assert "credit-dev-orchestration: up to date" not in said("deploy", "dev")
    assert account.cloud.stands()["credit-dev-orchestration"] == "UPDATE_COMPLETE"
    assert said("plan", "dev").count("up to date") == len(SHOULD_STAND)

    boto3.client("secretsmanager").put_secret_value(SecretId=account.secret, SecretString="second")
    rotated = said("deploy", "dev")
    assert "PrefectConnection (AWS::Events::Connection)" in rotated
    assert "WorkerTask (AWS::ECS::TaskDefinition)" in rotated
    assert "FlowTask" not in rotated, "a flow run reads the key when it starts"

    said("destroy", "dev", "--yes")
    assert account.cloud.stands().keys() == {"credit-dev-data", "credit-dev-training"}
    assert leftovers.existing(["/aws/eks/credit-dev/cluster"]), "EKS has written its log group once more"
    assert "log group /aws/eks/credit-dev/cluster" in said("deploy", "dev")
    assert account.cloud.stands().keys() == SHOULD_STAND


@pytest.fixture
def network(account) -> Stack:
    """A stack that stands."""
    stack = Stack("dev", "network")
    stack.deploy({"Stage": "dev"})
    return stack


def test_a_stack_that_was_only_proposed_is_created(account):
    client = boto3.client("cloudformation")
    given = {"StackName": "credit-dev-network", "ChangeSetName": "by-hand", "ChangeSetType": "CREATE"}
    parameters = [{"ParameterKey": "Stage", "ParameterValue": "dev"}]
    client.create_change_set(TemplateBody=templates.text("network"), Parameters=parameters, **given)
    Stack("dev", "network").deploy({"Stage": "dev"})
    assert account.cloud.stands() == {"credit-dev-network": "CREATE_COMPLETE"}


TRAINING = {
    "Stage": "dev",
    "Bucket": "lake",
    "Boundary": "arn:aws:iam::123456789012:policy/credit-boundary",
    "DataKey": "arn:aws:kms:eu-west-1:123456789012:key/k",
    "AlarmEmail": "risk@example.com",
}


def test_an_operation_is_not_taken_for_the_one_before_it(account):
    training = Stack("dev", "training")
    training.deploy(TRAINING)
    assert training.deploy(TRAINING | {"LogDays": "60"})
    assert account.cloud.stands() == {"credit-dev-training": "UPDATE_COMPLETE"}, "deploy has waited for its own end"
    assert training.status() == "UPDATE_COMPLETE", "and until readers see it"
    training.delete()
    assert account.cloud.stands() == {}
    assert training.status() is None


SOMEBODYS = "/aws/sagemaker/TrainingJobs"


def test_a_name_that_is_taken_is_said_with_the_resource(account):
    boto3.client("logs").create_log_group(logGroupName=SOMEBODYS)
    with pytest.raises(StackError, match=f"is ROLLBACK_COMPLETE:\n  TrainingLogs: .*{SOMEBODYS}.* already exists"):
        Stack("dev", "training").deploy(TRAINING)
    boto3.client("logs").delete_log_group(logGroupName=SOMEBODYS)
    Stack("dev", "training").deploy(TRAINING)
    assert account.cloud.stands() == {"credit-dev-training": "CREATE_COMPLETE"}, "what was rolled back is made again"


def test_what_cloudformation_finds_before_it_begins_is_said_with_the_resource(account):
    account.cloud.early = True
    boto3.client("logs").create_log_group(logGroupName=SOMEBODYS)
    with pytest.raises(StackError, match=f"cannot be changed: .*EarlyValidation.*\n  TrainingLogs: .*{SOMEBODYS}"):
        Stack("dev", "training").plan(TRAINING)
    assert account.cloud.stands() == {}


def test_a_log_group_that_is_not_the_stages_is_left_alone(account):
    boto3.client("logs").create_log_group(logGroupName=SOMEBODYS)
    assert leftovers.remove_log_groups("dev", "training") == []
    assert leftovers.existing([SOMEBODYS]) == [SOMEBODYS]


def test_a_protected_stack_is_not_destroyed(account, network, capsys):
    network.protect(on=True)
    while not network.protected():
        pass
    assert account.run("destroy", "dev", "--yes") == 1
    assert "set TerminationProtection=false in the file of stage dev" in capsys.readouterr().err
    assert account.cloud.stands() == {"credit-dev-network": "CREATE_COMPLETE"}
    network.protect(on=False)
    while network.protected():
        pass
    assert account.run("destroy", "dev", "--yes") == 0
    assert account.cloud.stands() == {}


def test_what_somebody_has_changed_by_hand_is_shown(account, network, capsys):
    assert account.run("drift", "dev") == 0
    assert "credit-dev-network: as its template says" in capsys.readouterr().out
    difference = {"PropertyPath": "/CidrBlock", "ExpectedValue": "a", "ActualValue": "b", "DifferenceType": "NOT_EQUAL"}
    changed = {"LogicalResourceId": "Vpc", "ResourceType": "AWS::EC2::VPC", "StackResourceDriftStatus": "MODIFIED"}
    account.cloud.drifted = [changed | {"PropertyDifferences": [difference]}]
    assert account.run("drift", "dev") == 1
    assert "  Vpc (AWS::EC2::VPC): changed at /CidrBlock" in capsys.readouterr().out


def test_a_load_balancer_that_holds_the_network_is_named_and_removed(account, network, monkeypatch, capsys):
    ec2, elb = boto3.client("ec2"), boto3.client("elbv2")
    real = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=real, CidrBlock="10.40.1.0/24")["Subnet"]["SubnetId"]
    elb.create_load_balancer(Name="k8s-gateway", Subnets=[subnet], Type="network")
    group = ec2.create_security_group(GroupName="k8s-traffic", Description="d", VpcId=real)["GroupId"]
    monkeypatch.setattr(Stack, "outputs", lambda self: {"Vpc": real} if self.template == "network" else {})

    def dependencies() -> str:
        held = elb.describe_load_balancers()["LoadBalancers"]
        return f"The vpc '{real}' has dependencies and cannot be deleted." if held else ""

    account.cloud.holders["Vpc"] = dependencies
    assert account.run("destroy", "dev") == 1
    assert "would end first: load balancer k8s-gateway" in capsys.readouterr().out
    assert account.run("destroy", "dev", "--yes") == 0
    assert "k8s-gateway: removed" in capsys.readouterr().out
    assert account.cloud.stands() == {}
    assert group not in {one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]}


def test_flow_runs_that_hold_the_ecs_cluster_are_named_and_stopped(account, network, capsys):
    ecs = boto3.client("ecs")
    ecs.create_cluster(clusterName="credit-dev")
    container = {"name": "prefect", "image": "i", "memory": 128}
    ecs.register_task_definition(family="credit-flows", cpu="256", memory="512", containerDefinitions=[container])
    started = ecs.run_task(cluster="credit-dev", taskDefinition="credit-flows", launchType="FARGATE")
    arn = started["tasks"][0]["taskArn"]
    assert account.run("destroy", "dev") == 1
    assert f"would end first: flow run, ECS task {arn}" in capsys.readouterr().out
    assert account.run("destroy", "dev", "--yes") == 0
    assert f"flow run, ECS task {arn}: stopped" in capsys.readouterr().out
    assert leftovers.tasks("credit-dev") == []


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_of_another_stage_is_refused_however_the_shell_names_it(account, name, monkeypatch, capsys):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert account.run("plan", "dev") == 1
    assert "stage dev belongs to region eu-west-1, and this shell to us-east-1" in capsys.readouterr().err
    assert account.cloud.calls == []


def test_the_files_region_serves_where_the_shell_names_none(account, monkeypatch, capsys):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert account.run("outputs", "dev") == 0
    assert "stage dev: account 123456789012, region eu-west-1, as arn:" in capsys.readouterr().err


def test_credentials_of_another_stage_are_refused(account, capsys):
    account.write(Account="210987654321")
    assert account.run("deploy", "dev") == 1
    assert "belongs to account 210987654321, and this shell to 123456789012" in capsys.readouterr().err
    assert account.cloud.calls == []


def test_a_secret_that_is_missing_is_asked_for_before_anything_is_made(account, capsys):
    account.write(PrefectApiKeySecret="arn:aws:secretsmanager:eu-west-1:123456789012:secret:typo-a1b2c3")
    assert account.run("deploy", "dev") == 1
    assert "typo-a1b2c3 does not exist: create it" in capsys.readouterr().err
    assert account.cloud.stands() == {}
