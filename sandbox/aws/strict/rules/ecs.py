"""Rules of ECS, some of them about what exists: clusters' definitions, subnets and security groups."""

import json
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ecs.models import ecs_backends

from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules.rule import Rule

_MOST_OVERRIDES = 8192
_GIB = 1024
# CPU units and the memory in MiB that Fargate has for them.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
_FARGATE: dict[int, frozenset[int]] = {
    256: frozenset({512, _GIB, 2 * _GIB}),
    512: frozenset(range(_GIB, 4 * _GIB + 1, _GIB)),
    1024: frozenset(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: frozenset(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: frozenset(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: frozenset(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: frozenset(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}


def _containers(call: Call) -> str | None:
    given = call.get("containerDefinitions") or []
    if not given:
        return "Container list cannot be empty."
    for container in given:
        for name in ("name", "image"):
            if not container.get(name):
                return f"Container.{name} should not be null or empty."
    names = [container["name"] for container in given]
    repeated = [name for name in names if names.count(name) > 1]
    return f"Container name '{repeated[0]}' is not unique." if repeated else None


def _essential(call: Call) -> str | None:
    if any(container.get("essential", True) is not False for container in call.get("containerDefinitions") or []):
        return None
    return "Invalid 'essential' setting for containers. At least one container in a task must be essential."


def _logging(call: Call) -> str | None:
    for container in call.get("containerDefinitions") or []:
        logging = container.get("logConfiguration") or {}
        if logging.get("logDriver") != "awslogs":
            continue
        needed = ["awslogs-region", "awslogs-group"]
        if "FARGATE" in (call.get("requiresCompatibilities") or []):
            needed.append("awslogs-stream-prefix")
        if any(not (logging.get("options") or {}).get(name) for name in needed):
            return f"Log driver awslogs requires options: {', '.join(needed)}"
    return None


def _dependencies(call: Call) -> str | None:
    containers = {item.get("name"): item for item in call.get("containerDefinitions") or []}
    for container in containers.values():
        for needed in container.get("dependsOn") or []:
            other = containers.get(needed.get("containerName"))
            if other is None or other is container:
                return f"Container '{container.get('name')}' depends on a container that is not in the task definition."
            if needed.get("condition") in ("SUCCESS", "COMPLETE") and other.get("essential", True) is not False:
                return "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container"
    return None


def _of_fargate(call: Call) -> bool:
    return "FARGATE" in (call.get("requiresCompatibilities") or [])


def _fargate_network(call: Call) -> str | None:
    if not _of_fargate(call) or call.get("networkMode") == "awsvpc":
        return None
    return "Fargate only supports network mode \u2018awsvpc\u2019."


def _fargate_size(call: Call) -> str | None:
    if not _of_fargate(call):
        return None
    for name in ("cpu", "memory"):
        if not call.get(name):
            return f"Fargate requires that '{name}' be defined at the task level."
    units, memory = size(call.get("cpu")), size(call.get("memory"))
    if memory in _FARGATE.get(units, ()):
        return None
    return (
        "No Fargate configuration exists for given values: "
        f"{units} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
    )


def size(text: str) -> int:
    """Return the CPU units or MiB of a size; -1 if it is none.

    >>> size("256"), size(".25 vCPU"), size("1 GB")
    (256, 256, 1024)
    """
    number = text.strip().lower()
    unit = next((ending for ending in ("vcpu", "gb") if number.endswith(ending)), "")
    try:
        return int(float(number.removesuffix(unit)) * 1024) if unit else int(number)
    except ValueError:
        return -1


def _sum(call: Call) -> str | None:
    for name in ("cpu", "memory"):
        most = call.get(name)
        if not most:
            continue
        total = sum(container.get(name) or 0 for container in call.get("containerDefinitions") or [])
        if total > size(most):
            return f"The sum of all container '{name}' values cannot be greater than the value of the task '{name}'."
    return None


def _secret_role(call: Call) -> str | None:
    needs = any(container.get("secrets") for container in call.get("containerDefinitions") or [])
    if not needs or call.get("executionRoleArn"):
        return None
    return "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."


def _definition(call: Call) -> Any:  # noqa: ANN401 - moto's
    name = str(call.get("taskDefinition") or "").rsplit("/", 1)[-1]
    family, _, revision = name.partition(":")
    revisions = ecs_backends[call.account][call.region].task_definitions.get(family, {})
    if revision:
        return revisions.get(int(revision)) if revision.isdigit() else None
    active = [number for number, item in revisions.items() if item.status == "ACTIVE"]
    return revisions[max(active)] if active else next(iter(revisions.values()), None)


def _unknown_definition(call: Call) -> str | None:
    return "TaskDefinition not found." if _known_cluster(call) and _definition(call) is None else None


def _known_cluster(call: Call) -> bool:
    name = str(call.get("cluster") or "default").rsplit("/", 1)[-1]
    return name in ecs_backends[call.account][call.region].clusters


def _inactive(call: Call) -> str | None:
    found = _definition(call)
    return "TaskDefinition is inactive" if found is not None and found.status != "ACTIVE" else None


def _overrides(call: Call) -> str | None:
    given = call.get("overrides.containerOverrides") or []
    if len(json.dumps(call.get("overrides") or {}, separators=(",", ":"))) > _MOST_OVERRIDES:
        return f"Container Overrides length must be at most {_MOST_OVERRIDES}"
    found = _definition(call)
    known = {item.get("name") for item in found.container_definitions} if found is not None else set()
    for override in given:
        if override and not override.get("name"):
            return "Override for container must have a name."
        if override and found is not None and override["name"] not in known:
            return f"Override for container named {override['name']} is not a container in the TaskDefinition."
    return None


def _network(call: Call) -> str | None:
    found, given = _definition(call), call.get("networkConfiguration.awsvpcConfiguration")
    if found is None:
        return None
    if found.network_mode != "awsvpc":
        return (
            "Network Configuration is not valid for the given networkMode of this task definition." if given else None
        )
    if given is None:
        return "Network Configuration must be provided when networkMode 'awsvpc' is specified."
    return "subnets can not be empty." if not given.get("subnets") else _missing_network(call, given)


def _missing_network(call: Call, given: dict[str, Any]) -> str | None:
    ec2 = ec2_backends[call.account][call.region]
    subnets = {name for zone in ec2.subnets.values() for name in zone}
    groups = {name for vpc in ec2.groups.values() for name in vpc}
    for name in given["subnets"]:
        if name not in subnets:
            return (
                f"Error retrieving subnet information for [{name}]: The subnet ID '{name}' does not exist "
                "(ErrorCode: InvalidSubnetID.NotFound)"
            )
    for name in given.get("securityGroups") or []:
        if name not in groups:
            return (
                f"Error retrieving security group information for [{name}]: The security group '{name}' does not exist "
                "(ErrorCode: InvalidGroup.NotFound)"
            )
    return None


def _count(call: Call) -> str | None:
    given = call.get("count")
    return None if given is None or 1 <= given <= 10 else "count must be between 1 and 10."


def _both_launches(call: Call) -> str | None:
    if call.get("launchType") and call.get("capacityProviderStrategy"):
        return "Specify either a launch type or a capacity provider strategy, not both."
    return None


def _instances(call: Call) -> str | None:
    backend, name = ecs_backends[call.account][call.region], str(call.get("cluster") or "default").rsplit("/", 1)[-1]
    cluster = backend.clusters.get(name)
    if cluster is None or call.get("launchType") not in (None, "EC2") or call.get("capacityProviderStrategy"):
        return None
    if call.get("launchType") is None and cluster.default_capacity_provider_strategy:
        return None
    return None if backend.container_instances.get(name) else "No Container Instances were found in your cluster."


def _family(call: Call) -> str | None:
    name = call.get("family")
    if not name:
        return "Family should not be null or empty."
    if len(name) <= 255 and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name):
        return None
    return "Family contains invalid characters."


def _cluster_name(call: Call) -> str | None:
    name: str | None = call.get("clusterName")
    if name is None or (0 < len(name) <= 255 and all(c.isascii() and (c.isalnum() or c in "-_") for c in name)):
        return None
    return (
        "Invalid identifier: Identifier is for "
        + name
        + ". Up to 255 letters, numbers, hyphens, and underscores are allowed."
    )


_CLIENT, _PARAMETER = "ClientException", "InvalidParameterException"
_REGISTER, _RUN = "RegisterTaskDefinition", "RunTask"
_FAULTS = "klothoplatform/klotho#892, a list of ECS's answers"
RULES = (
    Rule("CreateCluster", "API CreateCluster.clusterName", _cluster_name, _PARAMETER),
    Rule(_REGISTER, "API RegisterTaskDefinition.family", _family, _CLIENT),
    Rule(_REGISTER, "awsdocs/aws-cloudformation-user-guide#612; aws/aws-cli#5924", _containers, _CLIENT),
    Rule(_REGISTER, "API ContainerDefinition.essential", _essential, _CLIENT),
    Rule(_REGISTER, _FAULTS, _logging, _CLIENT),
    Rule(_REGISTER, _FAULTS, _dependencies, _CLIENT),
    Rule(_REGISTER, "developerguide/fargate-tasks-services: network mode", _fargate_network, _CLIENT),
    Rule(_REGISTER, "developerguide/fargate-tasks-services: task size", _fargate_size, _CLIENT),
    Rule(_REGISTER, _FAULTS, _sum, _CLIENT),
    Rule(_REGISTER, "developerguide/specifying-sensitive-data", _secret_role, _CLIENT),
    Rule(_RUN, "API RunTask.taskDefinition", _unknown_definition, _CLIENT),
    Rule(_RUN, "API DeregisterTaskDefinition: an inactive definition runs no new tasks", _inactive, _CLIENT),
    Rule(_RUN, "API RunTask.count: up to 10", _count, _PARAMETER),
    Rule(_RUN, "API RunTask.launchType", _both_launches, _PARAMETER),
    Rule(_RUN, "API TaskOverride: 8192 characters; azavea/django-ecsmanage#21", _overrides, _PARAMETER),
    Rule(_RUN, "API RunTask.networkConfiguration", _network, _PARAMETER),
    Rule(_RUN, "API RunTask errors", _instances, _PARAMETER),
)
