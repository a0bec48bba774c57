"""Starts a server on one core, loads it from another, and reads what it cost from /proc."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICK = 1e6 / os.sysconf("SC_CLK_TCK")
_SCRIPT = Path(__file__).with_name("load.lua")
V1, V2 = "/v1/models/credit-model:predict", "/v2/models/credit-model/infer"
PATHS = {"names": V1, "tensors": V2, "columns": V2, "binary": V2}


@dataclass(frozen=True)
class Figures:
    """What a server did under one load.

    Attributes:
        rate: requests per second.
        p50: median time of an answer, milliseconds.
        p99: 99th percentile of it.
        cpu: processor time of the server per request, microseconds.
    """

    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class Running:
    """A server process that has answered."""

    pid: int
    port: int
    start_seconds: float

    def peak_mib(self) -> float:
        """Most memory it had at any time."""
        return self._mib("VmHWM:")

    def memory_mib(self) -> float:
        """Memory it has now."""
        return self._mib("VmRSS:")

    def _mib(self, field: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition(field)[2].split()[0]) / 1024

    def cpu_us(self) -> float:
        """Processor time so far, in user and system mode."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK


@contextmanager
def running(name: str, folder: Path, *, core: int) -> Iterator[Running]:
    """Start a server by name and wait until it gives a first answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = ["-m", "images.serve", "--model_dir", str(folder / "model"), "--http_port", str(port), "--drain", "0"]
    words = ours if name == "ours" else ["-m", "benchmarks.serve.peers", name, str(folder), str(port)]
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(["taskset", "-c", str(core), sys.executable, *words], stdout=quiet, stderr=quiet)
    try:
        body = (folder / ("stock-names-1" if name == "stock" else "names-1")).read_bytes()
        _first_answer(process, f"http://127.0.0.1:{port}{V1}", body)
        yield Running(process.pid, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(30)


def _first_answer(process: subprocess.Popen[bytes], url: str, body: bytes) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=5) as answer:
                answer.read()
            return
        except OSError as error:
            if hasattr(error, "code"):
                raise
            time.sleep(0.02)
    raise RuntimeError(f"{url}: no answer; the server ended with {process.poll()}")


def load(server: Running, body: Path, kind: str, *, connections: int, seconds: float, core: int) -> Figures:
    """Send one body over and over.

    Raises:
        RuntimeError: a request was not answered with 200.
    """
    url = f"http://127.0.0.1:{server.port}{PATHS[kind]}"
    wrk(url, body, connections=1, seconds=1, core=core)
    before = server.cpu_us()
    found = wrk(url, body, connections=connections, seconds=seconds, core=core)
    if found["errors"] or not found["requests"]:
        raise RuntimeError(f"{body.name}: {found['errors']:.0f} of {found['requests']:.0f} requests failed")
    used = server.cpu_us() - before
    return Figures(found["requests"] / found["seconds"], found["p50"], found["p99"], used / found["requests"])


def wrk(url: str, body: Path, *, connections: int, seconds: float, core: int, pause_ms: int = 0) -> dict[str, float]:
    """Send one body over and over, each connection with a pause between two requests; return wrk's figures."""
    words = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", "-d", f"{max(1, round(seconds))}s"]
    env = os.environ | {"BODY": str(body), "PAUSE_MS": str(pause_ms)}
    command = [*words, "--timeout", "30s", "-s", str(_SCRIPT), url]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found
