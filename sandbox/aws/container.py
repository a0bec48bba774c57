"""A container as a local process group, or run by podman or Docker: started, watched, and always ended."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import sandbox
from sandbox import containers
from sandbox.aws.errors import JobError
from sandbox.containers import Limits, Mount
from sandbox.images import UnknownImageError

REPOSITORY = Path(sandbox.__file__).resolve().parent.parent

# Variables of the parent process that a container must not inherit; its job sets them if needed.
HOST_VARIABLES = ("CREDIT_", "PREFECT_", "KUBECONFIG")


class Container:
    """One container.

    Args:
        image: URI; `sandbox.images` maps it to a local command.
        arguments: What the service passes: `train` or `serve`.
        environment: Variables that the service sets.
        folder: Working directory.
        on_line: Called with each line of output (stdout and stderr merged) on a separate thread.
        foreign: Prefixes of variables that a process does not inherit from this one.
        mounts: Folders and files that the service mounts.
        limits: What it may use.

    Raises:
        JobError: No local command stands for the image.
    """

    def __init__(
        self,
        image: str,
        arguments: list[str],
        *,
        environment: dict[str, str],
        folder: Path,
        on_line: Callable[[str], None],
        foreign: tuple[str, ...] = (),
        mounts: tuple[Mount, ...] = (),
        limits: Limits | None = None,
    ) -> None:
        inherited = _inherited(foreign)
        try:
            self._command = containers.command(
                image, arguments, environment=environment, inherited=inherited, mounts=mounts, limits=limits
            )
        except UnknownImageError as error:
            raise JobError(f"ClientError: Cannot find repository of image {image}: {error}") from error
        self._process = subprocess.Popen(
            self._command.words,
            cwd=folder,
            env=self._command.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._on_line = on_line
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Id of the leading process and of its group."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, negative if a signal ended the process; None while it runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Send SIGTERM to the leading process, as to a container's first process, and return at once."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self, grace: float) -> int:
        """Send SIGTERM to the leader, then SIGKILL to the group after `grace` seconds; return the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        if self._process.poll() is None:
            self._command.remove()
        self._signal(signal.SIGKILL)
        code = self._process.wait()
        self._reader.join(5)
        return code

    def _signal(self, number: int) -> None:
        # The group outlives its leader, so this also reaches children that the entry point left behind.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is not None:
            with stream:
                for line in stream:
                    self._on_line(line.rstrip("\n"))


def _inherited(foreign: tuple[str, ...]) -> dict[str, str]:
    """Return this process's variables for a process in the place of a container."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign or ("\0",))}
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    # An image's PATH includes the commands of its Python environment.
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**kept, "PATH": programs, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
