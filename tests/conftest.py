"""Shared by all tests: the path of real data, one AWS on loopback for each process, and the two kinds of tests.

A test is a unit test unless it is marked `integration`, and a unit test starts no process and opens no connection: the
guard below fails one that tries. `make check` runs the unit tests that are not marked `slow`; `make test` runs all.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from _pytest.nodeid import coerce_node_id

from sandbox import estate
from sandbox.services import Service

ROOT = Path(__file__).parents[1]
# Images of the sandbox's tests: programs that read their settings when they start, not modules to look for doctests in.
collect_ignore = ["sandbox/aws/probe_image.py", "sandbox/kubernetes/images/good.py"]
collect_ignore_glob = ["sandbox/fidelity/suites/plugins/*"]  # they belong into others' test runs
PROBE = str(ROOT / "tests" / "sandbox" / "aws" / "probe_image.py")


# Fixtures that start processes: whatever uses one of them is an integration test.
STARTING = frozenset({"aws", "platform", "world", "quiet_world", "learnt_world", "cluster", "server", "api"})


class NoProcessOrConnectionError(AssertionError):
    """A unit test tried to start a process or to open a connection; mark it `integration`."""


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what uses a fixture that starts processes."""
    if STARTING & set(getattr(item, "fixturenames", ())):
        item.add_marker(pytest.mark.integration)


@pytest.fixture(autouse=True)
def _guarded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep unit tests from starting processes and opening connections."""
    if request.node.get_closest_marker("integration"):
        return

    def refuse(*arguments: object, **_options: object) -> None:
        raise NoProcessOrConnectionError(f"{request.node.nodeid}: {arguments[1:2]}")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Make `xdist_group` count: pytest-xdist 3.8 writes it where pytest 9.2 no longer looks, and so groups nothing."""
    if getattr(config.option, "loadgroup", False):
        for item in items:
            for mark in item.iter_markers("xdist_group"):
                suffix = f"@{mark.args[0]}"
                if not item.nodeid.endswith(suffix):
                    item._id = coerce_node_id(item.nodeid + suffix)
                assert item.nodeid.endswith(suffix), "the group must be part of the id, or --dist loadgroup ignores it"


@pytest.fixture(scope="session")
def uci_csv() -> Path:
    """Return the path of the UCI file; skip the test if the file is not available."""
    path = os.environ.get("UCI_CSV", "")
    if not path or not Path(path).is_file():
        pytest.skip("set UCI_CSV to the UCI 'default of credit card clients' file to run this test")
    return Path(path)


# Answers that the service models do not allow: two of moto's in which no client reads the part, and one that SageMaker
# itself gives: a versioned package has no name.
KNOWN_DEVIATIONS = frozenset(
    {"athena:CreateWorkGroup", "logs:FilterLogEvents", "logs:GetLogEvents", "sagemaker:DescribeModelPackage"}
)


@dataclass(frozen=True)
class Aws:
    """A running AWS sandbox: its address and its state folder."""

    endpoint: str
    state: Path


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """Yield AWS as a separate process, with the environment variables that clients read."""
    state = tmp_path_factory.mktemp("aws")
    images = state / "images.json"
    images.write_text(
        json.dumps(
            {
                "probe": [sys.executable, PROBE],
                "broken": [sys.executable, PROBE, "--broken"],
                "shell": ["/bin/bash", "-c"],
            }
        ),
        encoding="utf-8",
    )
    variables = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": estate.REGION,
        "AWS_REGION": estate.REGION,
        "SANDBOX_IMAGES": str(images),
        "SANDBOX_CHECK_ANSWERS": "1",
    }
    command = [sys.executable, "-m", "sandbox.aws", "--state", str(state)]
    server = Service("aws", command, state=state, env=variables, cwd=ROOT)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**variables, "AWS_ENDPOINT_URL": server.announced()["endpoint"]}.items():
            environment.setenv(name, value)
        boto3.setup_default_session(region_name=estate.REGION)
        yield Aws(os.environ["AWS_ENDPOINT_URL"], state)
    server.stop()
    deviating = state / "answers.jsonl"
    lines = deviating.read_text(encoding="utf-8").splitlines() if deviating.exists() else []
    unknown = [line for line in lines if json.loads(line)["operation"] not in KNOWN_DEVIATIONS]
    assert unknown == [], "the sandbox's answers differ from the service models"
