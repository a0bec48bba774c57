"""What holds a stage's stacks and is in none of them: log groups, running tasks, Kubernetes' load balancers."""

import time
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deployments import templates
from deployments.errors import StackError
from deployments.functions import Evaluator

POLL_SECONDS = 5.0
# Network interfaces outlive their load balancer by a few minutes.
FREED_WITHIN_SECONDS = 900.0
SERVICE = "credit-worker"
REASON = "the stage is being taken down (make destroy)"


def log_groups(stage: str, stack: str) -> list[str]:
    """Return the names of the log groups of a stack's template."""
    template = templates.load(stack)
    names = Evaluator(template, ref={"Stage": stage}.get, attribute=lambda *_: None)
    groups = [one for one in template["Resources"].values() if one["Type"] == "AWS::Logs::LogGroup"]
    return [name for one in groups if (name := names.evaluate(one["Properties"]["LogGroupName"]))]


def existing(groups: list[str]) -> list[str]:
    """Return those log groups that exist."""
    client: Any = boto3.client("logs")
    found = []
    for group in groups:
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group)
        found += [group for page in pages for one in page["logGroups"] if one["logGroupName"] == group]
    return found


def remove_log_groups(stage: str, stack: str) -> list[str]:
    """Remove log groups of a stack that does not exist, which AWS has written once more after their deletion.

    EKS does so for its cluster. Only groups that bear the stage's name: others may be somebody else's.
    """
    found = existing([name for name in log_groups(stage, stack) if f"credit-{stage}" in name])
    for group in found:
        boto3.client("logs").delete_log_group(logGroupName=group)
    return found


def tasks(cluster: str) -> list[str]:
    """Return the ARNs of running tasks of no service: flow runs. They hold the ECS cluster."""
    client: Any = boto3.client("ecs")
    try:
        pages = client.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="RUNNING")
        listed = [page["taskArns"] for page in pages if page["taskArns"]]
    except client.exceptions.ClusterNotFoundException:
        return []
    found = [one for arns in listed for one in client.describe_tasks(cluster=cluster, tasks=arns)["tasks"]]
    return [one["taskArn"] for one in found if not one.get("group", "").startswith("service:")]


def stop_tasks(cluster: str) -> list[str]:
    """Stop the worker, which would start more, and then the flow runs; return their ARNs once they have ended."""
    client: Any = boto3.client("ecs")
    try:
        client.update_service(cluster=cluster, service=SERVICE, desiredCount=0)
    except ClientError as error:
        known = ("ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException")
        if error.response["Error"]["Code"] not in known:
            raise
    found = tasks(cluster)
    for task in found:
        client.stop_task(cluster=cluster, task=task, reason=REASON)
    for first in range(0, len(found), 100):
        client.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=found[first : first + 100])
    return found


def load_balancers(network: str) -> dict[str, str]:
    """Return the load balancers in a network, names by ARN or, of classic ones, by name.

    No stack makes any: they are Kubernetes', and their network interfaces hold the network.
    """
    pages = boto3.client("elbv2").get_paginator("describe_load_balancers").paginate()
    found = {
        one["LoadBalancerArn"]: one["LoadBalancerName"]
        for page in pages
        for one in page["LoadBalancers"]
        if one.get("VpcId") == network
    }
    classic = boto3.client("elb").get_paginator("describe_load_balancers").paginate()
    names = [
        one["LoadBalancerName"]
        for page in classic
        for one in page["LoadBalancerDescriptions"]
        if one.get("VPCId") == network
    ]
    return found | {name: name for name in names}


def remove_load_balancers(network: str) -> list[str]:
    """Remove the load balancers of a network and the security groups of Kubernetes; return what has gone.

    The cluster must be gone: while it runs, it makes them again.

    Raises:
        StackError: their network interfaces stay.
    """
    found = load_balancers(network)
    for one in found:
        if one.startswith("arn:"):
            boto3.client("elbv2").delete_load_balancer(LoadBalancerArn=one)
        else:
            boto3.client("elb").delete_load_balancer(LoadBalancerName=one)
    _wait_for_interfaces(network)
    return [*found.values(), *_remove_security_groups(network)]


def _wait_for_interfaces(network: str) -> None:
    deadline = time.monotonic() + FREED_WITHIN_SECONDS
    while left := _interfaces(network):
        if time.monotonic() > deadline:
            raise StackError(f"network interfaces {', '.join(left)} of load balancers hold network {network}: see EC2")
        time.sleep(POLL_SECONDS)


def _interfaces(network: str) -> list[str]:
    ours = [{"Name": "vpc-id", "Values": [network]}, {"Name": "description", "Values": ["ELB *"]}]
    found = boto3.client("ec2").describe_network_interfaces(Filters=ours)["NetworkInterfaces"]
    return [one["NetworkInterfaceId"] for one in found]


def _remove_security_groups(network: str) -> list[str]:
    client: Any = boto3.client("ec2")
    ours = [{"Name": "vpc-id", "Values": [network]}, {"Name": "group-name", "Values": ["k8s-*"]}]
    found = client.describe_security_groups(Filters=ours)["SecurityGroups"]
    for one in found:
        client.delete_security_group(GroupId=one["GroupId"])
    return [one["GroupName"] for one in found]
