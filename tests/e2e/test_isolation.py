"""Two sandboxes on one machine are independent, and a sandbox leaves no process behind however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest

from sandbox.stack import ROOT
from tests.e2e.processes import mentioning
from tests.e2e.runs import eventually

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e-alone"), pytest.mark.timeout(400)]


class SandboxProcess:
    """`python -m sandbox up` as a person runs it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        command = [sys.executable, "-m", "sandbox", "up", "--state", str(state)]
        errors = (state.parent / f"{state.name}.log").open("wb")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT)
        self.environment: dict[str, str] = {}

    def read_environment(self) -> None:
        """Read the printed variables; the last in their order is the region or a Prefect variable."""
        assert self.process.stdout is not None
        while "PREFECT_WORKER_QUERY_SECONDS" not in self.environment:
            line = self.process.stdout.readline()
            assert line, (self.state.parent / f"{self.state.name}.log").read_text()
            name, _, value = line.removeprefix("export ").strip().partition("=")
            self.environment[name] = value.strip("'")

    def put(self, content: bytes) -> None:
        self._s3().put_object(Bucket=self.environment["CREDIT_BUCKET"], Key="mine", Body=content)

    def get(self) -> bytes:
        content: bytes = self._s3().get_object(Bucket=self.environment["CREDIT_BUCKET"], Key="mine")["Body"].read()
        return content

    def _s3(self) -> "boto3.client":
        return boto3.session.Session("test", "test", region_name=self.environment["AWS_REGION"]).client(
            "s3", endpoint_url=self.environment["AWS_ENDPOINT_URL"]
        )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SandboxProcess]]:
    """Yield two sandboxes that were started at the same moment."""
    pair = [SandboxProcess(tmp_path_factory.mktemp(name) / "state") for name in ("one", "two")]
    try:
        for sandbox in pair:
            sandbox.read_environment()
        yield pair
    finally:
        for sandbox in pair:
            sandbox.process.terminate()
        for sandbox in pair:
            sandbox.process.wait(60)


def test_two_sandboxes_are_independent(pair: list[SandboxProcess]) -> None:
    for number, sandbox in enumerate(pair):
        sandbox.put(b"%d" % number)
        assert httpx.get(f"{sandbox.environment['PREFECT_API_URL']}/health").json() is True
    assert [sandbox.get() for sandbox in pair] == [b"0", b"1"]


@pytest.mark.parametrize(("which", "number"), [(0, signal.SIGINT), (1, signal.SIGKILL)])
def test_no_process_outlives_a_sandbox(pair: list[SandboxProcess], which: int, number: signal.Signals) -> None:
    sandbox = pair[which]
    assert len(mentioning(str(sandbox.state))) >= 5
    os.kill(sandbox.process.pid, number)
    code = sandbox.process.wait(60)
    assert code == (130 if number is signal.SIGINT else -signal.SIGKILL)
    eventually(lambda: not mentioning(str(sandbox.state)), "no process left", seconds=20)


def demo(data: Path, state: Path) -> "subprocess.CompletedProcess[str]":
    arguments = ["--data", str(data), "--portfolio", "uci_credit_card", "--exit", "--state", str(state)]
    command = [sys.executable, "-m", "sandbox", "demo", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize("content", [None, b"%PDF-1.7\nno applicants here\n\x00\xff\xfe\n" * 40])
def test_a_demo_on_a_bad_file_ends_with_one_clear_line(tmp_path: Path, content: bytes | None) -> None:
    data, state = tmp_path / "data.csv", tmp_path / "state"
    if content is not None:
        data.write_bytes(content)
    done = demo(data, state)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "data" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert mentioning(str(state)) == []
