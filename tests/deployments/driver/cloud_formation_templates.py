"""Templates as the scripted CloudFormation reads them: parameters, references, names of what a stack makes."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

import yaml
from moto.cloudformation.utils import yaml_tag_constructor


class RefusalError(Exception):
    """An error of the service: its code and message."""


class Document(yaml.SafeLoader):
    pass


Document.add_multi_constructor("", yaml_tag_constructor)


@dataclass
class Record:
    """One stack as it is, and as readers see it."""

    name: str
    id: str
    status: str
    template: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    protected: bool = False
    seen: dict[str, Any] | None = None
    stale: int = 0


def resolved(value: Any, one: Record) -> Any:
    """A part of a template with its references worked out; other functions stay, with both branches of conditions."""
    if isinstance(value, list):
        return [resolved(item, one) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"}:
        return _ref(value["Ref"], one)
    if value.keys() == {"Fn::GetAtt"}:
        path = value["Fn::GetAtt"]
        return f"{one.name}-{'-'.join(path if isinstance(path, list) else path.split('.'))}"
    if value.keys() == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        return re.sub(r"\$\{([^!}]+)\}", lambda name: text(_ref(name[1], one)), value["Fn::Sub"])
    return {key: resolved(item, one) for key, item in value.items()}


def _ref(name: str, one: Record) -> Any:
    pseudo = {"AWS::AccountId": "123456789012", "AWS::Region": "eu-west-1", "AWS::Partition": "aws"}
    if name in one.parameters:
        return one.parameters[name]
    return pseudo.get(name) or f"{one.name}-{name.replace('.', '-')}"


def physical(name: str, one: Record) -> str:
    properties = one.template["Resources"][name].get("Properties", {})
    named = [key for key in ("BucketName", "TableName", "LogGroupName", "Name") if key in properties]
    return text(resolved(properties[named[0]], one)) if named else f"{one.name}-{name}"


def log_groups(one: Record) -> dict[str, str]:
    """Names of the log groups of a stack by logical id."""
    made = one.template.get("Resources", {})
    return {name: physical(name, one) for name, it in made.items() if it["Type"] == "AWS::Logs::LogGroup"}


def parameters(template: dict[str, Any], form: dict[str, str]) -> dict[str, str]:
    given = {
        form[key]: form[key.replace("ParameterKey", "ParameterValue")] for key in form if key.endswith("ParameterKey")
    }
    rules = template["Parameters"]
    if unknown := sorted(given.keys() - rules.keys()):
        raise RefusalError("ValidationError", f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    if missing := sorted(name for name in rules if name not in given and "Default" not in rules[name]):
        raise RefusalError("ValidationError", f"Parameters: [{', '.join(missing)}] must have values")
    for name, value in given.items():
        if not re.fullmatch(str(rules[name].get("AllowedPattern", ".*")), value):
            raise RefusalError("ValidationError", f"Parameter {name} failed to satisfy constraint: pattern")
    return {name: given.get(name, str(rule.get("Default"))) for name, rule in rules.items()}


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{key}>{xml(item)}</{key}>" for key, item in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{xml(item)}</member>" for item in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
