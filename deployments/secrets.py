"""Looks at secrets without reading them: whether they exist, and which version is current."""

from typing import Any

import boto3

from deployments.errors import EstateError


def current_version(secret: str) -> str:
    """Return the id of the current version of a secret, not its value.

    Raises:
        EstateError: the secret does not exist, has no value or is being deleted.
    """
    client: Any = boto3.client("secretsmanager")
    try:
        found = client.describe_secret(SecretId=secret)
    except client.exceptions.ResourceNotFoundException:
        raise EstateError(
            f"secret {secret} does not exist: create it with aws secretsmanager create-secret (docs/prefect-cloud.md), "
            "and put its ARN into the stage's file"
        ) from None
    if found.get("DeletedDate"):
        raise EstateError(f"secret {secret} is being deleted: aws secretsmanager restore-secret --secret-id {secret}")
    current = [version for version, labels in found.get("VersionIdsToStages", {}).items() if "AWSCURRENT" in labels]
    if not current:
        raise EstateError(f"secret {secret} has no value: aws secretsmanager put-secret-value --secret-id {secret} …")
    return str(current[0])
