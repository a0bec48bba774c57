"""The faults of the API: a layer between clients and the server that does what `Faults` orders."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import merge_patch
from sandbox.kubernetes.apiserver.errors import ApiError, InternalError, TooManyRequestsError, UnavailableError
from sandbox.kubernetes.apiserver.resources import TYPES, ResourceType
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.faults import BUSY, EDIT, HANG, LOST, UNAVAILABLE, WEBHOOK, Fault, FaultError, Faults

ROUTE = "/sandbox/faults"
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
WRITES = ("create", "update", "patch")
OTHER_WRITER = "kubectl-edit"
WEBHOOK_DOWN = (
    'failed calling webhook "inferenceservice.kserve-webhook-server.defaulter": failed to call webhook: Post '
    '"https://kserve-webhook-server-service.kserve.svc:443/mutate-serving-kserve-io-v1beta1-inferenceservice'
    '?timeout=10s": dial tcp 10.0.0.10:443: connect: connection refused'
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_faults(app: web.Application, faults: Faults) -> None:
    """Add the route through which tests order faults: GET lists, POST adds, DELETE drops them."""

    async def listed(_request: web.Request) -> web.Response:
        return web.json_response([vars(fault) for fault in faults.standing()])

    async def ordered(request: web.Request) -> web.Response:
        try:
            faults.order(Fault(**await request.json()))
        except (FaultError, TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return await listed(request)

    async def dropped(request: web.Request) -> web.Response:
        faults.clear()
        return await listed(request)

    app.router.add_get(ROUTE, listed)
    app.router.add_post(ROUTE, ordered)
    app.router.add_delete(ROUTE, dropped)


def disturbing(faults: Faults, store: Store) -> Any:  # noqa: ANN401 - aiohttp's middlewares have no type of their own
    """Return the layer that disturbs requests to the API of a store."""

    @web.middleware
    async def disturb(request: web.Request, handler: Handler) -> web.StreamResponse:
        verb, resource = verb_of(request), resource_of(request)
        name = request.match_info.get("name", "")
        if resource is None or not (found := faults.take(verb, resource.plural, name)):
            return await handler(request)
        if refusal := _refusal(found, verb, resource):
            return web.json_response(refusal.status(), status=refusal.code, headers=refusal.headers)
        await _meanwhile(found, "before", request, resource, store)
        answer = await handler(request)
        await _meanwhile(found, "after", request, resource, store)
        if any(fault.action == LOST for fault in found) and request.transport is not None:
            request.transport.abort()
        return answer

    return disturb


def verb_of(request: web.Request) -> str:
    """Return the Kubernetes verb of a request."""
    single = "name" in request.match_info
    if request.method == "DELETE":
        return "delete" if single else "deletecollection"
    if request.method in VERBS:
        return VERBS[request.method]
    if request.query.get("watch", "").lower() in ("1", "true"):
        return "watch"
    return "get" if single else "list"


def resource_of(request: web.Request) -> ResourceType | None:
    """Return the resource type of a request; None for other routes."""
    resource = request.match_info.route.resource
    path = resource.canonical if resource else ""
    return next((each for each in TYPES if path.startswith(each.prefix) and each.plural in path.split("/")), None)


def _refusal(found: list[Fault], verb: str, resource: ResourceType) -> ApiError | None:
    for fault in found:
        if fault.action in (BUSY, UNAVAILABLE):
            return _later(fault)
        if fault.action == WEBHOOK and verb in WRITES and resource.mutate:
            text = f"Internal error occurred: {WEBHOOK_DOWN}"
            return InternalError(text, details={"causes": [{"message": WEBHOOK_DOWN}]})
    return None


def _later(fault: Fault) -> ApiError:
    """Return a 429 or 503 with the time to wait."""
    details = {"retryAfterSeconds": fault.retry_after}
    if fault.action == BUSY:
        error: ApiError = TooManyRequestsError("too many requests, please try again later", details=details)
    else:
        error = UnavailableError("the server is currently unable to handle the request", details=details)
    error.headers["Retry-After"] = str(fault.retry_after)
    return error


async def _meanwhile(found: list[Fault], when: str, request: web.Request, resource: ResourceType, store: Store) -> None:
    """Let pass what the faults of one moment take: time, or somebody else's write."""
    for fault in found:
        if fault.when == when and fault.action == HANG:
            await asyncio.sleep(fault.pause)
        if fault.when == when and fault.action == EDIT:
            _edit(fault, request, resource, store)


def _edit(fault: Fault, request: web.Request, resource: ResourceType, store: Store) -> None:
    """Write a merge patch into the request's object, as somebody else; do nothing where it is not there."""
    try:
        current = store.get(resource, request.match_info.get("namespace", ""), request.match_info.get("name", ""))
        store.replace(resource, dict(merge_patch(current, fault.patch)), manager=OTHER_WRITER)
    except ApiError:
        return
