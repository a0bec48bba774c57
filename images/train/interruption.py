"""Ends the process at once on SIGTERM, as a spot interruption wants it: no failure, nothing half done."""

import os
import signal
import threading
from collections.abc import Callable

EXIT_CODE = 128 + signal.SIGTERM
# Held while something must not be left half done.
UNINTERRUPTED = threading.Lock()


def watch(before: Callable[[], None]) -> None:
    """Wait for SIGTERM in a thread of its own, then call `before` and end the process with code 143.

    A thread, because Python runs signal handlers between bytecodes only, and one call into LightGBM or numpy may take
    longer than the seconds a reclaimed instance has left. Call it first in the main thread, so that every later thread
    inherits the mask.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_wait, args=(before,), name="interruption", daemon=True).start()


def leave(line: str, code: int = EXIT_CODE) -> None:
    """Write a last line to stderr and end the process, whatever its threads are doing."""
    os.write(2, f"{line}\n".encode())
    os._exit(code)


def _wait(before: Callable[[], None]) -> None:
    signal.sigwait({signal.SIGTERM})
    with UNINTERRUPTED:
        before()
        leave("interrupted by SIGTERM: finished stages are kept as checkpoints, from which a restarted job goes on")
