"""Reviews of one's own rights: in the sandbox everybody may do everything."""

import json

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, FieldError, InvalidError
from sandbox.kubernetes.apiserver.fields.managed import Writer, after_update
from sandbox.kubernetes.apiserver.rest.request import body, manager

PREFIX = "/apis/authorization.k8s.io/v1"
KINDS = {
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "selfsubjectrulesreviews": "SelfSubjectRulesReview",
}
_ALL = ["*"]
_STATUS: dict[str, Object] = {
    "SelfSubjectAccessReview": {"allowed": True},
    "SelfSubjectRulesReview": {
        "resourceRules": [{"verbs": _ALL, "apiGroups": _ALL, "resources": _ALL}],
        "nonResourceRules": [{"verbs": _ALL, "nonResourceURLs": _ALL}],
        "incomplete": False,
    },
}


def add_access(app: web.Application) -> None:
    """Add the reviews to an application."""
    for plural in KINDS:
        app.router.add_post(f"{PREFIX}/{plural}", review)


def discovery() -> list[Object]:
    """Return the reviews' entries in an `APIResourceList`."""
    return [
        {"name": plural, "singularName": "", "namespaced": False, "kind": kind, "verbs": ["create"]}
        for plural, kind in KINDS.items()
    ]


async def review(request: web.Request) -> web.Response:
    """Answer that the client may do what it asks about."""
    given = await body(request, "SelfSubjectAccessReview")
    kind = KINDS[request.path.rsplit("/", 1)[-1]]
    if not isinstance(given, dict) or given.get("kind", kind) != kind:
        raise BadRequestError(f"the object provided is unrecognized (must be of type {kind})")
    spec = given.get("spec") or {}
    if kind == "SelfSubjectAccessReview" and len(spec) != 1:
        attributes = json.dumps(str(spec.get("resourceAttributes") or "null"))
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = FieldError("spec.resourceAttributes", "FieldValueInvalid", f"Invalid value: {attributes}: {text}")
        details = {"group": "authorization.k8s.io"}
        raise InvalidError(f'.authorization.k8s.io "" is invalid: {cause.text}', causes=[cause], details=details)
    made: Object = {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {"creationTimestamp": None}}
    made |= {"spec": {} if kind == "SelfSubjectRulesReview" else spec}
    start: Object = {"metadata": {}, "spec": {}}
    owners = after_update(start, made, {}, Writer(manager(request), api_version="authorization.k8s.io/v1"))
    if owners and kind == "SelfSubjectAccessReview":
        made["metadata"]["managedFields"] = owners
    return web.json_response({**made, "status": _STATUS[kind]}, status=201)
