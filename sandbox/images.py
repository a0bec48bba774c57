"""Which local process, or which image built on this machine, stands for a container image."""

import json
import os
import sys
from pathlib import Path

MODULES = {"credit-train": "images.train", "credit-serve": "images.serve", "credit-worker": "images.worker"}


class UnknownImageError(ValueError):
    """The image URI names a repository that the sandbox has no process for; a pull would fail."""


def repository(image_uri: str) -> str:
    """Return the last path component of an image URI, without tag or digest.

    >>> repository("1.dkr.ecr.eu-west-1.amazonaws.com/credit-train@sha256:00")
    'credit-train'
    """
    return image_uri.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]


def command(image_uri: str) -> list[str]:
    """Return the command line of an image's `ENTRYPOINT`.

    `SANDBOX_IMAGES` may name a JSON file of more `{repository: [command, …]}`; tests add faulty images this way.

    Raises:
        UnknownImageError: No process stands for that repository.
    """
    name = repository(image_uri)
    commands = _named()
    if name in commands:
        return commands[name]
    if name in MODULES:
        return [sys.executable, "-m", MODULES[name]]
    known = ", ".join(sorted({*MODULES, *commands}))
    raise UnknownImageError(f"image {image_uri!r}: repository {name!r} is not one of {known}")


def is_ours(image_uri: str) -> bool:
    """Return whether `make images` builds the image, and no test has put a process in its place."""
    name = repository(image_uri)
    return name in MODULES and name not in _named()


def built(name: str) -> str:
    """Return the name of the image that `make images` builds for a repository.

    >>> built("credit-serve")
    'localhost/credit-serve:latest'
    """
    return f"localhost/{name}:latest"


def _named() -> dict[str, list[str]]:
    extra = os.environ.get("SANDBOX_IMAGES")
    commands: dict[str, list[str]] = json.loads(Path(extra).read_text()) if extra else {}
    return commands
