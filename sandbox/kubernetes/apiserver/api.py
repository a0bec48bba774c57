"""The HTTP API of the store: its routes, with `Status` objects for errors."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from sandbox.kubernetes.apiserver.access import add_access
from sandbox.kubernetes.apiserver.errors import ApiError, MethodNotAllowedError, NotFoundError
from sandbox.kubernetes.apiserver.resources import EVENTS, NEWER_EVENTS, TYPES, ResourceType
from sandbox.kubernetes.apiserver.rest.events import EventHandlers
from sandbox.kubernetes.apiserver.rest.handlers import Handlers
from sandbox.kubernetes.apiserver.rest.request import MOST_BYTES
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.apiserver.views.discovery import add_discovery
from sandbox.kubernetes.apiserver.views.openapi import add_openapi

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Any


def create_app(
    store: Store, *, types: Sequence[ResourceType] = TYPES, middlewares: Sequence[Middleware] = ()
) -> web.Application:
    """Return the API server's application for a store.

    Args:
        store: The objects.
        types: The resource types that it serves.
        middlewares: What stands between clients and the API, such as faults.
    """
    app = web.Application(middlewares=[*middlewares, _status_objects], client_max_size=MOST_BYTES)
    shown = (*types, NEWER_EVENTS) if EVENTS in types else types
    add_discovery(app, shown)
    add_openapi(app, shown)
    add_access(app)
    served = [(resource, Handlers(store, resource)) for resource in types]
    for resource, handlers in served:
        _add(app, resource, handlers)
    if EVENTS in types:
        _add_events(app, EventHandlers(store))
    for resource, handlers in served:  # last, because a namespaced resource looks like a part of its namespace
        app.router.add_get(f"{collection(resource)}/{{name}}/{{part}}", handlers.refuse_part)
    return app


def collection(resource: ResourceType) -> str:
    """Return the path of a resource's objects, within their namespace if they have one."""
    return resource.prefix + ("/namespaces/{namespace}" if resource.namespaced else "") + f"/{resource.plural}"


def _add_events(app: web.Application, handlers: EventHandlers) -> None:
    path = collection(NEWER_EVENTS)
    app.router.add_get(path, handlers.list)
    app.router.add_get(f"{NEWER_EVENTS.prefix}/{NEWER_EVENTS.plural}", handlers.list)
    app.router.add_post(path, handlers.create)
    app.router.add_get(f"{path}/{{name}}", handlers.read)
    app.router.add_delete(f"{path}/{{name}}", handlers.core.delete)


def _add(app: web.Application, resource: ResourceType, handlers: Handlers) -> None:
    path = collection(resource)
    app.router.add_get(path, handlers.list)
    app.router.add_post(path, handlers.create)
    if "deletecollection" in resource.verbs:
        app.router.add_delete(path, handlers.delete_collection)
    if resource.namespaced:
        app.router.add_get(f"{resource.prefix}/{resource.plural}", handlers.list)
    if resource.custom:
        app.router.add_put(path, handlers.refuse_nameless)
        app.router.add_patch(path, handlers.refuse_nameless)
        app.router.add_post(f"{path}/{{name}}", handlers.create)
    app.router.add_get(path.replace(resource.prefix, f"{resource.prefix}/watch"), handlers.watch)
    for item in (f"{path}/{{name}}", *([f"{path}/{{name}}/status"] if resource.status else [])):
        app.router.add_get(item, handlers.read)
        app.router.add_put(item, handlers.replace)
        app.router.add_patch(item, handlers.patch)
    app.router.add_delete(f"{path}/{{name}}", handlers.delete)


@web.middleware
async def _status_objects(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors in the form that Kubernetes clients expect."""
    try:
        return await handler(request)
    except ApiError as error:
        fault = error
    except web.HTTPNotFound:
        if not request.path.startswith("/api/v1/"):
            return web.Response(text="404 page not found\n", status=404)
        fault = NotFoundError("the server could not find the requested resource", details={})
    except web.HTTPMethodNotAllowed as error:
        refusal = _refusal(request, error)
        if refusal is None:
            return web.Response(text="404 page not found\n", status=404)
        fault = refusal
    text = json.dumps(fault.status(), separators=(",", ":")) + "\n"
    return web.Response(text=text, status=fault.code, content_type="application/json", headers=fault.headers)


def _refusal(request: web.Request, error: web.HTTPMethodNotAllowed) -> ApiError | None:
    """Return the error for a verb that a path does not take; None where custom resources know no such path."""
    parts = request.path.split("/")
    resource = next((each for each in TYPES if each.custom and each.group in parts and each.plural in parts), None)
    if resource is None:
        return MethodNotAllowedError("the server does not allow this method on the requested resource", details={})
    if not request.path.endswith("/status"):
        return None
    verb = {"POST": "create", "DELETE": "delete"}.get(error.method, error.method.lower())
    text = f'{verb} is not supported on resources of kind "{resource.qualified}"'
    return MethodNotAllowedError(text, details={"group": resource.group, "kind": resource.plural})
