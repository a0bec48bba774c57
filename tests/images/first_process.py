"""Runs an image's entry point as the first process of a PID namespace, as it is in a container."""

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


def ends_of_sigterm(parent, first, after):
    """Send SIGTERM after some seconds and return the exit code; a process that ignores it fails the test."""
    time.sleep(after)
    first.terminate()
    try:
        return parent.wait(20)
    except subprocess.TimeoutExpired:
        first.kill()
        pytest.fail(f"SIGTERM after {after} s is ignored")
    finally:
        parent.stdout.close()
