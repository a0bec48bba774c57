"""A server process as the tests start it."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process with its client."""

    def __init__(self, *arguments: str, log: Path, **env: str) -> None:
        self.log = log
        # `make bench-images` has the server started from the image's own environment and files.
        command = [os.environ.get("SERVE_PYTHON", sys.executable), "-m", "images.serve", *arguments]
        here = os.environ.get("SERVE_APP")
        self.process = subprocess.Popen(command, env=os.environ | env, stderr=log.open("w"), cwd=here)

    def connect(self, port: int) -> httpx.Client:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if client.get("/v2/health/ready").status_code == 200:
                    return client
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"not ready: {self.log.read_text()}")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)
