"""The Dockerfiles: hadolint finds nothing, what they copy exists, and they do not run as root."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
IMAGES = ("serve", "train", "worker")


def dockerfile(image):
    return ROOT / "images" / image / "Dockerfile"


def instructions(image):
    joined = dockerfile(image).read_text().replace("\\\n", " ")
    lines = [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def copied(image):
    sources = []
    for name, rest in instructions(image):
        if name == "COPY" and not rest.startswith("--from"):
            sources += rest.split()[:-1]
    return sources


@pytest.mark.parametrize("image", IMAGES)
def test_hadolint_is_silent(image):
    linter = Path(sys.executable).parent / "hadolint"
    found = subprocess.run([linter, "--no-color", dockerfile(image)], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_copied_exists_and_reaches_the_builder(image):
    allowed = dockerfile(image).with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in allowed
    let_through = {Path(line[1:]) for line in allowed if line.startswith("!")}
    for source in map(Path, copied(image)):
        assert (ROOT / source).exists(), source
        assert let_through & {source, *source.parents}, source
    assert let_through <= set(map(Path, copied(image)))


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_is_pinned_and_only_training_starts_as_root(image):
    lines = instructions(image)
    bases = [rest.split()[0] for name, rest in lines if name == "FROM"]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", bases[0])
    users = [rest for name, rest in lines if name == "USER"]
    assert users == ([] if image == "train" else ["1000"])  # images/train/user.py gives root up
    assert [name for name, _ in lines].count("HEALTHCHECK") == 1


BASE = ROOT / "images" / "base"
RENOVATE = json.loads((ROOT / "renovate.json").read_text())


def test_builds_for_aws_take_the_same_base_from_a_registry_without_limits():
    found = re.fullmatch(r"public\.ecr\.aws/docker/library/(python:[\w.-]+)(@sha256:[0-9a-f]{64})?\n", BASE.read_text())
    assert found, "REGISTRY/python:TAG, and @DIGEST once the bot has run"
    bases = {rest.split()[0] for image in IMAGES for name, rest in instructions(image) if name == "FROM"}
    assert bases == {found[1]}


def matched(path, text):
    """Return what Renovate's regular expressions find in a file; they are JavaScript's."""
    found = []
    for manager in RENOVATE["customManagers"]:
        if any(re.search(pattern.strip("/"), path) for pattern in manager["managerFilePatterns"]):
            for pattern in manager["matchStrings"]:
                found += [match.groupdict() for match in re.finditer(pattern.replace("(?<", "(?P<"), text)]
    return found


def test_the_bot_finds_every_place_of_the_base_and_offers_the_same_tags():
    tag = BASE.read_text().partition("@")[0].strip().rpartition(":")[2]
    digest = "sha256:" + "5e" * 32
    (bare,) = matched("images/base", BASE.read_text().partition("@")[0].strip() + "\n")
    (pinned,) = matched("images/base", f"public.ecr.aws/docker/library/python:{tag}@{digest}\n")
    assert (bare["currentValue"], bare["currentDigest"]) == (tag, None)
    assert (pinned["currentValue"], pinned["currentDigest"]) == (tag, digest)
    for image in IMAGES:
        found = matched(f"images/{image}/Dockerfile", dockerfile(image).read_text())
        assert [one["currentValue"] for one in found] == [tag, tag]
    (rule,) = [rule for rule in RENOVATE["packageRules"] if "allowedVersions" in rule]
    allowed = rule["allowedVersions"].strip("/")
    assert re.search(allowed, tag)
    assert not re.search(allowed, "3.12.9-slim-bookworm")


def test_the_bots_configuration_is_one():
    program = Path(sys.executable).parent / "check-jsonschema"
    command = [program, "--builtin-schema", "vendor.renovate", ROOT / "renovate.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("image", IMAGES)
def test_the_entry_point_is_the_image_module(image):
    entry = json.loads(next(rest for name, rest in instructions(image) if name == "ENTRYPOINT"))
    assert entry == ["tini", "--", "python", "-m", f"images.{image}"]
    assert (ROOT / "images" / image / "__main__.py").exists()


@pytest.mark.parametrize("image", IMAGES)
def test_only_its_own_dependency_group_is_installed(image):
    groups = re.findall(r"--group (\S+)", dockerfile(image).read_text())
    assert groups == [{"serve": "serve", "train": "train", "worker": "flows"}[image]]
    assert groups[0] in tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]


LOADED = {
    "serve": "import images.serve.__main__, images.serve.http.server, images.serve.http.app",
    "train": "import images.train.job, optuna; optuna.create_study().optimize(lambda trial: 1.0, n_trials=1)",
    "worker": "import flows.ingest, flows.train, flows.release, flows.score, flows.monitor, flows.rollback; "
    "import images.worker.eks, sagemaker.core.resources, prefect.cli.flow_run",
}


@pytest.mark.parametrize("image", IMAGES)
def test_what_an_image_does_without_is_nothing_that_it_loads(image):
    """The image leaves out what is in without.txt; what other images need of it stays in their groups."""
    lines = (ROOT / "images" / image / "without.txt").read_text().splitlines()
    names = [line.split("#")[0].strip() for line in lines if not line.startswith("#")]
    assert all("#" in line for line in lines), "say why"
    locked = (ROOT / "requirements.lock").read_text()
    assert all(f"\n{name}==" in locked for name in names)
    modules = {"pillow": "PIL", "pyjwt": "jwt", "pynacl": "nacl"}
    wanted = f"sorted({ {modules.get(name, name) for name in names}!r} & set(sys.modules))"
    code = f"{LOADED[image]}; import sys; print({wanted})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.splitlines()[-1] == "[]"


def test_the_server_loads_nothing_that_its_group_lacks():
    """scikit-learn and jinja2 belong to training; a server that imports them starts slowly or not at all."""
    wanted = "sorted({'sklearn', 'jinja2', 'pandas'} & set(sys.modules))"
    code = f"import images.serve.__main__, images.serve.http.app, sys; print({wanted})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"
