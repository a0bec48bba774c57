"""Runs an image's entry point as the first process of a PID namespace, as it is in a container."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


def start(*words):
    """Start `python -m …` as process 1 and return the waiting parent and that process.

    Skips the test where this user may not create namespaces.
    """
    if subprocess.run(["unshare", "--fork", "--pid", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not create a PID namespace")
    parent = subprocess.Popen(
        ["unshare", "--fork", "--pid", sys.executable, "-m", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 10
    while not (children := psutil.Process(parent.pid).children()):
        assert time.monotonic() < deadline, "the namespace has no first process"
        time.sleep(0.005)
    return parent, children[0]


def await_handler(first):
    """Wait until the process handles SIGTERM; return whether it had loaded libraries by then, which take seconds."""
    deadline = time.monotonic() + 30
    while not handles(first.pid, signal.SIGTERM):
        assert time.monotonic() < deadline, "it never handles SIGTERM"
        time.sleep(0.002)
    return "site-packages" in Path(f"/proc/{first.pid}/maps").read_text()


def handles(pid, number):
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1]
    return bool(int(caught, 16) >> (number - 1) & 1)


def code_after_sigterm(parent, first):
    """Send SIGTERM and return the exit code; a process that ignores it fails the test."""
    first.terminate()
    try:
        return parent.wait(20)
    except subprocess.TimeoutExpired:
        first.kill()
        pytest.fail("SIGTERM is ignored")
    finally:
        parent.stdout.close()
