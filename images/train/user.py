"""Training without root's rights: the job's folders are given to the image's own user before the work starts."""

import os
import pwd
import sys
from pathlib import Path

USER = "credit"
# What the job writes to; SageMaker mounts it for root alone.
_WRITTEN = ("model", "output", "output/data", "checkpoints")


def become_own_user(base: Path) -> None:
    """Give the folders that the job writes to the image's user, and go on as that user.

    Outside the image there is no such user, and nothing changes. Where root may not change owners, as on some file
    systems, the job stays root and says so.

    Args:
        base: SageMaker's `/opt/ml`.
    """
    try:
        own = pwd.getpwnam(USER)
    except KeyError:
        return
    if os.geteuid() != 0:
        return
    try:
        _hand_over(base, own)
    except OSError as error:
        print(f"the job stays root, because the user '{USER}' cannot have its folders: {error}", file=sys.stderr)
        return
    os.environ["HOME"] = own.pw_dir


def _hand_over(base: Path, own: pwd.struct_passwd) -> None:
    for name in _WRITTEN:
        folder = base / name
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, own.pw_uid, own.pw_gid)
    os.setgroups([])
    os.setgid(own.pw_gid)
    os.setuid(own.pw_uid)
