"""Whether a stage works after a deployment: worker, a task in its network, events, endpoints, roles in the cluster."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from deployments.checks.findings import NOTE, OK, STOP, Finding
from deployments.connect import POOL

RULES = ("landing", "approvals", "ecs-tasks")
FLOWS = "credit-flows"
# What the role of flows may do in the cluster, and what it may not (deployments/kserve/rbac.yaml).
ALLOWED = [f"{verb} inferenceservices.serving.kserve.io" for verb in ("get", "create", "patch", "delete")]
REFUSED = ["get secrets", "create pods", "list inferenceservices.serving.kserve.io"]
GATEWAY = ["get", "service", "istio-ingressgateway", "--namespace=istio-system", "--output=json"]
SERVERS = ["get", "inferenceservices", "--namespace=ml", "--output=json"]


def findings(stage: str, values: Mapping[str, str], outputs: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what every check has found; one that cannot be made becomes a finding too."""
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("worker", lambda: _worker(stage)),
        ("task in the network", lambda: _task(stage, values, outputs)),
        ("events", lambda: _events(stage)),
        ("gateway and DNS", lambda: _gateway(outputs)),
        ("roles in the cluster", _roles),
        ("model servers", _servers),
    ]
    for what, check in checks:
        try:
            yield from check()
        except (ClientError, BotoCoreError, WaiterError, OSError, KeyError, IndexError, ValueError) as error:
            yield Finding(STOP, what, f"could not be checked: {error!r}")


def _worker(stage: str) -> Iterator[Finding]:
    found = boto3.client("ecs").describe_services(cluster=f"credit-{stage}", services=["credit-worker"])["services"][0]
    running, wanted = found["runningCount"], found["desiredCount"]
    said = f"{running} of {wanted} tasks run"
    advice = "see the log group /credit/worker and the service's events in ECS"
    yield Finding(OK, "worker", said) if running >= wanted > 0 else Finding(STOP, "worker", f"{said}: {advice}")


def _task(stage: str, values: Mapping[str, str], outputs: Mapping[str, str]) -> Iterator[Finding]:
    """Run one task as flow runs do; it asks Prefect for the work pool, with the stage's key, and ends."""
    client: Any = boto3.client("ecs")
    network = {"subnets": outputs["Subnets"].split(","), "securityGroups": [outputs["TaskSecurityGroup"]]}
    ask = {
        "name": "prefect",
        "command": ["prefect", "work-pool", "inspect", POOL],
        "environment": [{"name": "PREFECT_API_URL", "value": values["PrefectApiUrl"]}],
    }
    where = {"cluster": f"credit-{stage}", "taskDefinition": FLOWS, "launchType": "FARGATE"}
    place = {"awsvpcConfiguration": {**network, "assignPublicIp": "DISABLED"}}
    started = client.run_task(**where, networkConfiguration=place, overrides={"containerOverrides": [ask]})
    task = {"cluster": where["cluster"], "tasks": [started["tasks"][0]["taskArn"]]}
    client.get_waiter("tasks_stopped").wait(**task)
    ended = client.describe_tasks(**task)["tasks"][0]
    if ended["containers"][0].get("exitCode") == 0:
        yield Finding(OK, "task in the network", f"has reached Prefect with the stage's key; work pool {POOL} exists")
        return
    why = ended["containers"][0].get("reason") or ended.get("stoppedReason", "")
    advice = "see the log group /credit/flows; run make connect if there is no work pool"
    yield Finding(STOP, "task in the network", f"{ended['containers'][0].get('exitCode')} {why}: {advice}")


def _events(stage: str) -> Iterator[Finding]:
    client = boto3.client("events")
    connection = client.describe_connection(Name="prefect")["ConnectionState"]
    yield _is("connection to Prefect", connection, "AUTHORIZED", "is the key's secret right? run make deploy")
    destination = client.describe_api_destination(Name="prefect")["ApiDestinationState"]
    yield _is("destination of events", destination, "ACTIVE", "see EventBridge, API destinations")
    for rule in RULES:
        yield _is(f"rule {rule}", client.describe_rule(Name=rule)["State"], "ENABLED", "enable it in EventBridge")
    queue = boto3.client("sqs").get_queue_url(QueueName=f"credit-{stage}-dead-letters")["QueueUrl"]
    count = "ApproximateNumberOfMessages"
    left = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=[count])["Attributes"][count]
    yield _is("events Prefect did not accept", str(left), "0", "see docs/operations.md")


def _gateway(outputs: Mapping[str, str]) -> Iterator[Finding]:
    address = _kubectl(GATEWAY)["status"]["loadBalancer"]["ingress"][0]["hostname"]
    client = boto3.client("elbv2")
    pages = client.get_paginator("describe_load_balancers").paginate()
    (balancer,) = [one for page in pages for one in page["LoadBalancers"] if one["DNSName"] == address]
    yield _is("load balancer", balancer["State"]["Code"], "active", "wait some minutes")
    for group in client.describe_target_groups(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"]:
        described = client.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
        healthy = any(one["TargetHealth"]["State"] == "healthy" for one in described)
        advice = "see the pods of istio-ingressgateway"
        yield _is(f"gateway, port {group['Port']}", "healthy" if healthy else "unhealthy", "healthy", advice)
    name = f"*.ml.{outputs['EndpointDomain']}."
    pages = boto3.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=outputs["ZoneId"])
    records = [one for page in pages for one in page["ResourceRecordSets"] if _plain(one["Name"]) == name]
    targets = [value["Value"].rstrip(".") for one in records for value in one.get("ResourceRecords", [])]
    wanted = address.rstrip(".")
    yield _is("DNS of the endpoints", ", ".join(targets) or "no record", wanted, "run deployments/kserve/install again")


def _plain(name: str) -> str:
    """Return a name of Route 53, which writes * as an escape, as people write it."""
    return name.replace("\\052", "*")


def _roles() -> Iterator[Finding]:
    for may, asked in ((True, ALLOWED), (False, REFUSED)):
        for one in asked:
            answer = _can(one)
            advice = "apply the manifests of the stage (docs/kubernetes.md)"
            yield _is(f"{FLOWS}: {one.partition('.')[0]}", answer, "yes" if may else "no", advice)


def _can(asked: str) -> str:
    who = ["--namespace=ml", "--as=verify", f"--as-group={FLOWS}"]
    done = subprocess.run(
        ["kubectl", "auth", "can-i", *asked.split(), *who], capture_output=True, text=True, check=False
    )
    return done.stdout.strip().partition(" ")[0] or done.stderr.strip()


def _servers() -> Iterator[Finding]:
    items = _kubectl(SERVERS)["items"]
    if not items:
        yield Finding(NOTE, "model servers", "none yet: the first release makes one")
    for one in items:
        conditions = {it["type"]: it["status"] for it in one.get("status", {}).get("conditions", [])}
        name = one["metadata"]["name"]
        advice = f"kubectl describe inferenceservice {name} --namespace ml"
        yield _is(f"model server {name}", f"Ready={conditions.get('Ready')}", "Ready=True", advice)


def _kubectl(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"kubectl {' '.join(arguments[:3])}: {done.stderr.strip()}; aws eks update-kubeconfig first")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _is(what: str, found: str, wanted: str, advice: str) -> Finding:
    """Return a finding on one value."""
    return Finding(OK, what, found) if found == wanted else Finding(STOP, what, f"{found}, not {wanted}: {advice}")
