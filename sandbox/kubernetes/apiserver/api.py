"""The HTTP API of the store: verbs on resources, watches and patches, with `Status` objects for errors."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from sandbox.kubernetes.apiserver.discovery import add_discovery
from sandbox.kubernetes.apiserver.documents import Json, Object, json_patch, merge_patch
from sandbox.kubernetes.apiserver.errors import (
    ApiError,
    BadRequestError,
    ConflictError,
    FieldError,
    InvalidError,
    MethodNotAllowedError,
    NotFoundError,
    UnsupportedMediaTypeError,
)
from sandbox.kubernetes.apiserver.resources import TYPES, ResourceType
from sandbox.kubernetes.apiserver.selectors import parse
from sandbox.kubernetes.apiserver.store import Event, Store

BOOKMARK_SECONDS = 30.0
WATCH_SECONDS = 1800.0
MERGE_PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json")


def create_app(store: Store) -> web.Application:
    """Return the API server's application for a store."""
    app = web.Application(middlewares=[_status_objects], client_max_size=3 * 1024 * 1024)
    add_discovery(app)
    for resource in TYPES:
        handlers = _Handlers(store, resource)
        path = resource.prefix + ("/namespaces/{namespace}" if resource.namespaced else "") + f"/{resource.plural}"
        app.router.add_get(path, handlers.list)
        app.router.add_post(path, handlers.create)
        if resource.namespaced:
            app.router.add_get(f"{resource.prefix}/{resource.plural}", handlers.list)
        for item in (f"{path}/{{name}}", *([f"{path}/{{name}}/status"] if resource.custom else [])):
            app.router.add_get(item, handlers.read)
            app.router.add_put(item, handlers.replace)
            app.router.add_patch(item, handlers.patch)
        app.router.add_delete(f"{path}/{{name}}", handlers.delete)
    return app


@web.middleware
async def _status_objects(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer errors in the form that Kubernetes clients expect."""
    try:
        return await handler(request)
    except ApiError as error:
        return web.json_response(error.status(), status=error.code)
    except web.HTTPNotFound:
        fault: ApiError = NotFoundError("the server could not find the requested resource")
    except web.HTTPMethodNotAllowed:
        fault = MethodNotAllowedError("the server does not allow this method on the requested resource")
    return web.json_response(fault.status(), status=fault.code)


class _Handlers:
    """The verbs of one resource type."""

    def __init__(self, store: Store, resource: ResourceType) -> None:
        self.store = store
        self.resource = resource

    async def list(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        matches = parse(query.get("labelSelector", ""), query.get("fieldSelector", ""))
        namespace = request.match_info.get("namespace", "")
        if _flag(query, "watch"):
            return await self._watch(request, lambda o: matches(o) and namespace in ("", o["metadata"]["namespace"]))
        items = [thing for thing in self.store.list(self.resource, namespace) if matches(thing)]
        body = {"apiVersion": self.resource.api_version, "kind": f"{self.resource.kind}List"}
        return web.json_response({**body, "metadata": {"resourceVersion": str(self.store.version)}, "items": items})

    async def create(self, request: web.Request) -> web.Response:
        thing = await self._body(request)
        metadata = thing["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{secrets.token_hex(3)[:5]}"
        if not metadata.get("name"):
            cause = FieldError(
                "metadata.name", "FieldValueRequired", "Required value: name or generateName is required"
            )
            raise InvalidError(f'{self.resource.kind} "" is invalid: {cause.text}', causes=[cause])
        return web.json_response(self.store.create(self.resource, thing, dry_run=_dry_run(request)), status=201)

    async def read(self, request: web.Request) -> web.Response:
        return web.json_response(self._current(request))

    async def replace(self, request: web.Request) -> web.Response:
        thing = await self._body(request)
        name = request.match_info["name"]
        if thing["metadata"].get("name") != name:
            given = thing["metadata"].get("name", "")
            raise BadRequestError(f"the name of the object ({given}) does not match the name on the URL ({name})")
        if self.resource.custom and not thing["metadata"].get("resourceVersion"):
            text = "Invalid value: 0x0: must be specified for an update"
            cause = FieldError("metadata.resourceVersion", "FieldValueInvalid", text)
            raise InvalidError(f'{self.resource.qualified} "{name}" is invalid: {cause.text}', causes=[cause])
        return self._store(request, thing)

    async def patch(self, request: web.Request) -> web.Response:
        document = await _json(request)
        current = self._current(request)  # read after awaiting the body: no other task may run before it is stored
        if request.content_type == "application/json-patch+json":
            patched = json_patch(current, document)
        elif request.content_type in MERGE_PATCHES[: 1 if self.resource.custom else 2]:
            if not isinstance(document, dict):
                raise BadRequestError("json: cannot unmarshal array into Go value of type map[string]interface {}")
            patched = merge_patch(current, document)
        else:
            supported = "application/json-patch+json, application/merge-patch+json"
            text = f"the body of the request was in an unknown format ({request.content_type})"
            raise UnsupportedMediaTypeError(f"{text} - accepted media types include: {supported}")
        self._check_identity(current, patched)
        return self._store(request, patched)

    async def delete(self, request: web.Request) -> web.Response:
        options = await _json(request) if request.can_read_body else {}
        current = self._current(request)
        for key, wanted in (options.get("preconditions") or {}).items():
            if current["metadata"].get(key) != wanted:
                raise ConflictError(f"Precondition failed: {key} in precondition: {wanted}, in object meta: "
                                    f"{current['metadata'].get(key)}")  # fmt: skip
        if not (_dry_run(request) or options.get("dryRun")):
            left = self.store.delete(self.resource, current)
            if left["metadata"].get("finalizers"):
                return web.json_response(left)
        details = {"name": current["metadata"]["name"], "group": self.resource.group, "kind": self.resource.plural}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return web.json_response({**status, "details": {**details, "uid": current["metadata"]["uid"]}})

    def _current(self, request: web.Request) -> Object:
        return self.store.get(self.resource, request.match_info.get("namespace", ""), request.match_info["name"])

    def _store(self, request: web.Request, thing: Object) -> web.Response:
        status = request.path.endswith("/status")
        return web.json_response(
            self.store.replace(self.resource, thing, status=status, dry_run=_dry_run(request)),
        )

    def _check_identity(self, current: Object, patched: Object) -> None:
        """Refuse a patch that changes an object's name, namespace or kind."""
        for key in ("name", "namespace"):
            if patched.get("metadata", {}).get(key) != current["metadata"].get(key):
                raise BadRequestError(f"metadata.{key} of {self.resource.qualified} is immutable")
        self._check_type(patched)

    def _check_type(self, thing: Object) -> None:
        """Check apiVersion and kind; core resources may omit them, as the generated clients do."""
        default = None if self.resource.custom else self.resource
        version = thing.get("apiVersion", default and default.api_version)
        if version != self.resource.api_version:
            expected = f"does not match the expected API version ({self.resource.api_version})"
            raise BadRequestError(f"the API version in the data ({version}) {expected}")
        kind = thing.get("kind", default and default.kind)
        if kind != self.resource.kind:
            text = f'Invalid value: "{kind}": must be {self.resource.kind}'
            cause = FieldError("kind", "FieldValueInvalid", text)
            raise InvalidError(f"{self.resource.qualified} is invalid: {cause.text}", causes=[cause])

    async def _body(self, request: web.Request) -> Object:
        thing = await _json(request)
        if not isinstance(thing, dict) or not isinstance(thing.setdefault("metadata", {}), dict):
            raise BadRequestError("the body must be an object with metadata")
        self._check_type(thing)
        namespace = request.match_info.get("namespace")
        if namespace and thing["metadata"].setdefault("namespace", namespace) != namespace:
            raise BadRequestError(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        return thing

    async def _watch(self, request: web.Request, matches: Callable[[Object], bool]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        watch = _Watch(self.store, self.resource, matches, response)
        try:
            await watch.run(request.query)
        except ApiError as error:
            await watch.send("ERROR", error.status())
        return response


class _Watch:
    """One open watch: its position and its client."""

    def __init__(
        self,
        store: Store,
        resource: ResourceType,
        matches: Callable[[Object], bool],
        response: web.StreamResponse,
    ) -> None:
        self.store = store
        self.resource = resource
        self.matches = matches
        self.response = response

    async def run(self, query: Mapping[str, str]) -> None:
        """Send changes until the timeout in the request."""
        deadline = asyncio.get_running_loop().time() + float(query.get("timeoutSeconds", WATCH_SECONDS))
        version = await self._start(query.get("resourceVersion", ""))
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            for event in self.store.after(version):
                version = event.version
                await self._send_event(event)
            try:
                await asyncio.wait_for(self.store.wait(version), min(left, BOOKMARK_SECONDS))
            except TimeoutError:
                if _flag(query, "allowWatchBookmarks"):
                    metadata = {"resourceVersion": str(version), "creationTimestamp": None}
                    bookmark = {"apiVersion": self.resource.api_version, "kind": self.resource.kind}
                    await self.send("BOOKMARK", {**bookmark, "metadata": metadata})

    async def send(self, kind: str, thing: Object) -> None:
        """Write one event as a line."""
        await self.response.write(json.dumps({"type": kind, "object": thing}).encode() + b"\n")

    async def _start(self, version: str) -> int:
        """Return the version to start from; without one, first send the existing objects."""
        if version not in ("", "0"):
            if not version.isdigit():
                raise BadRequestError(f"Invalid value: {version!r}: invalid resourceVersion")
            return int(version)
        start, things = self.store.version, self.store.list(self.resource)
        for thing in filter(self.matches, things):
            await self.send("ADDED", thing)
        return start

    async def _send_event(self, event: Event) -> None:
        """Send an event: ADDED for an object that enters the selection, DELETED for one that leaves it."""
        if event.resource is not self.resource:
            return
        before, after = event.before is not None and self.matches(event.before), self.matches(event.thing)
        if event.type == "MODIFIED" and before != after:
            await self.send("ADDED" if after else "DELETED", event.thing)
        elif before or after:
            await self.send(event.type, event.thing)


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("1", "true")


def _dry_run(request: web.Request) -> bool:
    value = request.query.get("dryRun")
    if value not in (None, "", "All"):
        raise BadRequestError(f'dryRun: Unsupported value: "{value}": supported values: "All"')
    return value == "All"


async def _json(request: web.Request) -> Json:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
