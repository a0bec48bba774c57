"""Ends the process at once on SIGTERM, as a spot interruption requires: no failure, nothing half done."""

import os
import signal
import threading
from collections.abc import Callable

EXIT_CODE = 128 + signal.SIGTERM
# Held during writes that must not be interrupted.
UNINTERRUPTED = threading.Lock()


def watch(before: Callable[[], None]) -> None:
    """Wait for SIGTERM in a separate thread, then call `before` and end the process with code 143.

    Python runs signal handlers only between bytecodes, and one call into LightGBM or numpy may take longer than a
    reclaimed instance has left. Call this first in the main thread, so that every later thread inherits the mask.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_wait, args=(before,), name="interruption", daemon=True).start()


def leave(line: str, code: int = EXIT_CODE) -> None:
    """Write a last line to stderr and end the process without waiting for its threads."""
    os.write(2, f"{line}\n".encode())
    os._exit(code)


def _wait(before: Callable[[], None]) -> None:
    signal.sigwait({signal.SIGTERM})
    with UNINTERRUPTED:
        before()
        leave("interrupted by SIGTERM: a restarted job resumes from the checkpoints of finished stages")
