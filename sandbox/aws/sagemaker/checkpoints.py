"""SageMaker's checkpoints: the container's folder starts as a copy of the S3 prefix and is copied back at the end."""

import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox.aws.errors import JobError
from sandbox.aws.storage import Location, Storage

_OPT_ML = PurePosixPath("/opt/ml")


class Checkpoints:
    """A job's `CheckpointConfig`; without one, nothing is copied.

    SageMaker also copies while the container runs; the sandbox copies after it has ended, for whatever reason.
    """

    def __init__(self, config: dict[str, Any] | None, storage: Storage) -> None:
        self._prefix = Location.parse(config["S3Uri"]).folder if config else None
        self._path = PurePosixPath((config or {}).get("LocalPath") or _OPT_ML / "checkpoints")
        self._storage = storage

    def fetch(self, base: Path) -> None:
        """Copy the prefix to the folder.

        Raises:
            JobError: The local path is not below /opt/ml.
        """
        if self._prefix is None:
            return
        folder = self._folder(base)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for item in self._storage.objects(self._prefix):
            self._storage.download(item.place, folder / item.place.key[len(self._prefix.key) :])

    def keep(self, base: Path) -> None:
        """Copy the folder to the prefix."""
        if self._prefix is None:
            return
        folder = self._folder(base)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self._storage.write(self._prefix / path.relative_to(folder).as_posix(), path)

    def _folder(self, base: Path) -> Path:
        if not self._path.is_relative_to(_OPT_ML):
            raise JobError(f"ClientError: CheckpointConfig.LocalPath {self._path} is not below /opt/ml")
        return base / self._path.relative_to(_OPT_ML)
