"""The weekly workflow that looks at the lock: pinned actions, few rights, and what it runs exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PATH = ROOT / ".github" / "workflows" / "lock.yml"
WORKFLOW = yaml.safe_load(PATH.read_text())


@pytest.mark.integration
@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_the_workflow_is_one(schema):
    program = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run([program, "--builtin-schema", schema, PATH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_job_that_writes_the_pull_request_may_write():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    rights = {name: job.get("permissions") for name, job in WORKFLOW["jobs"].items()}
    assert rights == {"audit": None, "upgrade": {"contents": "write", "pull-requests": "write"}}


def test_actions_are_the_same_commits_as_in_the_tests_workflow():
    used = re.findall(r"uses: (\S+@[0-9a-f]{40}) # v\d+\.\d+\.\d+$", PATH.read_text(), re.MULTILINE)
    assert len(used) == PATH.read_text().count("uses:")
    assert set(used) <= set(re.findall(r"uses: (\S+)", PATH.with_name("test.yml").read_text()))


def test_the_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"run: make (\w+)", PATH.read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
