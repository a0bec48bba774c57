"""The build context of an image: the files that its Dockerfile.dockerignore lets through."""

import re
import shutil
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGES = {"train": "train", "serve": "serve", "worker": "flows"}
"""Each image and its dependency group."""


def rules(image: str) -> list[tuple[bool, str]]:
    """Return the patterns of an image's ignore file in order: whether each includes files, and the pattern."""
    lines = (ROOT / "images" / image / "Dockerfile.dockerignore").read_text().splitlines()
    kept = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [(line.startswith("!"), line.removeprefix("!").strip("/")) for line in kept]


def files(image: str) -> list[Path]:
    """Return the files of an image's build context, relative to the repository.

    Docker's rule: the last pattern that matches a file or one of its parent folders decides.
    (https://docs.docker.com/build/concepts/context/#dockerignore-files)
    """
    patterns = rules(image)
    roots = {pattern.partition("/")[0] for passes, pattern in patterns if passes}
    found = []
    for root in sorted(roots):
        place = ROOT / root
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            relative = path.relative_to(ROOT)
            if path.is_file() and _passes(relative, patterns):
                found.append(relative)
    return found


def copy(image: str, to: Path) -> None:
    """Copy an image's build context to a folder."""
    for path in files(image):
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, to / path)


def _passes(path: Path, patterns: list[tuple[bool, str]]) -> bool:
    names = [path.as_posix(), *(parent.as_posix() for parent in path.parents if parent != Path())]
    verdict = True
    for passes, pattern in patterns:
        if any(_regular(pattern).fullmatch(name) for name in names):
            verdict = passes
    return verdict


@cache
def _regular(pattern: str) -> re.Pattern[str]:
    r"""Translate a pattern: `**/` is any number of folders, `*` anything within one name, `?` one character."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    signs = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(signs.get(part, re.escape(part)) for part in parts))
