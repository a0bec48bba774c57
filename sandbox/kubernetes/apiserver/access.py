"""Reviews of one's own rights: in the sandbox everybody may do everything."""

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError
from sandbox.kubernetes.apiserver.rest.request import body

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
    given = await body(request)
    kind = KINDS[request.path.rsplit("/", 1)[-1]]
    if not isinstance(given, dict) or given.get("kind", kind) != kind:
        raise BadRequestError(f"the object provided is unrecognized (must be of type {kind})")
    identity = {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {"creationTimestamp": None}}
    return web.json_response({**identity, "spec": given.get("spec", {}), "status": _STATUS[kind]}, status=201)
