"""Reads a request to any service but S3: its operation, its parameters, and what follows from them."""

import json
from collections.abc import Iterator
from typing import Any

from sandbox.aws.calls.resources import ANY, NAMED, Call, Parameters, Place

# Handing one of these over to a service needs leave to do so.
_ROLES = ("RoleArn", "ExecutionRoleArn", "taskRoleArn", "executionRoleArn")


def calls(service: str, request: Any, place: Place) -> list[Call]:  # noqa: ANN401 - moto's response class
    """Return what a request asks for: one call for each resource it names, and `PassRole` for each role handed over.

    Args:
        service: As policies name it.
        request: Moto's response object, before it acts.
        place: Where the request went.
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
