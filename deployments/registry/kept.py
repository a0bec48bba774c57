"""Tags the images that run, because ECR expires all others but the last ten of each repository.

The pipeline pipes what the cluster runs into it: `kubectl get inferenceservices --output json | python -m
deployments.registry.kept`; what ECS runs, it asks itself.
"""

import re
import sys
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deployments.registry.images import REPOSITORIES

# The rules of the repositories in training.yaml keep every image with a tag that begins so.
PREFIX = "used-"
FAMILIES = ("credit-flows", "credit-worker")
_IMAGE = re.compile(r"/(credit-[a-z]+)@(sha256:[0-9a-f]{64})")


def used(text: str) -> dict[str, set[str]]:
    """Return the digests of the images that a text names, by repository.

    Example:
        >>> used('"image": "1.dkr.ecr.eu-west-1.amazonaws.com/credit-serve@sha256:' + 64 * "5" + '"')["credit-serve"]
        {'sha256:5555555555555555555555555555555555555555555555555555555555555555'}
    """
    found: dict[str, set[str]] = {repository: set() for repository in REPOSITORIES.values()}
    for repository, digest in _IMAGE.findall(text):
        if repository in found:
            found[repository].add(digest)
    return found


def keep(repository: str, digests: set[str]) -> list[str]:
    """Tag these images, and take the tag from all others; return a line for people on each change."""
    ecr: Any = boto3.client("ecr")
    tagged = _tagged(ecr, repository)
    lines = [_tag(ecr, repository, digest) for digest in sorted(digests - tagged.keys())]
    for digest in sorted(tagged.keys() - digests):
        ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": tagged[digest]}])
        lines.append(f"{repository}@{digest[:19]} runs no more")
    return lines


def _tagged(ecr: Any, repository: str) -> dict[str, str]:  # noqa: ANN401 - boto3 builds its clients at run time
    """Return the tags of images that ran at the last look, by digest."""
    pages = ecr.get_paginator("list_images").paginate(repositoryName=repository, filter={"tagStatus": "TAGGED"})
    listed = [image for page in pages for image in page["imageIds"]]
    return {image["imageDigest"]: image["imageTag"] for image in listed if image["imageTag"].startswith(PREFIX)}


def _tag(ecr: Any, repository: str, digest: str) -> str:  # noqa: ANN401
    found = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"]
    if not found:
        return f"{repository}@{digest[:19]} runs and is gone from its repository: release again with a newer image"
    tag = f"{PREFIX}{digest.removeprefix('sha256:')[:12]}"
    ecr.put_image(repositoryName=repository, imageManifest=found[0]["imageManifest"], imageTag=tag)
    return f"{repository}@{digest[:19]} runs and is kept"


def _ecs() -> str:
    """Return the task definitions that ECS starts now, as text; nothing before the first deploy."""
    ecs: Any = boto3.client("ecs")
    found = []
    for family in FAMILIES:
        try:
            found.append(ecs.describe_task_definition(taskDefinition=family)["taskDefinition"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ClientException":
                raise
    return str(found)


if __name__ == "__main__":
    for name, running in used(sys.stdin.read() + _ecs()).items():
        for line in keep(name, running):
            print(line)
