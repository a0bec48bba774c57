"""Writes a stage's copy of deployments/kserve, with the stage's values in its `stage.env` files."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from deployments.errors import StageFileError
from deployments.stages import lines

FOLDER = Path(__file__).parent / "kserve"
ISTIO = FOLDER / "istio" / "stage.env"
# Outputs of the stacks by their names in the manifests.
MADE = {"SERVE_ROLE_ARN": "ServeRoleArn"}


def write(to: Path, values: Mapping[str, str], outputs: Mapping[str, str]) -> list[Path]:
    """Write a stage's manifests; return the folders to `kubectl apply -k`, in order, with Istio's if it uses JWTs.

    Args:
        to: folder to write; it may hold earlier manifests, which are replaced.
        values: values of the stage's file.
        outputs: outputs of its stacks.

    Raises:
        StageFileError: a value of a `stage.env` is missing, or the folder holds something else.
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
            f"{place.relative_to(FOLDER)} needs {', '.join(missing)}: add {missing[0]}=… to the stage's file or, "
            f"for {', '.join(MADE)}, deploy its stacks first"
        )
    return "".join(f"{name}={known[name]}\n" for name in names)


def _clear(to: Path) -> None:
    if to.resolve() == FOLDER.resolve() or (
        to.exists() and any(to.iterdir()) and not (to / "kustomization.yaml").exists()
    ):
        raise StageFileError(f"{to} holds something other than a stage's manifests; name an empty folder")
    shutil.rmtree(to, ignore_errors=True)
