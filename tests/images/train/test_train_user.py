"""The job starts as root, because SageMaker mounts its folders for root, and works as the image's user."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
WORK = """
import os, pathlib, sys
from images.train import user
user.USER = sys.argv[2]
base = pathlib.Path(sys.argv[1])
user.become_own_user(base)
for name in ("model/model.txt", "output/failure", "output/data/x", "checkpoints/a"):
    (base / name).write_text("written")
print(os.geteuid(), os.getgroups())
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def work(base, user):
    return subprocess.run(
        [sys.executable, "-c", WORK, str(base), user], cwd=ROOT, capture_output=True, text=True, check=False
    )


@needs_root
def test_the_folders_of_root_become_the_users_and_root_is_given_up(tmp_path):
    for folder in (tmp_path, *tmp_path.parents):  # pytest's folders are closed to others
        if folder.stat().st_uid == os.geteuid() and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o011)
    (tmp_path / "model").mkdir(mode=0o755)
    done = work(tmp_path, "nobody")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(maxsplit=1) == [str(pwd.getpwnam("nobody").pw_uid), "[]\n"]


def test_outside_the_image_nothing_changes(tmp_path):
    for name in ("model", "output/data", "checkpoints"):
        (tmp_path / name).mkdir(parents=True)
    done = work(tmp_path, "no-such-user")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == str(os.geteuid())
