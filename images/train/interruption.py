"""Ends the process at once on SIGTERM, as a spot interruption requires: no failure, nothing half done."""

import os
import signal
import threading
from collections.abc import Callable

EXIT_CODE = 128 + signal.SIGTERM
# Held during writes that must not be interrupted.
UNINTERRUPTED = threading.Lock()
_last_acts: list[Callable[[], None]] = []


def watch() -> None:
    """Wait for SIGTERM in a separate thread, then end the process with code 143.

    Python runs signal handlers only between bytecodes, and one call into LightGBM or numpy may take longer than a
    reclaimed instance has left. Call this in the main thread before anything that starts threads is imported, because
    the kernel gives the signal to any thread that does not block it, and only later threads inherit the mask.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_wait, name="interruption", daemon=True).start()


def before_leaving(act: Callable[[], None]) -> None:
    """Have `act` called when SIGTERM comes, before the process ends."""
    _last_acts.append(act)


def leave(line: str, code: int = EXIT_CODE) -> None:
    """Write a last line to stderr and end the process without waiting for its threads."""
    os.write(2, f"{line}\n".encode())
    os._exit(code)


def _wait() -> None:
    signal.sigwait({signal.SIGTERM})
    with UNINTERRUPTED:
        for act in _last_acts:
            act()
        leave("interrupted by SIGTERM: a restarted job resumes from the checkpoints of finished stages")
