"""The worker image's first process: exit codes, SIGTERM to whoever can act on it, and nobody left behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
# Like `prefect flow-run execute`: dies of SIGTERM itself, while the process it has started has work to undo.
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], sys.argv[2]]); sys.exit(5)"
ENGINE = """
import pathlib, signal, sys, time
place = pathlib.Path(sys.argv[1])
def undo(number, frame):
    time.sleep(0.5)
    (place / 'undone').touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, undo)
(place / 'ready').touch()
time.sleep(60)
"""


def start(*command):
    return subprocess.Popen([sys.executable, "-m", "images.worker", *command], cwd=ROOT)


def await_file(path):
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.02)


@pytest.mark.parametrize(("code", "expected"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_is_the_commands(code, expected):
    assert start("bash", "-c", code).wait(20) == expected


def test_sigterm_reaches_the_engine_and_its_work_is_waited_for(tmp_path):
    process = start(sys.executable, "-c", PARENT, ENGINE, str(tmp_path))
    await_file(tmp_path / "ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 5
    assert (tmp_path / "undone").exists()


def test_an_engine_that_lost_its_parent_is_waited_for_and_still_told_to_stop(tmp_path):
    process = start(sys.executable, "-c", PARENT, ENGINE, str(tmp_path))
    await_file(tmp_path / "ready")
    [parent] = psutil.Process(process.pid).children()
    [engine] = parent.children()
    parent.kill()
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 137
    assert (tmp_path / "undone").exists()
    assert not engine.is_running()


def test_a_command_without_children_gets_the_signal_itself(tmp_path):
    process = start(sys.executable, "-c", ENGINE, str(tmp_path))
    await_file(tmp_path / "ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert (tmp_path / "undone").exists()


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("no-such-program", "x"), 127, "no-such-program: No such file or directory"),
        (("/etc/passwd",), 126, "/etc/passwd: Permission denied"),
        (("token", "only-a-cluster"), 2, "usage: python -m images.worker"),
        ((), 2, "usage: python -m images.worker"),
    ],
)
def test_a_command_that_cannot_run_is_reported_without_a_traceback(command, code, words):
    done = subprocess.run(
        [sys.executable, "-m", "images.worker", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
