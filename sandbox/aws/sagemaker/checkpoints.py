"""What SageMaker does about checkpoints: the container's folder starts as the S3 prefix, and goes back there."""

import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox.aws.errors import JobError
from sandbox.aws.storage import Location, Storage

_OPT_ML = PurePosixPath("/opt/ml")


class Checkpoints:
    """A job's `CheckpointConfig`; without one, nothing is kept.

    SageMaker copies while the container runs as well; here once it has ended, however it has.
    """

    def __init__(self, config: dict[str, Any] | None, storage: Storage) -> None:
        self._prefix = Location.parse(config["S3Uri"]).folder if config else None
        self._path = PurePosixPath((config or {}).get("LocalPath") or _OPT_ML / "checkpoints")
        self._storage = storage

    def fetch(self, base: Path) -> None:
        """Make the folder hold what the prefix holds.

        Raises:
            JobError: the local path lies outside what the sandbox gives a container.
        """
        if self._prefix is None:
            return
        folder = self._folder(base)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for item in self._storage.objects(self._prefix):
            self._storage.download(item.place, folder / item.place.key[len(self._prefix.key) :])

    def keep(self, base: Path) -> None:
        """Write the folder's files to the prefix."""
        if self._prefix is None:
            return
        folder = self._folder(base)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self._storage.write(self._prefix / path.relative_to(folder).as_posix(), path)

    def _folder(self, base: Path) -> Path:
        if not self._path.is_relative_to(_OPT_ML):
            raise JobError(f"ClientError: CheckpointConfig.LocalPath {self._path} is not below /opt/ml")
        return base / self._path.relative_to(_OPT_ML)
