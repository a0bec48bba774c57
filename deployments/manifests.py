"""A stage's copy of deployments/kserve, whose `stage.env` files have the stage's own values."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from deployments.errors import StageFileError

FOLDER = Path(__file__).parent / "kserve"
# What the manifests call what the stacks have made.
MADE = {"SERVE_ROLE_ARN": "ServeRoleArn"}


def write(to: Path, values: Mapping[str, str], outputs: Mapping[str, str]) -> list[Path]:
    """Write a stage's manifests; return the folders to `kubectl apply -k`, in order.

    Args:
        to: folder that is written anew.
        values: what the stage's file says.
        outputs: outputs of its stacks.

    Raises:
        StageFileError: a value of a `stage.env` is in neither.
    """
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(FOLDER, to)
    known = {**values, **{name: outputs[output] for name, output in MADE.items() if output in outputs}}
    places = sorted(to.rglob("stage.env"), key=lambda path: len(path.parts))
    for place in places:
        names = [line.partition("=")[0] for line in place.read_text().splitlines() if not line.startswith("#")]
        missing = [name for name in names if name not in known]
        if missing:
            raise StageFileError(
                f"{place.relative_to(to)} wants {', '.join(missing)}: give the stage's file a line {missing[0]}=…, or, "
                f"for {', '.join(MADE)}, make its stacks first"
            )
        place.write_text("".join(f"{name}={known[name]}\n" for name in names))
    return [place.parent for place in places]
