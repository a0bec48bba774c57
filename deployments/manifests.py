"""A stage's copy of deployments/kserve, whose `stage.env` files have the stage's own values."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from deployments.errors import StageFileError
from deployments.stages import lines

FOLDER = Path(__file__).parent / "kserve"
ISTIO = FOLDER / "istio" / "stage.env"
# What the manifests call what the stacks have made.
MADE = {"SERVE_ROLE_ARN": "ServeRoleArn"}


def write(to: Path, values: Mapping[str, str], outputs: Mapping[str, str]) -> list[Path]:
    """Write a stage's manifests; return the folders to `kubectl apply -k`, in order: Istio's where the stage has JWTs.

    Args:
        to: folder that is written anew.
        values: what the stage's file says.
        outputs: outputs of its stacks.

    Raises:
        StageFileError: a value of a `stage.env` is in neither, or the folder holds something else.
    """
    known = {**values, **{name: outputs[output] for name, output in MADE.items() if output in outputs}}
    places = [FOLDER / "stage.env", *([ISTIO] if values.get("JWT_ISSUER") else [])]
    filled = {place.relative_to(FOLDER): _filled(place, known) for place in places}
    _clear(to)
    shutil.copytree(FOLDER, to)
    for place, text in filled.items():
        (to / place).write_text(text)
    return [(to / place).parent for place in filled]


def _filled(place: Path, known: Mapping[str, str]) -> str:
    names = list(lines(place))
    missing = [name for name in names if name not in known]
    if missing:
        raise StageFileError(
            f"{place.relative_to(FOLDER)} wants {', '.join(missing)}: give the stage's file a line {missing[0]}=…, or, "
            f"for {', '.join(MADE)}, make its stacks first"
        )
    return "".join(f"{name}={known[name]}\n" for name in names)


def _clear(to: Path) -> None:
    if to.resolve() == FOLDER.resolve() or (
        to.exists() and any(to.iterdir()) and not (to / "kustomization.yaml").exists()
    ):
        raise StageFileError(
            f"{to} holds something else than a stage's manifests; name a folder that is empty or not there"
        )
    shutil.rmtree(to, ignore_errors=True)
