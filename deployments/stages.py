"""The values of a stage, from `deployments/stages/STAGE.env`, and which stack takes which of them."""

import re
from collections.abc import Mapping
from pathlib import Path

from deployments import templates
from deployments.errors import StageFileError

FOLDER = Path(__file__).parent / "stages"
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_]*)=(.*)")
# What the driver finds out by itself: where it is, what is built, and what the stacks before have made.
FOUND = {"Stage", "TrainImage", "ServeImage", "WorkerImage", "GitCommit"}


def read(path: Path) -> dict[str, str]:
    """Return the values of a stage's file; a line that ends in `=` counts as no value.

    Raises:
        StageFileError: there is no such file, a line is not KEY=value, or nothing takes that name.
    """
    values = lines(path)
    check(values, path)
    return {name: value for name, value in values.items() if value}


def lines(path: Path) -> dict[str, str]:
    """Return what a stage's file states, empty values among it.

    Raises:
        StageFileError: there is no such file, a line is not KEY=value, or a name stands there twice.
    """
    if not path.exists():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.env"))) or "none"
        raise StageFileError(f"{path} does not exist; stages: {known}")
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise StageFileError(f"{path} line {number}: {line!r} is not KEY=value")
        if found[1] in values:
            raise StageFileError(f"{path} line {number}: {found[1]} stands there twice")
        values[found[1]] = found[2].strip()
    return values


def check(values: Mapping[str, str], path: Path) -> None:
    """Refuse names that nothing takes: a typing error would otherwise leave the default in force.

    Raises:
        StageFileError: a name is neither a template's parameter nor a value of the manifests.
    """
    given = {output for stack in templates.STACKS for output in templates.outputs(stack)} | FOUND
    own = {name for stack in templates.STACKS for name in templates.parameters(stack)} - given
    for name in values:
        if not name.isupper() and name not in own:
            raise StageFileError(f"{path}: {name} is no parameter of a stage; known are {', '.join(sorted(own))}")


def arguments(stack: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters with which a stack is made; those left out have a default.

    Args:
        stack: which.
        values: the stage's own values and the outputs of the stacks before.

    Raises:
        StageFileError: a parameter without a default has no value.
    """
    wanted = templates.parameters(stack)
    missing = [name for name, rules in wanted.items() if "Default" not in rules and name not in values]
    if missing:
        told = "; ".join(f"{name} ({wanted[name]['Description']})" for name in missing)
        raise StageFileError(
            f"stack {stack} needs {told}: give the stage's file a line {missing[0]}=…; docs/aws.md says what it is"
        )
    return {name: values[name] for name in wanted if name in values}
