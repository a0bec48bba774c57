"""The finished stages of a training run in a folder, from which an interrupted run continues.

Only whole stages are kept: each fold of the cross-validation, and the final fit. LightGBM can continue from a model's
text, but then it restarts its random streams of rows and features, so the model would differ from that of an
uninterrupted run (measured: identical only with `bagging_fraction` and `feature_fraction` 1). So an interruption costs
the stages in progress, not the run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from credit_model.contract.contract import Contract
from credit_model.settings import TrainSettings
from credit_model.types import Matrix, Outcomes

_FORMAT = 1


class Checkpoint(Protocol):
    """Where training keeps finished stages."""

    def bind(self, identity: str) -> None:
        """Set which run this is; stages of other runs are not loaded. Called once, before the other methods."""

    def load(self, stage: str) -> bytes | None:
        """Return the result of a stage that is finished, or None."""

    def save(self, stage: str, data: bytes) -> None:
        """Keep the result of a stage; called from several threads."""


class FolderCheckpoint:
    """A folder with one file for each finished stage.

    Args:
        folder: Created with the first stage.
        say: Called with a sentence about each stage that is found.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> checkpoint = FolderCheckpoint(folder, say=print)
        >>> checkpoint.bind("data and settings")
        >>> checkpoint.save("fold-0", b"result")
        >>> checkpoint.load("fold-0")
        checkpoint fold-0.checkpoint: taken up
        b'result'
    """

    def __init__(self, folder: Path, *, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._identity = ""

    def bind(self, identity: str) -> None:
        """Set which run this is."""
        self._identity = identity

    def load(self, stage: str) -> bytes | None:
        """Return the result of a stage of this run, or None; report a damaged or foreign file and ignore it."""
        path = self._path(stage)
        try:
            head, _, data = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        fault = self._fault(stage, head, data)
        self._say(
            f"checkpoint {path.name}: {fault}, so the stage runs again"
            if fault
            else f"checkpoint {path.name}: taken up"
        )
        return None if fault else data

    def save(self, stage: str, data: bytes) -> None:
        """Write a stage so that the file is complete or absent."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(stage)
        # A hidden name with the process in it: a copy of the folder shows which files are not finished.
        partial = self._folder / f".{path.name}.{os.getpid()}"
        with partial.open("wb") as file:
            file.write(self._head(stage, data) + b"\n" + data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def _path(self, stage: str) -> Path:
        return self._folder / f"{stage}.checkpoint"

    def _head(self, stage: str, data: bytes) -> bytes:
        digest = hashlib.sha256(data).hexdigest()
        return json.dumps({"format": _FORMAT, "run": self._identity, "sha256": digest, "stage": stage}).encode()

    def _fault(self, stage: str, head: bytes, data: bytes) -> str | None:
        try:
            found = json.loads(head)
        except ValueError:
            return "damaged"
        wanted = json.loads(self._head(stage, data))
        if not isinstance(found, dict) or found.keys() != wanted.keys() or found["sha256"] != wanted["sha256"]:
            return "damaged"
        return None if found == wanted else "of other data, settings or versions"


def identity_of(matrix: Matrix, outcomes: Outcomes, contract: Contract, settings: TrainSettings, *more: str) -> str:
    """Return a digest of everything that a stage's result depends on.

    Args:
        matrix: Encoded features, shape (rows, features).
        outcomes: Shape (rows,).
        contract: The feature contract.
        settings: Training settings.
        more: What else matters, such as versions and the number of hosts.
    """
    digest = hashlib.sha256()
    for text in (contract.model_dump_json(), settings.model_dump_json(), str(matrix.shape), *more):
        digest.update(f"{len(text)}:{text}".encode())
    digest.update(matrix.data)
    digest.update(outcomes.data)
    return digest.hexdigest()
