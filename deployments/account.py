"""The AWS account and region that a stage's file names, and those of the shell."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import boto3

from deployments.errors import AccountError


@dataclass(frozen=True)
class Place:
    """Where commands take effect.

    Attributes:
        account: id of the AWS account of the credentials.
        region: region of all clients.
        caller: ARN of the user or role.
    """

    account: str
    region: str
    caller: str


def enter(stage: str, values: Mapping[str, str]) -> Place:
    """Return the place of a stage and make it the region of every client, however the shell names it.

    AWS tools read `AWS_REGION`, boto3 reads `AWS_DEFAULT_REGION`; the first wins where they differ, as in the AWS CLI.

    Raises:
        AccountError: the stage's file names no account or region, or others than the shell.
    """
    missing = [name for name in ("Account", "Region") if not values.get(name)]
    if missing:
        raise AccountError(
            f"the file of stage {stage} does not say which AWS account it belongs to: fill in {' and '.join(missing)} "
            f"in deployments/stages/{stage}.env, commit and push it (aws sts get-caller-identity shows the account)"
        )
    region = os.environ.get("AWS_REGION") or boto3.Session().region_name or values["Region"]
    _agree(stage, "region", values["Region"], region, "set AWS_REGION to it")
    boto3.setup_default_session(region_name=region)
    found = boto3.client("sts").get_caller_identity()
    _agree(stage, "account", values["Account"], found["Account"], "set AWS_PROFILE to credentials of that account")
    return Place(found["Account"], region, found["Arn"])


def _agree(stage: str, what: str, wanted: str, found: str, advice: str) -> None:
    if wanted != found:
        raise AccountError(f"stage {stage} belongs to {what} {wanted}, and this shell to {found}: {advice}")
