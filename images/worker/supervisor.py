"""The container's first process: runs the command, forwards signals to the flow's engine, and waits for all children.

`prefect flow-run execute` starts the flow's engine as a separate process and does not handle SIGTERM. The engine does,
and a flow that is stopped has work to undo. Without a handler, a container's first process ignores SIGTERM, and when it
ends, all others are killed. So this process forwards the signal to the engine and ends last.
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
    """Run a command until it and all processes it has started have ended.

    Args:
        command: Program and arguments.

    Returns:
        The command's exit code; 128 plus the signal's number if a signal ended it.

    Raises:
        OSError: The program is missing or cannot be started.
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
    """Become the parent of orphaned processes, as a container's first process already is."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children(parent: int) -> list[int]:
    try:
        return [int(number) for number in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []
