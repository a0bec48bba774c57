"""The `.tar.gz` archives that SageMaker packs after training and unpacks before serving."""

import tarfile
from pathlib import Path

from sandbox.aws.errors import JobError


def pack(folder: Path, target: Path) -> bool:
    """Pack a folder's contents; false (and no archive) when it holds nothing."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    if entries:
        with tarfile.open(target, "w:gz") as archive:
            for entry in entries:
                archive.add(entry, arcname=entry.name)
    return bool(entries)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder; nothing may leave it.

    Raises:
        JobError: not an archive, or an unsafe one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as content:
            content.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise JobError(f"ClientError: Failed to unpack model data: {error}") from error
