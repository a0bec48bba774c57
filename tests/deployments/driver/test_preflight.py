"""What `make preflight` finds: quotas by the names of Service Quotas, names in use, rights, secrets, tools."""

import subprocess
import urllib.error
import urllib.request
from email.message import Message
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from deployments import stages, templates
from deployments.account import Place
from deployments.checks import findings, preflight, quotas
from deployments.checks.findings import NOTE, OK, STOP, Finding
from deployments.checks.quotas import Need
from deployments.registry import images

PLACE = Place("123456789012", "eu-west-1", "arn:aws:iam::123456789012:user/x")
# The names as AWS writes them: general reference, "endpoints and quotas" of each service.
NAMES = {
    "VPCs per Region",
    "NAT gateways per Availability Zone",
    "EC2-VPC Elastic IPs",
    "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "Fargate On-Demand vCPU resource count",
    "ml.m5.xlarge for training job usage",
    "ml.m5.xlarge for transform job usage",
}


def test_a_stage_asks_for_the_quotas_that_it_uses(aws):
    asked = {need.quota: need.amount for need in quotas.needs({})}
    assert asked.keys() == NAMES
    assert asked["Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"] >= 2 * 2 + 4
    spot = {need.quota for need in quotas.needs({"TrainSpot": "true", "Repository": "bank/credit"})}
    assert "ml.m5.xlarge for spot training job usage" in spot
    assert "Concurrently running builds for Linux/Large environment" in spot


def listed(name: str, value: float) -> dict:
    return {"Quotas": [{"ServiceCode": "sagemaker", "QuotaName": name, "QuotaCode": "L-7939E4EC", "Value": value}]}


def test_a_quota_of_the_account_goes_before_awss_default(aws):
    client, need = boto3.client("service-quotas"), Need("sagemaker", "ml.m5.xlarge for training job usage", 1)
    aws.setattr(boto3, "client", lambda *_: client)
    with Stubber(client) as stub:
        stub.add_response("list_service_quotas", listed(need.quota, 4.0), {"ServiceCode": "sagemaker"})
        assert quotas._limit(need) == 4.0
        stub.add_response("list_service_quotas", {"Quotas": []})
        stub.add_response("list_aws_default_service_quotas", listed(need.quota, 0.0))
        assert quotas._limit(need) == 0.0
        stub.add_response("list_service_quotas", {"Quotas": []})
        stub.add_response("list_aws_default_service_quotas", {"Quotas": []})
        assert quotas._limit(need) is None


@pytest.mark.parametrize(
    ("limit", "taken", "stops", "level"),
    [(5, 4, True, OK), (5, 5, True, STOP), (0, 0, True, STOP), (0, 0, False, NOTE), (None, 0, True, NOTE)],
)
def test_what_is_in_use_counts_against_a_quota(limit, taken, stops, level):
    found = quotas._judge(Need("ec2", "EC2-VPC Elastic IPs", 1, stops=stops), limit, taken)
    assert found.level == level
    assert ("ask for more" in found.said) is (level != OK and limit is not None)


def test_a_log_group_of_somebody_elses_jobs_stops_and_one_of_a_deleted_cluster_does_not(aws):
    for group in (
        "/aws/sagemaker/TrainingJobs",
        "/aws/sagemaker/TrainingJobs-of-others",
        "/aws/eks/credit-dev/cluster",
    ):
        boto3.client("logs").create_log_group(logGroupName=group)
    levels = {found.said.split()[0]: found.level for found in preflight._names("dev", {})}
    assert levels == {"/aws/sagemaker/TrainingJobs": STOP, "/aws/eks/credit-dev/cluster": OK}


def test_a_role_without_a_view_of_the_bill_learns_how_to_get_it(aws):
    client = boto3.client("budgets")
    aws.setattr(boto3, "client", lambda *_: client)
    with Stubber(client) as stub:
        stub.add_client_error("describe_budgets", "AccessDeniedException", "Account is not authorized")
        (found,) = preflight._budget(PLACE)
        assert found.level == STOP
        assert "as root" in found.said
        stub.add_client_error("describe_budgets", "ThrottlingException")
        with pytest.raises(ClientError):
            list(preflight._budget(PLACE))


def test_a_role_that_is_not_there_is_no_obstacle(aws):
    boto3.client("iam").create_role(RoleName="AWSServiceRoleForECS", AssumeRolePolicyDocument="{}")
    levels = {found.said.split()[0]: found.level for found in preflight._roles()}
    assert levels["AWSServiceRoleForECS"] == OK
    assert levels["AWSServiceRoleForAmazonEKS"] == NOTE


URL = "https://api.prefect.cloud/api/accounts/a/workspaces/w"


@pytest.mark.parametrize(("code", "level"), [(401, OK), (403, OK), (404, STOP), (503, STOP)])
def test_an_answer_of_prefect_without_a_key_is_an_answer(code, level, monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.HTTPError(URL, code, "no", Message(), None)

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    found = {one.what: one for one in preflight._prefect({"PrefectApiUrl": URL})}
    assert found["Prefect's API"].level == level
    assert found["PrefectWebhook"].level == STOP, "Cloud has no other way in for events"


def test_a_prefect_that_cannot_be_reached_stops(monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    (found,) = preflight._prefect({"PrefectApiUrl": "https://prefect.bank.example/api"})
    assert (found.level, found.what) == (STOP, "Prefect's API")


def test_kubectl_may_differ_by_one_minor_version():
    minor = int(templates.parameters("serving")["KubernetesVersion"]["Default"].partition(".")[2])
    for theirs, level in ((minor, OK), (minor + 1, OK), (minor - 2, NOTE)):
        said = f'{{"clientVersion": {{"gitVersion": "v1.{theirs}.0"}}}}'
        assert preflight._kubectl(said).level == level


def test_a_tool_that_writes_its_version_elsewhere_or_does_not_run_is_no_obstacle(monkeypatch):
    answers = {"aws": (0, "", "aws-cli/1.42"), "helm": (1, "", "panic: x"), "git": (0, "git version 2", "")}
    monkeypatch.setattr(preflight.shutil, "which", lambda name: name if name in answers else None)
    monkeypatch.setattr(
        preflight.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, *answers[command[0]])
    )
    found = {one.what: (one.level, one.said) for one in preflight._tools()}
    assert found["aws"] == (OK, "aws-cli/1.42")
    assert found["helm"] == (NOTE, "does not run: panic: x")
    assert found["kubectl"][0] == found["image builder"][0] == NOTE


def test_a_secret_that_is_missing_or_being_deleted_stops(aws):
    client = boto3.client("secretsmanager")
    arn = client.create_secret(Name="key", SecretString="value")["ARN"]
    assert [one.level for one in preflight._secrets({"PrefectApiKeySecret": arn})] == [OK]
    client.delete_secret(SecretId=arn)
    (gone,) = preflight._secrets({"PrefectApiKeySecret": arn})
    assert (gone.level, "restore-secret" in gone.said) == (STOP, True)
    empty = client.create_secret(Name="empty")["ARN"]
    (hollow,) = preflight._secrets({"PrefectApiKeySecret": empty})
    assert (hollow.level, "put-secret-value" in hollow.said) == (STOP, True)


def test_a_stage_file_that_is_not_committed_stops_where_a_pipeline_reads_it(monkeypatch):
    monkeypatch.setattr(images, "uncommitted", lambda _: ["deployments/stages/dev.env"])
    monkeypatch.setattr(stages, "check_complete", lambda _: None)
    assert [one.level for one in preflight._stage_file("dev", {})] == [OK, NOTE]
    assert [one.level for one in preflight._stage_file("dev", {"Repository": "a/b"})] == [OK, STOP]


def test_a_check_that_aws_refuses_is_a_finding_and_the_others_go_on(monkeypatch):
    def refuse(*_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListServiceQuotas")
        yield

    quiet = {name: lambda *_: iter(()) for name in ("_stage_file", "_secrets", "_names", "_prefect", "_tools")}
    for name, check in quiet.items():
        monkeypatch.setattr(preflight, name, check)
    monkeypatch.setattr(preflight, "_budget", refuse)
    monkeypatch.setattr(preflight, "_roles", lambda: iter([Finding(OK, "roles", "r")]))
    monkeypatch.setattr(preflight, "quotas", SimpleNamespace(check=lambda _: iter(())))
    found = list(preflight.findings("dev", {}, PLACE))
    assert [one.level for one in found] == [OK, STOP, OK]


def test_the_exit_code_says_whether_a_deployment_would_stop(capsys):
    assert findings.report([Finding(OK, "a", "b"), Finding(NOTE, "c", "d")]) == 0
    assert findings.report([Finding(STOP, "e", "f"), Finding(OK, "a", "b")]) == 1
    assert "STOP  e " in capsys.readouterr().out
