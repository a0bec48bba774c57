"""Reads requests to all services except S3: the operation and its parameters as calls on resources."""

import json
from collections.abc import Iterator
from typing import Any

from sandbox.aws.calls.resources import ANY, NAMED, Call, Parameters, Place

# Parameters that hand a role to a service, which needs the permission `iam:PassRole`.
_ROLES = ("RoleArn", "ExecutionRoleArn", "taskRoleArn", "executionRoleArn")


def calls(service: str, request: Any, place: Place) -> list[Call]:  # noqa: ANN401 - moto's response class
    """Return the calls of a request: one per resource, and `iam:PassRole` for each role handed over.

    Args:
        service: Name of the service in policies.
        request: Moto's response object, before it acts.
        place: Account and region of the request.
    """
    operation = str(request._get_action())
    given = _parameters(request)
    named = NAMED.get(service)
    found = list(named(operation, given, place)) if named else [Call(operation, ANY)]
    return [*found, *_passed(given)]


def _passed(given: Parameters) -> Iterator[Call]:
    places = [given, given.get("overrides") or {}]
    for name in _ROLES:
        for where in places:
            if isinstance(where.get(name), str):
                yield Call("iam:PassRole", where[name])


def _parameters(request: Any) -> Parameters:  # noqa: ANN401 - moto's response class
    known = getattr(request, "params", None)
    if isinstance(known, dict) and known:
        return known
    body = request.raw_body
    if body and body.lstrip()[:1] in (b"{", "{"):
        found: Parameters = json.loads(body)
        return found
    return {name: values[0] for name, values in request.querystring.items() if isinstance(values, list)}
