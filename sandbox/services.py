"""Starts the sandbox's servers as guarded processes and stops them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

START_TIMEOUT_SECONDS = 90.0
STOP_TIMEOUT_SECONDS = 30.0


class ServiceError(RuntimeError):
    """A server of the sandbox did not start, or ended unexpectedly."""


class Service:
    """One guarded process with its log file; it never outlives this process."""

    def __init__(self, name: str, command: list[str], *, state: Path, env: dict[str, str], cwd: Path) -> None:
        self.name = name
        self.log = state / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._log: IO[bytes] = self.log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.guard", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **env},
            cwd=cwd,
            start_new_session=True,
        )

    def announced(self) -> dict[str, Any]:
        """Return the JSON line that the server prints on standard output when ready.

        Raises:
            ServiceError: The server ended first.
        """
        if self.process.stdout is None:
            raise ServiceError(f"{self.name}: no standard output")
        line = self.process.stdout.readline()
        if not line:
            raise self.failure()
        found: dict[str, Any] = json.loads(line)
        return found

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Poll until `ready` returns true.

        Raises:
            ServiceError: The server ended, or is not ready in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise self.failure()
            time.sleep(0.1)

    def failure(self) -> ServiceError:
        """Return an error with the server's exit code and the end of its log."""
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        return ServiceError(
            f"{self.name} did not start or has ended (exit code {self.process.poll()}); {self.log} ends:\n{tail}"
        )

    def stop(self) -> None:
        """End the process and its descendants, and wait for them."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_TIMEOUT_SECONDS)
        self._log.close()
