"""Finds the images of a commit in their ECR repositories, by digest."""

import subprocess
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deployments.errors import EstateError, MissingImageError

ROOT = Path(__file__).parent.parent
REPOSITORIES = {"TrainImage": "credit-train", "ServeImage": "credit-serve", "WorkerImage": "credit-worker"}


def commit() -> str:
    """Return the checked-out commit, which tags the images.

    Raises:
        EstateError: this is not a git checkout.
    """
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EstateError(f"images are tagged with the commit, but {ROOT} is not a git checkout; clone the repository")
    return done.stdout.strip()


def find(tag: str) -> dict[str, str]:
    """Return the images of a commit as parameters of the templates: `…/credit-train@sha256:…`.

    Raises:
        MissingImageError: one does not exist; the message says how to build it.
    """
    found = {parameter: _address(repository, tag) for parameter, repository in REPOSITORIES.items()}
    missing = [REPOSITORIES[parameter] for parameter, address in found.items() if address is None]
    if missing:
        raise MissingImageError(
            f"no image {', '.join(missing)} of commit {tag[:12]} yet: let the pipeline build it (docs/aws.md, step 5), "
            "or build and push it with that tag"
        )
    return {parameter: address for parameter, address in found.items() if address is not None}


def _address(repository: str, tag: str) -> str | None:
    ecr: Any = boto3.client("ecr")
    try:
        digest = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ImageNotFoundException", "RepositoryNotFoundException"):
            return None
        raise
    uri = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryUri"]
    return f"{uri}@{digest['imageDigest']}"
