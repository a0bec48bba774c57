"""No process of a guarded command outlives it: no stubborn child, no orphan, not even if the starter has died."""

import signal
import subprocess
import sys
import time
import uuid

import psutil
import pytest

pytestmark = pytest.mark.integration

SLEEP = "import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
# Starts a child in its own session that ignores SIGTERM, and an orphan whose parent ends at once.
FAMILY = """
import subprocess, sys, time
mark, sleep, stubborn = sys.argv[1:4]
start = lambda code, **how: subprocess.Popen([sys.executable, "-c", code, mark, sleep], **how)
start(stubborn, start_new_session=True)
orphan = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]])"
start(orphan)
time.sleep(float(sys.argv[4]))
"""


def marked(mark: str) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if mark in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def start(mark: str, seconds: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", FAMILY, mark, SLEEP, STUBBORN, str(seconds)]
    guard = subprocess.Popen([sys.executable, "-m", "sandbox.guard", *command], stdin=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while len(marked(mark)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    return guard


@pytest.mark.parametrize("how", ["SIGTERM", "starter dies", "command ends"])
def test_no_process_is_left(how: str) -> None:
    mark = uuid.uuid4().hex
    guard = start(mark, 2 if how == "command ends" else 60)
    assert len(marked(mark)) >= 3
    if how == "SIGTERM":
        guard.send_signal(signal.SIGTERM)
    elif how == "starter dies":
        guard.stdin.close()
    guard.wait(30)
    assert marked(mark) == []


def test_the_guard_exits_with_the_commands_code() -> None:
    guard = subprocess.Popen(
        [sys.executable, "-m", "sandbox.guard", sys.executable, "-c", "raise SystemExit(7)"], stdin=subprocess.PIPE
    )
    assert guard.wait(30) == 7
