"""What policies allow, and what of it is lacking or idle; of real calls asks tests/e2e/test_iam.py."""

import pytest

from tests.deployments.calls import Call, Exempt, idle, lacking, needed
from tests.deployments.exempt import EXEMPT
from tests.deployments.policies import PSEUDO, ROLES, Grant, evaluator, grants

KEY = "arn:aws:kms:eu-west-1:123456789012:key/k"
VALUES = {
    "Stage": "dev",
    "Bucket": "lake",
    "DataKey": KEY,
    "Database": "credit",
    "Workgroup": "credit",
    "OnlineTables": "credit-online",
    "SageMakerRoleArn": "arn:aws:iam::123456789012:role/credit-dev-sagemaker",
    "EksCluster": "credit",
    "PrefectApiKeySecret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:p",
    "ServeTokenSecret": "",
}
READ = Grant("s3:GetObject", "arn:aws:s3:::lake/models/*", "Read")
WRITE = Grant("s3:PutObject", "arn:aws:s3:::lake/models/*", "Read")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_do_everything(role):
    held = grants(role, VALUES)
    assert held
    for grant in held:
        service, _, action = grant.action.partition(":")
        assert service.isalnum(), grant
        assert action.isalnum(), f"{grant}: a wildcard allows what nobody has looked at"


# Actions for which AWS knows no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/.
EVERYWHERE = {
    "cloudwatch:PutMetricData",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "ecs:DescribeTaskDefinition",
    "sagemaker:ListModelPackages",
    "sagemaker:ListTrainingJobs",
    "sagemaker:ListTransformJobs",
}


@pytest.mark.parametrize("role", ROLES)
def test_resources_are_named_wherever_the_service_knows_any(role):
    assert {grant.action for grant in grants(role, VALUES) if grant.resource == "*"} <= EVERYWHERE


def test_functions_are_worked_out():
    template = {
        "Conditions": {"Told": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Token"}, ""]}]}},
        "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": {"Fn::Sub": "credit-${Stage}"}}}},
    }
    values = [
        {"Fn::Sub": "arn:${AWS::Partition}:s3:::${Bucket}/*"},
        {"Fn::GetAtt": ["Role", "Arn"]},
        {"Fn::If": ["Told", {"Ref": "Token"}, {"Ref": "AWS::NoValue"}]},
    ]
    known = {"Stage": "dev", "Bucket": "lake"}
    two = ["arn:aws:s3:::lake/*", f"arn:aws:iam::{PSEUDO['AWS::AccountId']}:role/credit-dev"]
    assert evaluator(template, {**known, "Token": ""}).evaluate(values) == two
    assert evaluator(template, {**known, "Token": "t"}).evaluate(values) == [*two, "t"]
    with pytest.raises(KeyError, match="Bucket"):
        evaluator(template, {}).evaluate(values[0])


@pytest.mark.parametrize(
    ("pattern", "resource", "allowed"),
    [
        ("arn:aws:s3:::lake/models/*", "arn:aws:s3:::lake/models/a/b", True),
        ("arn:aws:s3:::lake/models/*", "arn:aws:s3:::lake/models", False),
        ("arn:aws:s3:::lake", "arn:aws:s3:::lake/models", False),
        ("arn:aws:s3:::lake/?", "arn:aws:s3:::lake/a", True),
        ("arn:aws:s3:::lake/[a]", "arn:aws:s3:::lake/a", False),
        ("*", "*", True),
        ("arn:aws:sagemaker:eu-west-1:1:training-job/*", "*", False),
        ("arn:aws:athena:eu-west-1:1:workgroup/credit", None, True),
    ],
)
def test_what_a_grant_allows(pattern, resource, allowed):
    assert Grant("x:Y", pattern, "S").allows("x:Y", resource) is allowed
    assert not Grant("x:Z", pattern, "S").allows("x:Y", resource)


def test_what_is_used_and_not_granted_is_found():
    calls = needed([("s3:HeadObject", "arn:aws:s3:::lake/models/a"), ("s3:GetObject", "arn:aws:s3:::lake/x")], KEY)
    assert lacking(calls, [READ]) == [Call("kms:Decrypt", KEY), Call("s3:GetObject", "arn:aws:s3:::lake/x")]
    assert lacking(needed([("sts:GetCallerIdentity", "*")], KEY), []) == []


def test_what_is_granted_and_not_used_is_found():
    calls = [Call("s3:GetObject", "arn:aws:s3:::lake/models/a")]
    other = Grant("s3:GetObject", "arn:aws:s3:::lake/other/*", "Read")
    assert idle(calls, [READ]) == []
    assert idle(calls, [READ, WRITE]) == ["Read: s3:PutObject is granted and never used"]
    assert idle(calls, [READ, other]) == ["Read: nothing is ever done to arn:aws:s3:::lake/other/*"]


def test_an_exemption_covers_what_it_names_and_must_name_something():
    calls = [Call("s3:GetObject", "arn:aws:s3:::lake/models/a")]
    exempt = Exempt("Read", "uploads break off only when the network does", action="s3:PutObject")
    assert idle(calls, [READ, WRITE], [exempt]) == []
    assert idle(calls, [READ], [exempt]) == ["Read: an exemption of what is not granted"]


@pytest.mark.parametrize("role", ROLES)
def test_every_exemption_is_of_something_that_is_granted(role):
    held = grants(role, VALUES)
    assert all(any(one.covers(grant) for grant in held) for one in EXEMPT[role])
    assert all(one.why for one in EXEMPT[role])
