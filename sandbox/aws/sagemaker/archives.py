"""The `.tar.gz` archives that SageMaker packs after training and unpacks before serving."""

import tarfile
from pathlib import Path

from sandbox.aws.errors import JobError


def pack(folder: Path, target: Path) -> bool:
    """Pack a folder's contents; return false, without an archive, if the folder is empty."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    if entries:
        with tarfile.open(target, "w:gz") as archive:
            for entry in entries:
                archive.add(entry, arcname=entry.name)
    return bool(entries)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive's plain files into a folder.

    Not with `extractall`: it has no safe filter before Python 3.11.4, and Debian 12 has an older Python.

    Raises:
        JobError: It is not an archive, or a member would land outside the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as content:
            for member in content:
                _write(content, member, folder.resolve())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise JobError(f"ClientError: Failed to unpack model data: {error}") from error


def _write(content: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = (folder / member.name).resolve()
    source = content.extractfile(member) if member.isfile() else None
    if not target.is_relative_to(folder) or not (source or member.isdir()):
        raise JobError(f"ClientError: Failed to unpack model data: {member.name!r} is not a plain file inside it")
    if source:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read())
