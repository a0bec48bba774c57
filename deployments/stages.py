"""Reads and checks the values of a stage, from `deployments/stages/STAGE.env`, for each stack."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deployments import templates
from deployments.errors import StageFileError

FOLDER = Path(__file__).parent / "stages"
MANIFESTS = Path(__file__).parent / "kserve"
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_]*)=(.*)")
# Values that every resource is tagged with.
TAGS = {"Owner": "credit:owner", "CostCentre": "credit:cost-centre"}
# Parameters that the driver provides itself: the stage, the images and their commit, the version of Prefect's key.
FOUND = {"Stage", "TrainImage", "ServeImage", "WorkerImage", "GitCommit", "PrefectApiKeyVersion"}
# Values for the driver, with what is well-formed.
OWN = {
    "Account": r"\d{12}",
    "Region": r"[a-z]{2}(-[a-z]+)+-\d",
    "TerminationProtection": "true|false",
}
# Stacks that a stage may go without, by the value that asks for them.
OPTIONAL = {"pipeline": "Repository"}


def read(path: Path) -> dict[str, str]:
    """Return the values of a stage's file, without empty ones.

    Raises:
        StageFileError: there is no such file, a line is not KEY=value, or a name is unknown.
    """
    values = lines(path)
    check(values, path)
    return {name: value for name, value in values.items() if value}


def lines(path: Path) -> dict[str, str]:
    """Return all values of a stage's file, including empty ones.

    Raises:
        StageFileError: there is no such file, a line is not KEY=value, or a name is repeated.
    """
    if not path.exists():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.env"))) or "none"
        raise StageFileError(f"{path} does not exist; stages: {known}")
    values: dict[str, str] = {}
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StageFileError(f"{path} is not UTF-8 text: {error}; save it as UTF-8") from None
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise StageFileError(f"{path} line {number}: {line!r} is not KEY=value")
        if found[1] in values:
            raise StageFileError(f"{path} line {number}: {found[1]} is given twice")
        values[found[1]] = _value(found[2].strip(), f"{path} line {number}: {found[1]}")
    return values


def _value(text: str, place: str) -> str:
    if text[:1] in ("'", '"') or " #" in text:
        raise StageFileError(f"{place}: the value is everything after the =; leave out quotes and comments")
    return text


def check(values: Mapping[str, str], path: Path) -> None:
    """Refuse unknown names, because a typo would silently keep the default.

    Raises:
        StageFileError: a name is neither a template's parameter nor a value of the manifests, or two values contradict
            each other.
    """
    given = templates.all_outputs() | FOUND
    own = {name for stack in templates.STACKS for name in templates.parameters(stack)} - given
    known = OWN.keys() | TAGS.keys() | own | {name for place in MANIFESTS.rglob("stage.env") for name in lines(place)}
    for name in values:
        if name not in known:
            raise StageFileError(f"{path}: {name} is not a parameter of a stage; known are {', '.join(sorted(known))}")
    token = [bool(values.get(name)) for name in ("ServeTokenSecret", "ServeTokenName")]
    if any(token) and not all(token):
        raise StageFileError(f"{path}: ServeTokenSecret and ServeTokenName belong together: give both or neither")
    if any(token) and values.get("JWT_ISSUER"):
        raise StageFileError(
            f"{path}: Istio would refuse the token of ServeTokenSecret, which is not a JWT: give one of the two"
        )
    nodes = [int(values.get(name) or default) for name, default in (("ServeNodesMin", 1), ("ServeNodesMax", 3))]
    if nodes[0] > nodes[1]:
        raise StageFileError(f"{path}: ServeNodesMin {nodes[0]} is above ServeNodesMax {nodes[1]}")


def check_complete(values: Mapping[str, str]) -> None:
    """Check, before the first stack is created, that no later one lacks a value or refuses one.

    Raises:
        StageFileError: a required value is missing or one is not well-formed; the message has them all.
    """
    problems = [*_own_problems(values), *_parameter_problems(values), *_foreign_secrets(values), *_open_servers(values)]
    if problems:
        lines = "\n  ".join(problems)
        raise StageFileError(f"the stage's file is not ready; correct it, commit and push it (docs/aws.md):\n  {lines}")


def wanted(values: Mapping[str, str]) -> list[str]:
    """Return the stacks of a stage in order: all but the optional ones that its file does not ask for."""
    return [stack for stack in templates.STACKS if stack not in OPTIONAL or values.get(OPTIONAL[stack])]


def _own_problems(values: Mapping[str, str]) -> Iterator[str]:
    for name in ("Account", "Region"):
        if not values.get(name):
            yield f"{name} is missing: add a line {name}=…, the AWS {name.lower()} of this stage alone"
    for name, pattern in OWN.items():
        if values.get(name) and not re.fullmatch(pattern, values[name]):
            yield f"{name}={values[name]} is not of the form {pattern}"


def _parameter_problems(values: Mapping[str, str]) -> Iterator[str]:
    coming = templates.all_outputs() | FOUND
    rules_by_name = {name: rules for stack in wanted(values) for name, rules in templates.parameters(stack).items()}
    for name, rules in rules_by_name.items():
        if name not in values and name not in coming and "Default" not in rules:
            yield f"{name} is missing: add a line {name}=… ({rules['Description']})"
        elif name in values and (why := _refusal(values[name], rules)):
            yield f"{name}={values[name]} {why} ({rules['Description']})"


def _refusal(value: str, rules: Mapping[str, Any]) -> str:
    """Return why CloudFormation would refuse a parameter's value, nothing if it would not."""
    if rules["Type"] == "Number":
        return _number_refusal(value, rules)
    if "AllowedValues" in rules and value not in map(str, rules["AllowedValues"]):
        return f"is none of {', '.join(map(str, rules['AllowedValues']))}"
    if "AllowedPattern" in rules and not re.fullmatch(rules["AllowedPattern"], value):
        return f"is not of the form {rules['AllowedPattern']}"
    return ""


def _number_refusal(value: str, rules: Mapping[str, Any]) -> str:
    try:
        number = float(value)
    except ValueError:
        return "is not a number"
    if "AllowedValues" in rules and number not in map(float, rules["AllowedValues"]):
        return f"is none of {', '.join(map(str, rules['AllowedValues']))}"
    if not float(rules.get("MinValue", number)) <= number <= float(rules.get("MaxValue", number)):
        return f"is not between {rules.get('MinValue', 'any')} and {rules.get('MaxValue', 'any')}"
    return ""


def _foreign_secrets(values: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets of another account or region, such as another stage's."""
    here = [values.get("Region"), values.get("Account")]
    for name, value in values.items():
        if all(here) and value.startswith("arn:") and ":secretsmanager:" in value and value.split(":")[3:5] != here:
            yield f"{name}={value} is a secret of another account or region than {here[1]} in {here[0]}"


def tags(stage: str, stack: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a stack, which CloudFormation puts on each of its resources that takes tags.

    Example:
        >>> tags("dev", "data", {"Owner": "risk"})
        {'credit:stage': 'dev', 'credit:data-class': 'personal', 'credit:owner': 'risk'}
    """
    given = {tag: values[name] for name, tag in TAGS.items() if values.get(name)}
    return {"credit:stage": stage, "credit:data-class": templates.data_class(stack), **given}


def _open_servers(values: Mapping[str, str]) -> Iterator[str]:
    if values.get("Stage") == "prod" and not (values.get("ServeTokenName") or values.get("JWT_ISSUER")):
        yield (
            "model servers of stage prod would answer anyone in the network: give ServeTokenSecret and ServeTokenName, "
            "or JWT_ISSUER and the other JWT_ values; docs/kubernetes.md, Who may call, explains both"
        )


def arguments(stack: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a stack; those left out have a default.

    Args:
        stack: name of the template.
        values: values of the stage and outputs of earlier stacks.

    Raises:
        StageFileError: a required parameter has no value.
    """
    wanted = templates.parameters(stack)
    missing = [name for name, rules in wanted.items() if "Default" not in rules and name not in values]
    if missing:
        needed = "; ".join(f"{name} ({wanted[name]['Description']})" for name in missing)
        raise StageFileError(
            f"stack {stack} needs {needed}: add a line {missing[0]}=… to the stage's file; docs/aws.md explains it"
        )
    return {name: values[name] for name in wanted if name in values}
