"""The secrets of a container, read from Secrets Manager and Parameter Store before it starts."""

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.aws.errors import SandboxAwsError

_FAILED = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
Client = Callable[[str], Any]


class InitialisationError(SandboxAwsError):
    """A task cannot start; the message is its `stoppedReason`."""


def read(definition: dict[str, Any], client: Client) -> dict[str, str]:
    """Return the variables of a container that come from secrets.

    Args:
        definition: The container's definition.
        client: Makes a boto3 client of a service with the permissions of the task's execution role.

    Raises:
        InitialisationError: A secret does not exist, or does not have the key that is asked for.
    """
    given = definition.get("secrets") or []
    return {secret["name"]: _value(secret["valueFrom"], client) for secret in given}


def _value(source: str, client: Client) -> str:
    if source.split(":")[2:3] == ["secretsmanager"]:
        return _secret(source, client("secretsmanager"))
    return _parameter(source, client("ssm"))


def _secret(source: str, secrets: Any) -> str:  # noqa: ANN401 - a boto3 client
    """Read `arn:…:secret:NAME[:JSON key[:version stage[:version id]]]`."""
    parts = source.split(":")
    arn, (key, stage, version) = ":".join(parts[:7]), [*parts[7:10], "", "", ""][:3]
    chosen = {"VersionStage": stage, "VersionId": version}
    try:
        found = secrets.get_secret_value(SecretId=arn, **{name: value for name, value in chosen.items() if value})
    except ClientError as error:
        raise InitialisationError(
            f"{_FAILED}unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch "
            f"secret {arn} from secrets manager: {_said(error)}"
        ) from error
    text = found.get("SecretString") or found["SecretBinary"].decode()
    return _member(text, key, arn) if key else text


def _member(text: str, key: str, arn: str) -> str:
    try:
        value = json.loads(text)[key]
    except (ValueError, KeyError, TypeError) as error:
        raise InitialisationError(
            f"{_FAILED}unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret "
            f"from Secrets Manager did not contain json key {key}: {arn}"
        ) from error
    return value if isinstance(value, str) else json.dumps(value)


def _parameter(source: str, ssm: Any) -> str:  # noqa: ANN401 - a boto3 client
    """Read a parameter given by name or by `arn:…:parameter/NAME`."""
    name = source.partition(":parameter")[2] if source.startswith("arn:") else source
    names = [name, name.lstrip("/")]  # an ARN does not show whether the name starts with a slash
    found = ssm.get_parameters(Names=names[: 1 + (names[0] != names[1])], WithDecryption=True)["Parameters"]
    if not found:
        raise InitialisationError(
            f"{_FAILED}unable to retrieve secrets from ssm: service call has been retried 1 time(s): fetch secrets "
            f"from ssm failed: invalid parameters: {name}"
        )
    value: str = found[0]["Value"]
    return value


def _said(error: ClientError) -> str:
    return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
