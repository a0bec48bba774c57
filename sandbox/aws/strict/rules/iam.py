"""Rules of IAM; recorded in localstack's `tests/aws/services/iam` and moto's aws_verified tests."""

import json
from typing import Any

from moto.iam.models import iam_backends

from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules.rule import Rule


def _trust(call: Call) -> str | None:
    text = call.get("AssumeRolePolicyDocument") or call.get("PolicyDocument")
    try:
        found = json.loads(text)
    except ValueError:
        return "This policy contains invalid Json"
    return None if isinstance(found, dict) and found.get("Statement") else "Missing required field Statement"


def _backend(call: Call) -> Any:  # noqa: ANN401 - moto's
    return iam_backends[call.account]["aws"]


def _unknown_role(call: Call) -> str | None:
    name = call.get("RoleName")
    known = {role.name for role in _backend(call).roles.values()}
    return None if name in known else f"The role with name {name} cannot be found."


def _unknown_inline(call: Call) -> str | None:
    role = next((item for item in _backend(call).roles.values() if item.name == call.get("RoleName")), None)
    if role is None or call.get("PolicyName") in role.policies:
        return None
    return f"The role policy with name {call.get('PolicyName')} cannot be found."


def _unknown_policy(call: Call) -> str | None:
    arn = call.get("PolicyArn")
    return None if arn in _backend(call).managed_policies else f"Policy {arn} was not found."


def _policy_arn(call: Call) -> str | None:
    return None if call.get("PolicyArn").count(":") >= 5 else "Invalid ARN:  Could not be parsed!"


def _system_tag(call: Call) -> str | None:
    keys = [tag["Key"] for tag in call.get("Tags") or []]
    wrong = [key for key in keys if key.lower().startswith("aws:")]
    return f"System tags cannot be added/updated by requester: {wrong[0]}" if wrong else None


_ROLES = (
    "GetRole DeleteRole UpdateRole TagRole UntagRole ListRoleTags PutRolePolicy GetRolePolicy DeleteRolePolicy "
    "ListRolePolicies AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies UpdateAssumeRolePolicy"
)
RULES = (
    Rule("CreateRole UpdateAssumeRolePolicy", "test_create_role_with_malformed_assume_role_policy_document", _trust,
         "MalformedPolicyDocument"),
    Rule("AttachRolePolicy DetachRolePolicy", "test_role_attach_policy", _policy_arn, "ValidationError"),
    Rule(_ROLES, "API GetRole errors; NoSuchEntity of roles", _unknown_role, "NoSuchEntity", 404),
    Rule("GetRolePolicy DeleteRolePolicy", "API GetRolePolicy errors", _unknown_inline, "NoSuchEntity", 404),
    Rule("GetPolicy DeletePolicy", "test_delete_non_existent_policy", _unknown_policy, "NoSuchEntity", 404),
    Rule("TagRole CreateRole", "API Tag: the prefix aws: is reserved", _system_tag, "InvalidInput"),
)  # fmt: skip
