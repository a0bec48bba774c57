"""A container that is a local process group: started from an image's command, followed, and surely ended."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import sandbox
from sandbox.aws.errors import JobError
from sandbox.images import UnknownImageError, command

REPOSITORY = Path(sandbox.__file__).resolve().parent.parent

# Settings of whoever started the sandbox: a container is told such things by its job or not at all.
MACHINES_OWN = ("CREDIT_", "PREFECT_", "KUBECONFIG")


class Container:
    """One process group that stands for a container.

    Args:
        image: URI; `sandbox.images` says which local command it stands for.
        arguments: what the service passes, `train` or `serve`.
        environment: variables on top of this process's own.
        folder: working directory.
        on_line: called with each line of output (stdout and stderr, merged), from a thread of its own.
        foreign: variables that begin like this are not handed on from this process.

    Raises:
        JobError: no local command stands for the image.
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
    ) -> None:
        try:
            words = [*command(image), *arguments]
        except UnknownImageError as error:
            raise JobError(f"ClientError: Cannot find repository of image {image}: {error}") from error
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign or ("\0",))}
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        # An image has the commands of its Python environment in the path.
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        self._process = subprocess.Popen(
            words,
            cwd=folder,
            env={**inherited, "PATH": programs, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **environment},
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
        """The leading process's id, which is also its group's."""
        return self._process.pid

    def poll(self) -> int | None:
        """Exit code, or None while it runs (negative: ended by that signal)."""
        return self._process.poll()

    def interrupt(self) -> None:
        """SIGTERM the leading process, as a container's first process gets it, and return at once."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self, grace: float) -> int:
        """SIGTERM the leading process, SIGKILL the whole group after `grace` seconds at most; return the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        self._signal(signal.SIGKILL)
        code = self._process.wait()
        self._reader.join(5)
        return code

    def _signal(self, number: int) -> None:
        # The group outlives its leader, so children that the entry point left behind are reached as well.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is not None:
            with stream:
                for line in stream:
                    self._on_line(line.rstrip("\n"))
