"""The templates of deployments/aws: free of findings, in step with each other and with the code they are made for."""

import json
import logging
import re
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pycfmodel
import pytest
from cfripper.config.config import Config
from cfripper.rule_processor import RuleProcessor
from cfripper.rules import DEFAULT_RULES
from prefect.settings import get_current_settings

from credit_model.contract.contract import contract_names
from deployments import stages, templates
from deployments.errors import StageFileError
from images.serve.prediction_log import SCHEMA
from tasks.naming import dashed
from tasks.sagemaker.registry import group_name
from tasks.settings import Settings
from tests.deployments.policies import evaluator

ROOT = Path(__file__).parents[2]
FILES = {stack: templates.FOLDER / f"{stack}.yaml" for stack in templates.STACKS}
PORTFOLIOS = contract_names()
ROLE_PATTERN = re.compile(r"[a-z0-9-]+:[A-Za-z]+")
# What cfripper finds and we keep, and why.
KEPT = {
    # The statement that lets IAM decide: AWS's own default policy of a key.
    ("GenericResourceWildcardPolicyRule", "DataKey"),
    # SageMaker knows no resource for its lists, and Auto Scaling none for describing.
    ("WildcardResourceRule", "FlowRole"),
    ("WildcardResourceRule", "AutoscalerRole"),
    # The boundary is what a pipeline may do at most, whatever a stage will consist of (docs/decisions/0019).
    ("GenericResourceWildcardPolicyRule", "Boundary"),
    ("IAMRoleWildcardActionOnPolicyRule", "Boundary"),
    ("PrivilegeEscalationRule", "Boundary"),
    ("WildcardResourceRule", "Boundary"),
}
# pycfmodel tries every type for every property of what it has no model of, which for clusters takes minutes.
UNSCANNED = "AWS::EKS::Cluster"


def resources(stack):
    return templates.load(stack)["Resources"]


def test_every_template_is_in_the_order_of_the_stacks():
    assert {path.stem for path in templates.FOLDER.glob("*.yaml")} == set(templates.STACKS)


@pytest.mark.integration
def test_cfn_lint_finds_nothing():
    command = [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--", *FILES.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("stack", templates.STACKS)
def test_cfripper_finds_nothing_but_what_is_explained(stack):
    logging.disable(logging.WARNING)
    template = templates.load(stack)
    scanned = {name: one for name, one in template["Resources"].items() if one["Type"] != UNSCANNED}
    here = {"AWS::AccountId": "123456789012", "AWS::Region": "eu-west-1", "AWS::Partition": "aws"}
    for one in scanned.values():
        trust = one.get("Properties", {}).get("AssumeRolePolicyDocument", {})
        if "Fn::Sub" in trust:  # JSON as text, for the name of a key that only CloudFormation knows
            one["Properties"]["AssumeRolePolicyDocument"] = json.loads(trust["Fn::Sub"][0])
    model = pycfmodel.parse({**template, "Resources": scanned}).resolve(extra_params=here)
    config = Config(stack_name=stack, aws_account_id=here["AWS::AccountId"], rules=list(DEFAULT_RULES))
    found = RuleProcessor(*[DEFAULT_RULES[rule](config) for rule in config.rules]).process_cf_template(
        model, config, {}
    )
    logging.disable(logging.NOTSET)
    findings = {(one.rule, name): one.reason for one in found.failures for name in one.resource_ids}
    assert {finding: reason for finding, reason in findings.items() if finding not in KEPT} == {}


@pytest.mark.parametrize("stack", templates.STACKS)
def test_cloudformation_takes_the_template_as_text(stack):
    assert len(templates.text(stack).encode()) <= 51_200


def test_a_parameter_is_the_stages_own_or_an_output_of_a_stack_before():
    made: set[str] = set()
    for stack in templates.STACKS:
        for name in templates.parameters(stack):
            later = {output for other in templates.STACKS for output in templates.outputs(other)} - made
            assert name not in later, f"{stack}.{name} is made by a later stack"
        assert not made & set(templates.outputs(stack)), "an output names one thing"
        made |= set(templates.outputs(stack))


def test_a_parameter_means_the_same_in_every_template():
    told: dict[str, set[str]] = {}
    for stack in templates.STACKS:
        for name, rules in templates.parameters(stack).items():
            told.setdefault(name, set()).add(str((rules["Description"], rules.get("Default"))))
    assert {name: words for name, words in told.items() if len(words) > 1} == {}


@pytest.mark.parametrize("stack", templates.STACKS)
def test_no_role_is_granted_every_action_of_a_service(stack):
    for name, resource in resources(stack).items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        for policy in resource["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert all(ROLE_PATTERN.fullmatch(action) for action in actions), (name, actions)


ROLES = [(stack, name) for stack in templates.STACKS for name, one in resources(stack).items() if "Role" in one["Type"]]


@pytest.mark.parametrize(("stack", "role"), ROLES)
def test_every_role_has_the_stages_boundary(stack, role):
    assert resources(stack)[role]["Properties"]["PermissionsBoundary"] == {"Ref": "Boundary"}


def boundary(sid):
    statements = resources("data")["Boundary"]["Properties"]["PolicyDocument"]["Statement"]
    return next(one for one in statements if one["Sid"] == sid)


# Actions on IAM that know the condition key iam:PermissionsBoundary:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html.
BOUNDED = {
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
}


def test_under_the_boundary_roles_are_made_only_with_it():
    within = boundary("RolesUnderThisBoundary")
    assert within["Condition"]["StringEquals"].keys() == {"iam:PermissionsBoundary"}
    assert set(within["Action"]) <= BOUNDED
    free = {
        action
        for one in resources("data")["Boundary"]["Properties"]["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow" and "Condition" not in one
        for action in ([one["Action"]] if isinstance(one.get("Action"), str) else one.get("Action", []))
    }
    assert not free & BOUNDED
    assert "iam:*" in boundary("AllButIdentities")["NotAction"]


def test_the_pipeline_cannot_give_itself_more():
    own = {one["Properties"]["RoleName"] for one in resources("pipeline").values() if "Role" in one["Type"]}
    denied = boundary("ThePipelineStaysAsItIs")
    assert {str(one["Fn::Sub"]).rsplit("/", 1)[-1] for one in denied["Resource"]} == own
    assert set(denied["Action"]) >= BOUNDED - {"iam:DeleteRolePermissionsBoundary"}


def environment(logical):
    container = resources("orchestration")[logical]["Properties"]["ContainerDefinitions"][0]
    secrets = [one["Fn::If"][1] if "Fn::If" in one else one for one in container["Secrets"]]
    return {one["Name"] for one in (*container["Environment"], *secrets)}


def test_flow_runs_are_told_every_setting_that_has_no_default_and_none_that_does_not_exist():
    known = {f"CREDIT_{name.upper()}": field for name, field in Settings.model_fields.items()}
    told = environment("FlowTask")
    assert {name for name, field in known.items() if field.is_required()} <= told
    assert told - known.keys() == {"PREFECT_API_KEY", "CREDIT_EKS_CLUSTER"}
    assert {"CREDIT_ONLINE_TABLES", "CREDIT_PREDICTION_LOG", "CREDIT_SERVE_TOKEN", "CREDIT_GIT_COMMIT"} <= told


def test_the_worker_knows_its_server_and_key():
    assert environment("WorkerTask") == {"PREFECT_API_URL", "PREFECT_API_KEY"}


@pytest.mark.integration
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_workers_health_is_what_prefect_says_of_it(status, healthy):
    worker = resources("orchestration")["WorkerTask"]["Properties"]["ContainerDefinitions"][0]
    kind, program, *arguments = worker["HealthCheck"]["Command"]
    assert (kind, program) == ("CMD", "python")
    assert "--with-healthcheck" in worker["Command"]
    port = get_current_settings().worker.webserver.port
    with serving(status) as other:
        code = arguments[-1].replace(f"127.0.0.1:{port}/health", f"127.0.0.1:{other}/health")
        assert code != arguments[-1]
        done = subprocess.run([sys.executable, *arguments[:-1], code], capture_output=True, check=False)
    assert (done.returncode == 0) is healthy


@contextmanager
def serving(status):
    """Answer GET /health with a status; the port is given."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_no_table_is_deleted_by_mistake_and_all_are_under_the_stages_key():
    tables = [one["Properties"] for one in resources("data").values() if one["Type"] == "AWS::DynamoDB::Table"]
    assert tables
    for table in tables:
        assert table["DeletionProtectionEnabled"] is True
        assert table["SSESpecification"]["KMSMasterKeyId"] == {"Fn::GetAtt": ["DataKey", "Arn"]}
    told = resources("orchestration")["FlowTask"]["Properties"]["ContainerDefinitions"][0]["Environment"]
    assert {"Name": "CREDIT_DATA_KEY", "Value": {"Ref": "DataKey"}} in told


@pytest.mark.parametrize("stack", templates.STACKS)
def test_a_stack_that_holds_or_handles_applicants_says_so(stack):
    kinds = {one["Type"] for one in resources(stack).values()}
    handles = kinds & {"AWS::DynamoDB::Table", "AWS::Glue::Database", "AWS::EKS::Cluster", "AWS::ECS::Cluster"}
    assert templates.data_class(stack) == ("personal" if handles else "internal")


def test_every_shipped_portfolio_has_its_online_table_and_model_group():
    found = [one["Properties"] for stack in ("data", "training") for one in resources(stack).values()]
    tables = {one["TableName"]: one["KeySchema"] for one in found if "TableName" in one}
    groups = {one["ModelPackageGroupName"] for one in found if "ModelPackageGroupName" in one}
    key = [{"AttributeName": "application_id", "KeyType": "HASH"}]
    assert tables == {f"credit-online-{dashed(name)}": key for name in PORTFOLIOS}
    assert groups == {group_name(name) for name in PORTFOLIOS}


def test_the_table_of_predictions_has_the_columns_that_model_servers_write():
    glue = {"string": "string", "double": "double", "timestamp[us, tz=UTC]": "timestamp"}
    described = resources("data")["PredictionsTable"]["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
    assert [(one["Name"], one["Type"]) for one in described] == [(one.name, glue[str(one.type)]) for one in SCHEMA]


def test_cluster_role_and_nodes_are_the_ones_that_releases_ask_for():
    fields = Settings.model_fields
    namespace, account, group = (fields[name].default for name in ("namespace", "service_account", "serve_node_group"))
    serving = resources("serving")
    assert f'"system:serviceaccount:{namespace}:{account}"' in str(
        serving["ServeRole"]["Properties"]["AssumeRolePolicyDocument"]
    )
    nodes = serving["ServeNodes"]["Properties"]
    assert nodes["Labels"] == {"credit/node-group": group}
    assert nodes["Taints"] == [{"Key": "credit/node-group", "Value": group, "Effect": "NO_SCHEDULE"}]
    access = resources("orchestration")["FlowAccess"]["Properties"]["KubernetesGroups"]
    rbac = (ROOT / "deployments" / "kserve" / "rbac.yaml").read_text()
    assert [name for name in access if f"name: {name}" not in rbac] == []


def cluster(**values):
    """Return the cluster's properties and the conditions that hold, for a stage's values."""
    template = templates.load("serving")
    given = {name: rules.get("Default", f"<{name}>") for name, rules in template["Parameters"].items()} | values
    here = evaluator(template, given)
    shown = {name: one for name, one in template["Resources"]["Cluster"]["Properties"].items() if name != "RoleArn"}
    return here.evaluate({**shown, "Conditions": {name: {"Fn::If": [name, 1, 0]} for name in template["Conditions"]}})


def test_nobody_outside_the_network_reaches_the_clusters_api_unless_a_stage_names_networks():
    assert cluster()["ResourcesVpcConfig"]["EndpointPublicAccess"] is False
    opened = cluster(AdminCidrs=["192.0.2.7/32"])["ResourcesVpcConfig"]
    assert (opened["EndpointPublicAccess"], opened["PublicAccessCidrs"]) == (True, ["192.0.2.7/32"])


@pytest.mark.parametrize(("networks", "taken"), [("0.0.0.0/0", False), ("10.0.0.0/8", False), ("192.0.2.7/32", True)])
def test_the_clusters_api_is_never_open_to_the_world(networks, taken):
    pattern = templates.parameters("serving")["AdminCidrs"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, networks)) is taken


def test_people_administer_the_cluster_through_the_role_that_the_stage_names_alone():
    assert cluster()["AccessConfig"]["BootstrapClusterCreatorAdminPermissions"] is False
    assert cluster()["Conditions"]["Administered"] == 0
    assert cluster(AdminRoleArn="arn:aws:iam::123456789012:role/admin")["Conditions"]["Administered"] == 1


def test_autoscalers_have_the_cpu_they_read_and_the_role_they_act_under():
    serving, install = resources("serving"), (ROOT / "deployments" / "kserve" / "install").read_text()
    assert "metrics-server" in {one["Properties"].get("AddonName") for one in serving.values()}
    account = re.search(r"system:serviceaccount:kube-system:([a-z-]+)", str(serving["AutoscalerRole"]))[1]
    assert f"rbac.serviceAccount.name={account}" in install


def test_stages_differ_in_every_value_that_they_state():
    dev, prod = (stages.lines(stages.FOLDER / f"{stage}.env") for stage in ("dev", "prod"))
    assert dev.keys() == prod.keys()
    assert {name for name in dev if dev[name] == prod[name] != ""} == set()
    for path in stages.FOLDER.glob("*.env"):
        stages.read(path)


@pytest.mark.parametrize(
    ("stage", "given", "refused"),
    [
        ("prod", {}, True),
        ("dev", {}, False),
        ("prod", {"ServeTokenSecret": "arn:aws:secretsmanager:s", "ServeTokenName": "t"}, False),
        ("prod", {"JWT_ISSUER": "https://login.example.com"}, False),
    ],
)
def test_in_prod_model_servers_answer_nobody_without_a_token_or_jwt(stage, given, refused):
    values = {name: "given" for stack in templates.STACKS for name in templates.parameters(stack)}
    values = {**values, "ServeTokenSecret": "", "ServeTokenName": "", "Stage": stage, **given}
    with pytest.raises(StageFileError) as caught:  # for other reasons too: "given" is not a value of every parameter
        stages.check_complete(values)
    assert ("would answer anyone in the network: give ServeTokenSecret" in str(caught.value)) is refused


SERVICES = {
    "S3": "AWS::S3::Bucket",
    "Athena": "AWS::Athena::WorkGroup",
    "Glue": "AWS::Glue::Database",
    "SageMaker": "AWS::SageMaker::ModelPackageGroup",
    "ECR": "AWS::ECR::Repository",
    "ECS": "AWS::ECS::Cluster",
    "EKS": "AWS::EKS::Cluster",
    "EC2": "AWS::EKS::Nodegroup",
    "DynamoDB": "AWS::DynamoDB::Table",
    "EventBridge": "AWS::Events::Rule",
    "CodePipeline": "AWS::CodePipeline::Pipeline",
    "CloudWatch": "AWS::CloudWatch::Alarm",
    "IAM": "AWS::IAM::Role",
}


def test_the_page_names_template_and_line_of_every_service():
    page = (ROOT / "docs" / "aws.md").read_text()
    rows = re.findall(r"^\| (\w+) \| .* \| `([a-z]+)\.yaml:(\d+)` \|$", page, re.MULTILINE)
    assert {service for service, _, _ in rows} >= SERVICES.keys()
    for service, stack, number in rows:
        first, kind = FILES[stack].read_text().splitlines()[int(number) - 1 : int(number) + 1]
        if service in SERVICES:
            assert kind.strip() == f"Type: {SERVICES[service]}", (service, first, kind)
