"""Packing of a bundle folder as a deterministic model.tar.gz, and safe unpacking."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path, PurePosixPath

from credit_model.errors import BundleError

# A bundle is a few megabytes; an archive that unpacks to more than this is not one.
_MAX_BYTES = 2 << 30


def write_archive(folder: str | Path, path: str | Path) -> Path:
    """Write the files of a folder as tar.gz; the same files give the same bytes.

    Args:
        folder: A saved bundle.
        path: Archive to write, usually `model.tar.gz`.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for source in sorted(entry for entry in Path(folder).iterdir() if entry.is_file()):
            data = source.read_bytes()
            member = tarfile.TarInfo(source.name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return target


def read_archive(path: str | Path, folder: str | Path) -> Path:
    """Unpack a bundle archive into a new or empty folder.

    Raises:
        BundleError: Not a tar.gz, or it holds anything but plain files under relative names.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in _plain_files(archive, target, Path(path).name):
                destination = target / member.name
                destination.parent.mkdir(parents=True, exist_ok=True)
                source = archive.extractfile(member)
                destination.write_bytes(source.read() if source else b"")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BundleError(f"{path}: not a complete tar.gz archive ({error}); fetch the bundle again") from error
    return target


def _plain_files(archive: tarfile.TarFile, target: Path, label: str) -> list[tarfile.TarInfo]:
    members = archive.getmembers()
    for member in members:
        # A bundle holds no links; the filter lets those that stay inside pass.
        if not (member.isfile() or member.isdir()) or not _stays_inside(member, target):
            raise BundleError(f"{label}: '{member.name}' is not a plain file inside the archive; do not use it")
    if sum(member.size for member in members) > _MAX_BYTES:
        raise BundleError(f"{label}: unpacks to more than {_MAX_BYTES >> 30} GiB; do not use it")
    return [member for member in members if member.isfile()]


def _stays_inside(member: tarfile.TarInfo, target: Path) -> bool:
    if ".." in PurePosixPath(member.name).parts:
        return False
    if not hasattr(tarfile, "data_filter"):
        # Python before 3.11.4 has no filters, and Debian 12 ships 3.11.2.
        return not PurePosixPath(member.name).is_absolute()
    try:
        # The filter makes an absolute name relative, but no bundle holds one.
        return tarfile.data_filter(member, str(target)).name == member.name
    except tarfile.FilterError:
        return False
