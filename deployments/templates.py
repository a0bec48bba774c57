"""Reads the CloudFormation templates of a stage, YAML with custom tags, as plain documents."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "aws"
# In order of creation: each uses outputs of earlier ones.
STACKS = ("network", "data", "training", "serving", "pipeline", "orchestration", "alarms", "observability")


class _Loader(yaml.SafeLoader):
    """Reads `!Ref x` as `{"Ref": "x"}` and `!Sub x` as `{"Fn::Sub": "x"}`."""


def _tagged(loader: yaml.Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    raise TypeError(f"tag !{suffix} is on a node that is neither text, list nor mapping")


_Loader.add_multi_constructor("!", _tagged)


def text(stack: str) -> str:
    """Return the template of a stack as text for CloudFormation."""
    return (FOLDER / f"{stack}.yaml").read_text()


def load(stack: str) -> dict[str, Any]:
    """Return the template of a stack with functions in their long form.

    Example:
        >>> load("data")["Resources"]["DataKeyAlias"]["Properties"]["TargetKeyId"]
        {'Ref': 'DataKey'}
    """
    return deepcopy(_parsed(stack))


@cache
def _parsed(stack: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(text(stack), Loader=_Loader)  # noqa: S506 - a safe loader
    return document


def parameters(stack: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of a stack's template by name."""
    found: dict[str, dict[str, Any]] = load(stack)["Parameters"]
    return found


def data_class(stack: str) -> str:
    """Return what a stack's resources hold or handle: personal data, or internal data only.

    Example:
        >>> data_class("data"), data_class("network")
        ('personal', 'internal')
    """
    return str(load(stack)["Metadata"]["DataClass"])


def outputs(stack: str) -> list[str]:
    """Return the names of a stack's outputs."""
    return list(load(stack).get("Outputs", {}))


def all_outputs() -> set[str]:
    """Return the names of the outputs of all stacks, which no stage file needs to give."""
    return {output for stack in STACKS for output in outputs(stack)}
