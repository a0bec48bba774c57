"""Batch transform runs the serve image as its own user on a model that SageMaker has unpacked as root."""

import os
import pwd
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from credit_model.bundle.archive import write_archive

ROOT = Path(__file__).parents[3]
LOAD = """
import os, pathlib, sys
from credit_model.bundle.bundle import Bundle
folder = pathlib.Path(sys.argv[1])
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
print(Bundle.load(folder).version)
"""


def as_sagemaker_packs(folder: Path, path: Path) -> Path:
    """Pack what the job has left in /opt/ml/model, with the modes that its files have."""
    with tarfile.open(path, "w:gz") as archive:
        for file in folder.iterdir():
            archive.add(file, file.name)
    return path


@pytest.mark.integration
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("packed", [as_sagemaker_packs, write_archive])
def test_a_model_that_root_has_unpacked_is_read_by_another_user(bundle_folder, packed, tmp_path):
    for folder in (tmp_path, *tmp_path.parents):  # pytest's folders are closed to others
        if folder.stat().st_uid == 0 and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o011)
    (tmp_path / "model").mkdir(mode=0o755)
    with tarfile.open(packed(bundle_folder, tmp_path / "model.tar.gz")) as archive:
        archive.extractall(tmp_path / "model", filter="fully_trusted")  # with modes and owners, as root's tar does
    nobody = str(pwd.getpwnam("nobody").pw_uid)
    command = [sys.executable, "-c", LOAD, str(tmp_path / "model"), nobody]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
