"""Rules of Secrets Manager and of Parameter Store; recorded in localstack's and moto's tests."""

import re
from typing import Any

from moto.secretsmanager.models import secretsmanager_backends

from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules.rule import Rule

_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]+")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9_.\-/]+")
_DAYS = (7, 30)
_STANDARD, _MOST_LEVELS = 4096, 15


def _secret_name(call: Call) -> str | None:
    if _SECRET_NAME.fullmatch(call.get("Name")):
        return None
    return "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"


def _both_values(call: Call) -> str | None:
    if call.get("SecretString") is not None and call.get("SecretBinary") is not None:
        return "You can't specify both a binary secret value and a string secret value in the same secret."
    return None


def _no_value(call: Call) -> str | None:
    if call.get("SecretString") is None and call.get("SecretBinary") is None:
        return "You must provide either SecretString or SecretBinary."
    return None


def _secret(call: Call) -> Any:  # noqa: ANN401 - moto's
    store = secretsmanager_backends[call.account][call.region].secrets
    return store.get(call.get("SecretId") or call.get("Name"))


def _going(call: Call) -> str | None:
    found = _secret(call)
    if found is not None and found.deleted_date:
        return "You can't create this secret because a secret with this name is already scheduled for deletion."
    return None


def _gone(call: Call) -> str | None:
    found = _secret(call)
    if found is not None and found.deleted_date:
        return "You can't perform this operation on the secret because it was marked for deletion."
    return None


def _window(call: Call) -> str | None:
    days = call.get("RecoveryWindowInDays")
    if days is None:
        return None
    if call.get("ForceDeleteWithoutRecovery"):
        return "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."
    if _DAYS[0] <= days <= _DAYS[1]:
        return None
    return "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."


def _rotation(call: Call) -> str | None:
    found = _secret(call)
    if found is None or call.get("RotationLambdaARN") or getattr(found, "rotation_lambda_arn", None):
        return None
    return "No Lambda rotation function ARN is associated with this secret."


def _parameter_name(call: Call) -> str | None:
    if _PARAMETER_NAME.fullmatch(call.get("Name")):
        return None
    return (
        "Parameter name: can't contain spaces or special characters. Only a mix of letters, numbers and the following "
        "4 symbols .-_/ are allowed."
    )


def _levels(call: Call) -> str | None:
    if call.get("Name").strip("/").count("/") < _MOST_LEVELS:
        return None
    return f"Hierarchy level exceeded: a parameter name can have at most {_MOST_LEVELS} levels."


def _parameter_size(call: Call) -> str | None:
    if (call.get("Tier") or "Standard") != "Standard" or len(call.get("Value")) <= _STANDARD:
        return None
    return (
        f"Standard tier parameters support a maximum parameter value of {_STANDARD} characters. To create a larger "
        "parameter value, upgrade the parameter to use the advanced-parameter tier."
    )


def _pattern(call: Call) -> str | None:
    pattern = call.get("AllowedPattern")
    if not pattern or re.search(pattern, call.get("Value")):
        return None
    return f"Parameter value, cannot be validated against allowedPattern: {pattern}"


def _path(call: Call) -> str | None:
    if call.get("Path").startswith("/"):
        return None
    return (
        "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward "
        'slash "/". It can\'t be prefixed with "aws" or "ssm" (case-insensitive).'
    )


_REQUEST, _PARAMETER = "InvalidRequestException", "InvalidParameterException"
RULES = (
    Rule("CreateSecret", "test_invalid_secret_name", _secret_name),
    Rule("CreateSecret PutSecretValue UpdateSecret", "API CreateSecret", _both_values, _PARAMETER),
    Rule("PutSecretValue", "moto's test_secretsmanager", _no_value, _REQUEST),
    Rule("CreateSecret", "test_exp_raised_on_creation_of_secret_scheduled_for_deletion", _going, _REQUEST),
    Rule("DeleteSecret", "API DeleteSecret", _window, _PARAMETER),
    Rule("GetSecretValue PutSecretValue UpdateSecret RotateSecret TagResource UntagResource",
         "test_tag_untag_resource_on_deleted_secret", _gone, _REQUEST),
    Rule("RotateSecret", "test_first_rotate_secret_with_missing_lambda_arn", _rotation, _REQUEST),
)  # fmt: skip
PARAMETERS = (
    Rule("PutParameter", "API PutParameter.Name", _parameter_name),
    Rule("PutParameter", "API PutParameter: 15 levels", _levels, "HierarchyLevelLimitExceededException"),
    Rule("PutParameter", "API PutParameter.Value: 4 KB", _parameter_size),
    Rule("PutParameter", "API PutParameter.AllowedPattern", _pattern, "ParameterPatternMismatchException"),
    Rule("GetParametersByPath", "moto's test_ssm: paths start with a slash", _path),
)
