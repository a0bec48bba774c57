"""Copies the images that one stage runs into the registry of another, byte by byte: the digests stay the same."""

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deployments.account import Place
from deployments.errors import AccountError, EstateError
from deployments.registry import images

RUNNING = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
Say = Callable[[str], None]


def source(stage: str, values: Mapping[str, str], profile: str) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a session in the account of the stage that is promoted.

    Raises:
        AccountError: the profile does not exist, or belongs to another account than the stage.
    """
    try:
        session = boto3.Session(profile_name=profile, region_name=values.get("Region"))
        account = session.client("sts").get_caller_identity()["Account"]
    except BotoCoreError as error:
        raise AccountError(f"{error}: FROM_PROFILE names an AWS profile with credentials of stage {stage}") from None
    if account != values.get("Account"):
        raise AccountError(f"profile {profile} is of account {account}, and stage {stage} of {values.get('Account')}")
    return session


def promote(stage: str, session: Any, place: Place, *, say: Say = print) -> str:  # noqa: ANN401
    """Copy the images of a stage to the registry of the shell's account; return their commit.

    Args:
        stage: name of the stage whose images are copied.
        session: of its account.
        place: of the stage that gets them.
        say: prints a line for people.

    Raises:
        EstateError: the stage runs nothing that could be promoted.
    """
    running = _running(stage, session.client("cloudformation"))
    commit, ours, theirs = running["GitCommit"], boto3.client("ecr"), session.client("ecr")
    for parameter, repository in images.REPOSITORIES.items():
        digest = running[parameter].partition("@")[2]
        copied = _copy(repository, digest, commit, theirs, ours)
        say(f"{repository}@{digest} {'copied to' if copied else 'is there already in'} account {place.account}")
    return commit


def _running(stage: str, client: Any) -> dict[str, str]:  # noqa: ANN401
    name = f"credit-{stage}-orchestration"
    try:
        found = client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise EstateError(f"stage {stage} runs no images: stack {name} does not exist; deploy and test it") from None
    if found["StackStatus"] not in RUNNING:
        raise EstateError(f"stack {name} is {found['StackStatus']}: promote what has been deployed well")
    return {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}


def _copy(repository: str, digest: str, tag: str, theirs: Any, ours: Any) -> bool:  # noqa: ANN401
    """Copy one image; return False if it is there already."""
    wanted = {"repositoryName": repository, "imageIds": [{"imageDigest": digest}]}
    if ours.batch_get_image(**wanted).get("images"):
        return False
    found = theirs.batch_get_image(**wanted).get("images")
    if not found:
        raise EstateError(f"{repository}@{digest} is not in its registry any more: deploy that stage again")
    manifest, kind = found[0]["imageManifest"], found[0].get("imageManifestMediaType", "")
    parts = json.loads(manifest)
    if "layers" not in parts:
        raise EstateError(f"{repository}@{digest} is a list of images ({kind}); build it with make images")
    for layer in [parts["config"], *parts["layers"]]:
        _copy_layer(repository, layer["digest"], theirs, ours)
    given = {"imageManifestMediaType": kind} if kind else {}
    ours.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag, imageDigest=digest, **given)
    return True


def _copy_layer(repository: str, digest: str, theirs: Any, ours: Any) -> None:  # noqa: ANN401
    held = ours.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])
    if any(one["layerAvailability"] == "AVAILABLE" for one in held["layers"]):
        return
    url = theirs.get_download_url_for_layer(repositoryName=repository, layerDigest=digest)["downloadUrl"]
    upload = ours.initiate_layer_upload(repositoryName=repository)
    common, first = {"repositoryName": repository, "uploadId": upload["uploadId"]}, 0
    for part in _parts(url, upload["partSize"]):
        last = first + len(part) - 1
        ours.upload_layer_part(**common, partFirstByte=first, partLastByte=last, layerPartBlob=part)
        first = last + 1
    ours.complete_layer_upload(**common, layerDigests=[digest])


def _parts(url: str, size: int) -> Iterator[bytes]:
    """Yield what is behind a URL in parts of a size; only the last may be smaller."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - ECR's own presigned address
        while part := answer.read(size):
            yield part
