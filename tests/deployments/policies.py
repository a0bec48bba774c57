"""What the roles of deployments/aws allow, with a stage's values put in, and what it means for a call to be allowed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from deployments import templates
from deployments.functions import Evaluator

PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"}
# Each of the five roles that processes of the platform have, and the stack that makes it.
ROLES = {
    "FlowRole": "orchestration",
    "WorkerRole": "orchestration",
    "ExecutionRole": "orchestration",
    "SageMakerRole": "training",
    "ServeRole": "serving",
}
# What `!GetAtt X.Arn` is by type, and the property that names the resource.
_ARNS = {
    "AWS::IAM::Role": ("arn:aws:iam::123456789012:role/{}", "RoleName"),
    "AWS::ECR::Repository": ("arn:aws:ecr:eu-west-1:123456789012:repository/{}", "RepositoryName"),
    "AWS::ECS::Cluster": ("arn:aws:ecs:eu-west-1:123456789012:cluster/{}", "ClusterName"),
    "AWS::Logs::LogGroup": ("arn:aws:logs:eu-west-1:123456789012:log-group:{}:*", "LogGroupName"),
    "AWS::SQS::Queue": ("arn:aws:sqs:eu-west-1:123456789012:{}", "QueueName"),
}
_REFS = {"AWS::ECS::Cluster": "ClusterName", "AWS::Logs::LogGroup": "LogGroupName"}


@dataclass(frozen=True)
class Grant:
    """One action on one pattern of resources, as a statement allows it."""

    action: str
    resource: str
    sid: str

    def allows(self, action: str, resource: str | None) -> bool:
        """Whether a call is allowed; of a call that names no ARN (None) only the action can be judged.

        What a call asks of everything (`*`) is allowed by a grant on everything alone.
        """
        if not _matches(self.action, action):
            return False
        return resource is None or _matches(self.resource, resource)


def grants(role: str, values: Mapping[str, str]) -> list[Grant]:
    """Return what a role allows.

    Args:
        role: Logical id.
        values: Parameters of its stack.
    """
    template = templates.load(ROLES[role])
    here = evaluator(template, values)
    properties = template["Resources"][role]["Properties"]
    assert "ManagedPolicyArns" not in properties, f"{role}: list what it may, so that a test can compare"
    return [grant for policy in properties["Policies"] for grant in _granted(policy["PolicyDocument"], here)]


def role_name(role: str) -> str:
    """Return the name of a role, given by its logical id."""
    name: str = templates.load(ROLES[role])["Resources"][role]["Properties"]["RoleName"]
    return name


def _granted(document: dict[str, Any], here: Evaluator) -> Iterator[Grant]:
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow", statement
        for action in _listed(statement["Action"]):
            for resource in _listed(here.evaluate(statement["Resource"])):
                yield Grant(action, resource, statement["Sid"])


def evaluator(template: dict[str, Any], values: Mapping[str, str]) -> Evaluator:
    """Return what evaluates a template's policies; an unknown parameter or attribute raises KeyError."""
    known, resources = {**PSEUDO, **values}, template["Resources"]

    def ref(name: str) -> Any:
        if name == "AWS::NoValue":
            return None
        if name in known:
            return known[name]
        resource = resources[name]
        return here.evaluate(resource["Properties"][_REFS[resource["Type"]]])

    def attribute(name: str, attribute: str) -> str:
        assert attribute == "Arn", f"{name}.{attribute}"
        form, naming = _ARNS[resources[name]["Type"]]
        return form.format(here.evaluate(resources[name]["Properties"][naming]))

    here = Evaluator(template, ref=ref, attribute=attribute)
    return here


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(pattern: str, text: str) -> bool:
    return _regular(pattern).fullmatch(text) is not None


@cache
def _regular(pattern: str) -> re.Pattern[str]:
    """IAM's wildcards: `*` is any text, `?` one character."""
    return re.compile("".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern), re.DOTALL)


def read(line: str) -> tuple[str, str, str | None]:
    """Read a line of the sandbox's calls.jsonl."""
    found = json.loads(line)
    return found["role"], found["operation"], found["resource"]
