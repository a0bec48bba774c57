"""Checks, before any work is done, that a file or folder can be written where the user wants it."""

from __future__ import annotations

import os
from pathlib import Path

from credit_model.errors import DataError


def file_target(path: Path) -> Path:
    """Return the path if a file can be written there.

    Raises:
        DataError: It is a folder, or its folder is missing, is a file, or may not be written to.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file to write")
    _usable(path.parent, path)
    if not path.parent.exists():
        raise DataError(f"{path}: the folder {path.parent} does not exist; make it first")
    return path


def new_file_target(path: Path) -> Path:
    """Return the path if a file can be written there once missing folders are made.

    Raises:
        DataError: It is a folder, or one of its folders is a file, or may not be written to.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file to write")
    _usable(path.parent, path)
    return path


def new_folder_target(path: Path) -> Path:
    """Return the path if it is an empty folder, or a new folder can be made there.

    Raises:
        DataError: It is a file or a folder with content, or one of its folders is a file or may not be written to.
    """
    if path.is_dir() and any(path.iterdir()):
        raise DataError(f"{path}: the folder is not empty; name a new folder")
    if path.exists() and not path.is_dir():
        raise DataError(f"{path}: is a file; name a new folder")
    _usable(path, path)
    return path


def _usable(folder: Path, path: Path) -> None:
    """Check the nearest folder that exists."""
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise DataError(f"{path}: {folder} is a file, not a folder; choose another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"{path}: the folder {folder} may not be written to; choose another or ask for permission")
