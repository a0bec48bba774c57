"""The build and push steps of prefect.yaml: nothing without a repository, else the image under the commit's name."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/credit-worker"


@pytest.fixture
def tools(tmp_path) -> Path:
    """Programs in the place of docker and aws that write down how they are called."""
    for name in ("docker", "aws"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/calls"\n')
        program.chmod(0o755)
    return tmp_path


def run(step: str, tools: Path, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    environment.pop("CREDIT_WORKER_REPOSITORY", None)
    script = ["deployments/prefect/worker-image", step]
    done = subprocess.run(
        script, cwd=ROOT, env=environment | variables, capture_output=True, text=True, timeout=30, check=False
    )
    calls = tools / "calls"
    return done, calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize("step", ["build", "push"])
def test_without_a_repository_nothing_happens(tools, step):
    done, calls = run(step, tools)
    assert (done.returncode, calls) == (0, [])
    assert "CREDIT_WORKER_REPOSITORY is not set" in done.stdout


def test_the_image_is_named_after_the_commit(tools):
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    done, calls = run("build", tools, CREDIT_WORKER_REPOSITORY=REPOSITORY)
    assert done.returncode == 0
    (build,) = calls
    assert build.endswith(f"--tag {REPOSITORY}:{commit} .")
    assert (ROOT / "images" / "worker" / "Dockerfile").is_file()
    assert "--file images/worker/Dockerfile" in build


def test_push_logs_in_to_the_registry_first(tools):
    done, calls = run("push", tools, CREDIT_WORKER_REPOSITORY=REPOSITORY)
    assert done.returncode == 0
    assert sorted(calls[:2]) == [
        "aws ecr get-login-password",
        f"docker login --username AWS --password-stdin {REPOSITORY.split('/', maxsplit=1)[0]}",
    ]
    assert calls[2].startswith(f"docker push {REPOSITORY}:")
