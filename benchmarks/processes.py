"""Processes that benchmarks measure: a server on a free port, and AWS on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.ports import free_port
from sandbox.services import Service

ROOT = Path(__file__).parent.parent
PORT = "{port}"
REGION = "eu-west-1"
START_SECONDS = 60.0
_TICK = 1e6 / os.sysconf("SC_CLK_TCK")
_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True)
class ServerProcess:
    """A server process that answers requests; its memory and time come from /proc."""

    pid: int
    port: int
    start_seconds: float

    def peak_mib(self) -> float:
        """Return its peak memory so far, in MiB."""
        return self._mib("VmHWM:")

    def memory_mib(self) -> float:
        """Return its current memory, in MiB."""
        return self._mib("VmRSS:")

    def _mib(self, field: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition(field)[2].split()[0]) / 1024

    def cpu_us(self) -> float:
        """Return its processor time so far, user plus system, in microseconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK


def model_server(model: Path) -> list[str]:
    """Return the arguments that start our server on a bundle, for `run_server`."""
    return ["-m", "images.serve", "--model_dir", str(model), "--http_port", PORT, "--drain", "0"]


@contextmanager
def run_server(
    words: Sequence[str], path: str = "/v2/health/ready", body: bytes | None = None, *, core: int | None = None
) -> Iterator[ServerProcess]:
    """Start a Python program with a server in it and wait until it answers.

    Args:
        words: Arguments of `python`; `{port}` becomes a free port.
        path: Path that must answer 200.
        body: JSON to post there; None sends a GET.
        core: The processor core to run on; None for any.

    Raises:
        RuntimeError: The process ended or did not answer in time.
    """
    port = free_port()
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    began = time.perf_counter()
    command = [*pinned, sys.executable, *(word.replace(PORT, str(port)) for word in words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _first_answer(process, f"http://127.0.0.1:{port}{path}", body)
        yield ServerProcess(process.pid, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(60)


def _first_answer(process: subprocess.Popen[bytes], url: str, body: bytes | None) -> None:
    deadline, said = time.monotonic() + START_SECONDS, "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=5) as answer:
                answer.read()
            return
        except OSError as error:
            said = str(error)
            if isinstance(error, urllib.error.HTTPError) and error.code not in (404, 503):
                raise
            time.sleep(0.02)
    raise RuntimeError(f"{url}: no answer ({said}); the server ended with {process.poll()}")


@contextmanager
def aws(folder: Path) -> Iterator[None]:
    """Run AWS on loopback with its state in a folder, and point this process and its children to it."""
    command = [sys.executable, "-m", "sandbox.aws", "--state", str(folder / "aws")]
    service = Service("aws", command, state=folder, env={}, cwd=ROOT)
    try:
        endpoint = service.announced()["endpoint"]
        os.environ.update(_KEYS | {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION})
        yield
    finally:
        service.stop()
