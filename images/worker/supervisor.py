"""Runs the container's command as its first process must: hands SIGTERM to who can act on it, and waits for everybody.

`prefect flow-run execute` starts the flow's engine as a process of its own and does not handle SIGTERM; the engine
does, and a flow that is told to stop has work to undo. The first process of a container would ignore SIGTERM without a
handler, and all others are killed when it ends. So this one gives the signal to the engine and ends when all have.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

_PR_SET_CHILD_SUBREAPER = 36


def supervise(command: Sequence[str]) -> int:
    """Run a command until it and everything it has started are gone.

    Args:
        command: Program and arguments.

    Returns:
        The command's exit code; 128 plus the signal's number where a signal ended it.

    Raises:
        FileNotFoundError: There is no such program.
    """
    _adopt_orphans()
    child = subprocess.Popen(command)

    def hand_on(number: int, _: FrameType | None) -> None:
        engines = _children(child.pid) or _children(os.getpid())
        for process in engines:
            os.kill(process, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)
    code = 0
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            return code
        if ended == child.pid:
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code


def _adopt_orphans() -> None:
    """Be the parent of what loses its own, as the first process of a container is by nature."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children(parent: int) -> list[int]:
    try:
        return [int(number) for number in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []
