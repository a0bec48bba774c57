"""What `make verify` finds in a stage that works, and in one where a part does not."""

import json
import subprocess

import boto3
import pytest
from botocore.stub import Stubber

from deployments.checks import verify
from deployments.checks.findings import NOTE, OK, STOP

OUTPUTS = {"Subnets": "subnet-1,subnet-2", "TaskSecurityGroup": "sg-1", "EndpointDomain": "credit.internal"}
VALUES = {"PrefectApiUrl": "https://prefect.example.com/api"}
TASK = "arn:aws:ecs:eu-west-1:123456789012:task/credit-dev/1"


def levels(found) -> dict[str, str]:
    return {one.what: one.level for one in found}


@pytest.mark.parametrize(("running", "wanted", "level"), [(1, 1, OK), (0, 1, STOP), (0, 0, STOP)])
def test_a_worker_has_to_run(aws, running, wanted, level):
    client = boto3.client("ecs")
    aws.setattr(boto3, "client", lambda _: client)
    with Stubber(client) as stub:
        asked = {"cluster": "credit-dev", "services": ["credit-worker"]}
        stub.add_response("describe_services", {"services": [{"runningCount": running, "desiredCount": wanted}]}, asked)
        assert levels(verify._worker("dev")) == {"worker": level}


def ended(container: dict) -> dict:
    return {"tasks": [{"taskArn": TASK, "lastStatus": "STOPPED", "stoppedReason": "ended", "containers": [container]}]}


@pytest.mark.parametrize(
    ("container", "level", "said"),
    [
        ({"exitCode": 0}, OK, "has reached Prefect"),
        ({"exitCode": 1}, STOP, "1 ended: see the log group /credit/flows"),
        ({"reason": "CannotPullContainerError"}, STOP, "None CannotPullContainerError"),
    ],
)
def test_a_task_asks_prefect_from_where_flow_runs_run(aws, container, level, said):
    client = boto3.client("ecs")
    aws.setattr(boto3, "client", lambda _: client)
    with Stubber(client) as stub:
        network = {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}
        override = {
            "name": "prefect",
            "command": ["prefect", "work-pool", "inspect", "credit-ecs"],
            "environment": [{"name": "PREFECT_API_URL", "value": VALUES["PrefectApiUrl"]}],
        }
        asked = {
            "cluster": "credit-dev",
            "taskDefinition": "credit-flows",
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": network},
            "overrides": {"containerOverrides": [override]},
        }
        stub.add_response("run_task", {"tasks": [{"taskArn": TASK}]}, asked)
        for _ in ("the waiter", "the exit code"):
            stub.add_response("describe_tasks", ended(container), {"cluster": "credit-dev", "tasks": [TASK]})
        (found,) = verify._task("dev", VALUES, OUTPUTS)
    assert found.level == level
    assert said in found.said


def test_events_have_a_way_to_prefect_and_none_is_left(aws):
    events, sqs = boto3.client("events"), boto3.client("sqs")
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "Authorization", "ApiKeyValue": "Bearer x"}}
    made = events.create_connection(Name="prefect", AuthorizationType="API_KEY", AuthParameters=key)["ConnectionArn"]
    events.create_api_destination(
        Name="prefect", ConnectionArn=made, InvocationEndpoint="https://prefect.example.com", HttpMethod="POST"
    )
    for rule in verify.RULES:
        events.put_rule(Name=rule, EventPattern="{}", State="ENABLED")
    queue = sqs.create_queue(QueueName="credit-dev-dead-letters")["QueueUrl"]
    assert set(levels(verify._events("dev")).values()) == {OK}
    events.disable_rule(Name="landing")
    sqs.send_message(QueueUrl=queue, MessageBody="an event")
    found = levels(verify._events("dev"))
    assert {what for what, level in found.items() if level == STOP} == {"rule landing", "events Prefect did not accept"}


def test_the_endpoints_names_lead_to_the_gateway(aws):
    ec2, elb, route53 = boto3.client("ec2"), boto3.client("elbv2"), boto3.client("route53")
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.40.1.0/24")["Subnet"]["SubnetId"]
    made = elb.create_load_balancer(Name="gateway", Subnets=[subnet], Type="network")["LoadBalancers"][0]
    group = elb.create_target_group(Name="gateway", Protocol="TCP", Port=443, VpcId=vpc)["TargetGroups"][0]
    action = {"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}
    elb.create_listener(LoadBalancerArn=made["LoadBalancerArn"], Protocol="TCP", Port=443, DefaultActions=[action])
    zone = route53.create_hosted_zone(Name="credit.internal", CallerReference="1")["HostedZone"]["Id"]
    service = {"status": {"loadBalancer": {"ingress": [{"hostname": made["DNSName"]}]}}}
    aws.setattr(verify, "_kubectl", lambda _: service)
    assert levels(verify._gateway({**OUTPUTS, "ZoneId": zone}))["DNS of the endpoints"] == STOP
    value = {"Name": "*.ml.credit.internal", "Type": "CNAME", "TTL": 300}
    record = value | {"ResourceRecords": [{"Value": made["DNSName"]}]}
    change = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    found = levels(verify._gateway({**OUTPUTS, "ZoneId": zone}))
    assert found["DNS of the endpoints"] == OK
    assert found["gateway, port 443"] == STOP, "nobody stands behind it"


def test_route_53_writes_a_star_as_an_escape():
    assert verify._plain("\\052.ml.credit.internal.") == "*.ml.credit.internal."


def test_flows_may_do_what_a_release_needs_and_no_more(monkeypatch):
    def kubectl(command, **_):
        assert command[-2:] == ["--as=verify", "--as-group=credit-flows"]
        release = command[4].startswith("inferenceservices") and command[3] != "list"
        allowed = release or command[3:5] == ["get", "secrets"]
        return subprocess.CompletedProcess(command, int(not allowed), "yes\n" if allowed else "no\n", "")

    monkeypatch.setattr(verify.subprocess, "run", kubectl)
    found = levels(verify._roles())
    assert {what for what, level in found.items() if level == STOP} == {"credit-flows: get secrets"}


def test_a_model_server_has_to_be_ready(monkeypatch):
    def server(name: str, ready: str) -> dict:
        return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}

    items = [server("case", "True"), server("uci", "False")]
    monkeypatch.setattr(
        verify.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, json.dumps({"items": items}), "")
    )
    assert levels(verify._servers()) == {"model server case": OK, "model server uci": STOP}
    items.clear()
    assert levels(verify._servers()) == {"model servers": NOTE}


def test_a_cluster_that_does_not_answer_is_a_finding(aws):
    def refuse(*_, **__):
        return subprocess.CompletedProcess([], 1, "", "connection refused")

    aws.setattr(verify.subprocess, "run", refuse)
    found = {one.what: one for one in verify.findings("dev", VALUES, OUTPUTS)}
    assert found["model servers"].level == STOP
    assert "connection refused; aws eks update-kubeconfig first" in found["model servers"].said
