"""The states of ECS tasks as events: `ECS Task State Change`, with all that DescribeTasks would show."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.events.bus import publish
from sandbox.aws.events.sources import event

_STARTING = {"PROVISIONING", "PENDING", "ACTIVATING"}
# The fields of the event's detail, and of each container in it, that AWS's sample has; Python's names are moto's.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
_FIELDS = {
    "attachments": "attachments",
    "attributes": "attributes",
    "availabilityZone": "availability_zone",
    "capacityProviderName": "capacity_provider_name",
    "clusterArn": "cluster_arn",
    "connectivity": "connectivity",
    "connectivityAt": "connectivity_at",
    "cpu": "cpu",
    "createdAt": "created_at",
    "desiredStatus": "desired_status",
    "enableExecuteCommand": "enable_execute_command",
    "ephemeralStorage": "ephemeral_storage",
    "executionStoppedAt": "execution_stopped_at",
    "group": "group",
    "lastStatus": "last_status",
    "launchType": "launch_type",
    "memory": "memory",
    "overrides": "overrides",
    "platformVersion": "platform_version",
    "pullStartedAt": "pull_started_at",
    "pullStoppedAt": "pull_stopped_at",
    "startedAt": "started_at",
    "startedBy": "started_by",
    "stopCode": "stop_code",
    "stoppedAt": "stopped_at",
    "stoppedReason": "stopped_reason",
    "stoppingAt": "stopping_at",
    "taskArn": "task_arn",
    "taskDefinitionArn": "task_definition_arn",
    "updatedAt": "updated_at",
    "version": "version",
}
_OF_CONTAINER = {
    "containerArn": "container_arn",
    "cpu": "cpu",
    "exitCode": "exitCode",
    "image": "image",
    "imageDigest": "image_digest",
    "lastStatus": "last_status",
    "memory": "memory",
    "name": "name",
    "networkInterfaces": "network_interfaces",
    "reason": "reason",
    "runtimeId": "runtimeId",
    "taskArn": "task_arn",
}


def move(task: Any, status: str) -> None:  # noqa: ANN401 - moto's
    """Set the status of a task, and publish it on the event bus."""
    task.last_status = status
    task.version += 1
    task.updated_at = datetime.now(UTC)
    if status in _STARTING:
        for container in task.containers:
            container.last_status = "PENDING"
    publish(
        event(
            kind="ECS Task State Change",
            source="aws.ecs",
            account=task._account_id,
            region=task.region_name,
            resources=[task.task_arn],
            detail={**_shown(task, _FIELDS), "containers": [_shown(item, _OF_CONTAINER) for item in task.containers]},
        )
    )


def _shown(item: Any, fields: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401 - moto's
    found = {name: getattr(item, attribute, None) for name, attribute in fields.items()}
    return {name: _json(value) for name, value in found.items() if value not in (None, "")}


def _json(value: Any) -> Any:  # noqa: ANN401 - a field of moto's
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z" if isinstance(value, datetime) else value


def first_state(task: Any, definition: Any) -> None:  # noqa: ANN401 - moto's
    """Give a new task the fields that moto's does not have."""
    now = datetime.now(UTC)
    task.created_at, task.version = now, 0
    task.cpu, task.memory = str(definition.cpu or 0), str(definition.memory or 0)
    task.availability_zone = f"{task.region_name}a"
    task.enable_execute_command, task.ephemeral_storage = False, {"sizeInGiB": 20}
    task.attributes = [{"name": "ecs.cpu-architecture", "value": "x86_64"}]
    task.platform_family = "Linux"
    if task.launch_type == "FARGATE" or (task.capacity_provider_name or "").startswith("FARGATE"):
        task.launch_type, task.platform_version = "FARGATE", _platform(task.platform_version)
    given = task.overrides or {}
    task.overrides = {"containerOverrides": [], "inferenceAcceleratorOverrides": [], **given}
    for container in task.containers:
        container.exitCode, container.reason, container.health_status = None, None, "UNKNOWN"
        container.task_arn = task.task_arn
        container.container_arn = f"{task.task_arn.replace(':task/', ':container/')}/{uuid.uuid4()}"
        container.cpu = str(container.cpu or 0)
        container.memory = str(container.memory) if container.memory else None
        container.network_interfaces = _interfaces(task)


def _platform(version: str | None) -> str:
    return version if version and version != "LATEST" else "1.4.0"


def _interfaces(task: Any) -> list[dict[str, str]]:  # noqa: ANN401 - moto's
    found = []
    for attachment in task.attachments:
        details = {item["name"]: item["value"] for item in attachment["details"]}
        found.append({"attachmentId": attachment["id"], "privateIpv4Address": details.get("privateIPv4Address", "")})
    return found
