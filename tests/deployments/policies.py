"""What the roles of deployments/aws allow, with a stage's values put in, and what it means for a call to be allowed."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from deployments import templates

PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"}
# Each of the five roles that processes of the platform have, and the stack that makes it.
ROLES = {
    "FlowRole": "orchestration",
    "WorkerRole": "orchestration",
    "ExecutionRole": "orchestration",
    "SageMakerRole": "training",
    "ServeRole": "serving",
}
_NAME = re.compile(r"\$\{([^!}][^}]*)\}")
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
    resolver = Resolver(template, values)
    properties = template["Resources"][role]["Properties"]
    assert "ManagedPolicyArns" not in properties, f"{role}: list what it may, so that a test can compare"
    return [grant for policy in properties["Policies"] for grant in _granted(policy["PolicyDocument"], resolver)]


def role_name(role: str) -> str:
    """Return the name of a role, given by its logical id."""
    name: str = templates.load(ROLES[role])["Resources"][role]["Properties"]["RoleName"]
    return name


def _granted(document: dict[str, Any], resolver: "Resolver") -> Iterator[Grant]:
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow", statement
        for action in _listed(statement["Action"]):
            for resource in _listed(resolver.resolve(statement["Resource"])):
                yield Grant(action, resource, statement["Sid"])


class Resolver:
    """CloudFormation's functions, as far as policies use them."""

    def __init__(self, template: dict[str, Any], values: Mapping[str, str]) -> None:
        self._resources = template["Resources"]
        self._conditions = template.get("Conditions", {})
        self._values = {**PSEUDO, **values}

    def resolve(self, value: Any) -> Any:
        """Return a value with every function worked out.

        Raises:
            KeyError: A parameter has no value, or a resource's attribute is unknown here.
        """
        if isinstance(value, list):
            return [found for item in value if (found := self.resolve(item)) is not None]
        if not isinstance(value, dict):
            return value
        ((function, given),) = value.items()
        if function == "Ref":
            return self._ref(given)
        if function == "Fn::GetAtt":
            return self._attribute(*given)
        if function == "Fn::Sub":
            return _NAME.sub(lambda found: str(self._named(found[1])), given)
        if function == "Fn::If":
            return self.resolve(given[1] if self._holds(self._conditions[given[0]]) else given[2])
        raise KeyError(f"{function} is not known to the tests of policies")

    def _named(self, name: str) -> str:
        return self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return None
        if name in self._values:
            return self._values[name]
        resource = self._resources[name]
        return self.resolve(resource["Properties"][_REFS[resource["Type"]]])

    def _attribute(self, name: str, attribute: str) -> str:
        resource = self._resources[name]
        assert attribute == "Arn", f"{name}.{attribute}"
        form, naming = _ARNS[resource["Type"]]
        return form.format(self.resolve(resource["Properties"][naming]))

    def _holds(self, condition: Any) -> bool:
        ((function, given),) = condition.items()
        if function == "Fn::Not":
            return not self._holds(given[0])
        assert function == "Fn::Equals", function
        left, right = self.resolve(given)
        return bool(left == right)


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
