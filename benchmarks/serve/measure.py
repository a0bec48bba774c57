"""Starts a server on one core, loads it from another, and reads its processor time from /proc."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import PORT, ServerProcess, model_server, run_server

_SCRIPT = Path(__file__).with_name("load.lua")
V1, V2 = "/v1/models/credit-model:predict", "/v2/models/credit-model/infer"
PATHS = {"names": V1, "tensors": V2, "columns": V2, "binary": V2}


@dataclass(frozen=True)
class Figures:
    """Results of one server under one load.

    Attributes:
        rate: requests per second.
        p50: median response time, milliseconds.
        p99: 99th percentile of the response time, milliseconds.
        cpu: processor time of the server per request, microseconds.
    """

    rate: float
    p50: float
    p99: float
    cpu: float


def start_server(name: str, folder: Path, *, core: int) -> AbstractContextManager[ServerProcess]:
    """Start a server by name on one core, and wait for its first answer."""
    peer = ["-m", "benchmarks.serve.peers", name, str(folder), PORT]
    body = (folder / ("stock-names-1" if name == "stock" else "names-1")).read_bytes()
    return run_server(model_server(folder / "model") if name == "ours" else peer, V1, body, core=core)


def load(server: ServerProcess, body: Path, kind: str, *, connections: int, seconds: float, core: int) -> Figures:
    """Send one body repeatedly and return the figures.

    Raises:
        RuntimeError: a request got no 200.
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
    """Run wrk with one body, and with a pause between the requests of a connection; return its figures."""
    words = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", "-d", f"{max(1, round(seconds))}s"]
    env = os.environ | {"BODY": str(body), "PAUSE_MS": str(pause_ms)}
    command = [*words, "--timeout", "30s", "-s", str(_SCRIPT), url]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found
