"""Builds the images of a commit, pushes them to their ECR repositories, and finds them there by digest."""

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deployments.errors import EstateError, MissingImageError

ROOT = Path(__file__).parents[2]
REPOSITORIES = {"TrainImage": "credit-train", "ServeImage": "credit-serve", "WorkerImage": "credit-worker"}
BUILDERS = ("docker", "buildah")


def commit() -> str:
    """Return the checked-out commit, which tags the images.

    Raises:
        EstateError: this is not a git checkout.
    """
    return _git("rev-parse", "HEAD")


def uncommitted(place: str = ".") -> list[str]:
    """Return the files below a place that differ from the checked-out commit.

    Raises:
        EstateError: this is not a git checkout.
    """
    return [line[2:].strip() for line in _git("status", "--porcelain", "--", place).splitlines()]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EstateError(f"images are tagged with the commit, but {ROOT} is not a git checkout; clone the repository")
    return done.stdout.rstrip()


def find(tag: str) -> dict[str, str]:
    """Return the images of a commit as parameters of the templates: `…/credit-train@sha256:…`.

    Raises:
        MissingImageError: one does not exist; the message says how to build it.
    """
    found = {parameter: _address(repository, tag) for parameter, repository in REPOSITORIES.items()}
    missing = [REPOSITORIES[parameter] for parameter, address in found.items() if address is None]
    if missing:
        raise MissingImageError(
            f"no image {', '.join(missing)} of commit {tag[:12]} yet: build and push it with make images STAGE=…, "
            "let the pipeline do so, or bring it from another stage with make promote (docs/aws.md)"
        )
    return {parameter: address for parameter, address in found.items() if address is not None}


def push(builder: str, *, say: Callable[[str], None] = print) -> None:
    """Build the images of the checked-out commit and push those that are not in their repositories yet.

    Args:
        builder: docker or buildah; the first of them that is installed if empty.
        say: prints a line for people.

    Raises:
        EstateError: a file is not committed, no builder is installed, a repository does not exist, or a build fails.
    """
    tag = commit()
    if changed := uncommitted():
        raise EstateError(f"images are tagged with the commit; commit these files first: {', '.join(changed[:10])}")
    program = _builder(builder)
    lacking = [name for name in REPOSITORIES.values() if _address(name, tag) is None]
    for name in sorted(set(REPOSITORIES.values()) - set(lacking)):
        say(f"{name}:{tag} is there already")
    uris = {name: _uri(name) for name in lacking}
    if lacking:
        _log_in(program, next(iter(uris.values())).partition("/")[0])
    for name, uri in uris.items():
        say(f"{name}:{tag} …")
        for command in _commands(program, name.removeprefix("credit-"), f"{uri}:{tag}"):
            _run(command)


def _builder(named: str) -> str:
    found = [name for name in ([named] if named else BUILDERS) if shutil.which(name)]
    if not found:
        raise EstateError(f"no {named or 'builder'} here: install Docker or buildah (Debian: apt-get install buildah)")
    return found[0]


def _commands(program: str, image: str, address: str) -> list[list[str]]:
    """Return the commands that build and push an image.

    The base comes from the mirror that `images/base` names, because Docker's registry limits anonymous pulls. SageMaker
    takes plain manifests only: no attestations.
    """
    base = (ROOT / "images" / "base").read_text().strip()
    named = base.rpartition("/")[2].partition("@")[0]
    common = ["--file", f"images/{image}/Dockerfile", "--tag", address, "--platform", "linux/amd64"]
    common += ["--build-context", f"{named}=docker-image://{base}"]
    if Path(program).name == "docker":
        return [[program, "buildx", "build", *common, "--provenance=false", "--sbom=false", "--push", "."]]
    ignore = f"images/{image}/Dockerfile.dockerignore"
    return [
        [program, "build", *common, "--format", "docker", "--ignorefile", ignore, "."],
        [program, "push", address],
    ]


def _log_in(program: str, registry: str) -> None:
    token = boto3.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    password = base64.b64decode(token).decode().partition(":")[2]
    _run([program, "login", "--username", "AWS", "--password-stdin", registry], given=password)


def _run(command: list[str], *, given: str | None = None) -> None:
    done = subprocess.run(command, cwd=ROOT, input=given, text=True, check=False)
    if done.returncode:
        raise EstateError(f"{' '.join(command[:3])} failed with exit code {done.returncode}; its output says why")


def _address(repository: str, tag: str) -> str | None:
    ecr: Any = boto3.client("ecr")
    try:
        digest = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ImageNotFoundException", "RepositoryNotFoundException"):
            return None
        raise
    return f"{_uri(repository)}@{digest['imageDigest']}"


def _uri(repository: str) -> str:
    ecr: Any = boto3.client("ecr")
    try:
        found = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
    except ecr.exceptions.RepositoryNotFoundException:
        raise EstateError(f"no repository {repository} yet: run make deploy first, which makes it") from None
    return str(found["repositoryUri"])
