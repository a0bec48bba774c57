"""Runs one command and leaves no process behind: `python -m sandbox.guard COMMAND…` with a pipe as standard input.

The command and its descendants end when the guard gets a signal to stop, and also when its standard input closes. That
happens when the process that started the guard ends, however it ends.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from types import FrameType

import psutil

GRACE_SECONDS = 10.0
PR_SET_CHILD_SUBREAPER = 36


class _StopRequest(Exception):  # noqa: N818 - not an error: the request to stop
    """A signal asks the guard to stop."""


def main(command: list[str]) -> int:
    """Run `command` until it ends or has to stop; return its exit code."""
    _adopt_orphans()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(child)
    except _StopRequest:
        pass
    finally:
        _end(child)
    return child.wait()


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _StopRequest


def _adopt_orphans() -> None:
    """On Linux, adopt orphans of the command, so that they can be found."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait(child: "subprocess.Popen[bytes]") -> None:
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], 0.2)
        if readable and not os.read(sys.stdin.fileno(), 1):
            raise _StopRequest


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Ask the command to end itself and its children; then kill its remaining descendants."""
    me = psutil.Process()
    known = set(me.children(recursive=True))
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_SECONDS)
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
        rest = [process for process in known.union(me.children(recursive=True)) if process.is_running()]
        for process in rest:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(rest, timeout=patience)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
