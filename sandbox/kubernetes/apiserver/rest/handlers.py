"""The verbs on one resource type."""

import secrets

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, NotFoundError, UnknownError
from sandbox.kubernetes.apiserver.lifecycle import not_found
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.rest import delete as deletion
from sandbox.kubernetes.apiserver.rest import identity
from sandbox.kubernetes.apiserver.rest import patch as patching
from sandbox.kubernetes.apiserver.rest.lists import number, page
from sandbox.kubernetes.apiserver.rest.request import dry_run, flag, manager, propagation
from sandbox.kubernetes.apiserver.rest.strict import warn
from sandbox.kubernetes.apiserver.rest.watch import watch
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.apiserver.views.tables import one, respond

RANDOM_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Handlers:
    """The verbs of one resource type."""

    def __init__(self, store: Store, resource: ResourceType) -> None:
        self.store = store
        self.resource = resource

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Answer a list, or a watch."""
        if flag(request.query, "watch"):
            return await watch(self.store, self.resource, request, one(self.resource, request))
        return respond(self.resource, request, page(self.store, self.resource, request))

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Store a new object."""
        thing = await identity.read(self.resource, request)
        identity.check_create(self.resource, request, thing)
        metadata = thing["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            ending = "".join(secrets.choice(RANDOM_LETTERS) for _ in range(5))
            metadata["name"] = f"{metadata['generateName']}{ending}"
        if not metadata.get("name"):
            raise identity.nameless(self.resource)
        if metadata.get("resourceVersion"):
            raise UnknownError("resourceVersion should not be set on objects to be created")
        if self.resource.status:
            thing.pop("status", None)
        headers = warn(self.resource, request, thing)
        made = self.store.create(self.resource, thing, dry_run=dry_run(request), manager=manager(request))
        return respond(self.resource, request, made, status=201, headers=headers)

    async def read(self, request: web.Request) -> web.StreamResponse:
        """Answer one object."""
        if request.query.get("resourceVersion", "") not in ("", "0"):
            number(request.query["resourceVersion"])
        return respond(self.resource, request, self._current(request))

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Answer a watch by its old path."""
        return await watch(self.store, self.resource, request, one(self.resource, request))

    async def replace(self, request: web.Request) -> web.StreamResponse:
        """Store a whole new state of an object."""
        thing = await identity.read(self.resource, request)
        identity.check_place(request, thing)
        self._current(request)
        identity.check_version(self.resource, thing)
        identity.check_kind(self.resource, thing)
        return self._store(request, thing, warn(self.resource, request, thing))

    async def refuse_nameless(self, _request: web.Request) -> web.StreamResponse:
        """Refuse to write a whole collection."""
        raise BadRequestError("name must be provided")

    async def refuse_part(self, request: web.Request) -> web.StreamResponse:
        """Answer that an object has no such part."""
        if self.resource.custom:
            raise not_found(self.resource, request.match_info["name"])
        raise NotFoundError("the server could not find the requested resource", details={})

    async def patch(self, request: web.Request) -> web.StreamResponse:
        """Store a patched object, or apply one."""
        media = patching.media_type(self.resource, request)
        document = await patching.document(request, media)
        if media == patching.APPLY:
            return self._apply(request, document)
        current = self._current(request)  # read after awaiting the body: no other task may run before it is stored
        patched = patching.patched(self.resource, media, current, document)
        identity.check_patched(self.resource, request, current, patched)
        return self._store(request, patched, warn(self.resource, request, patched))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Delete an object."""
        options = await deletion.options_of(request)
        current = self._current(request)
        deletion.check_preconditions(self.resource, current, options)
        propagation(request, options)
        if dry_run(request, options):
            left = current
        else:
            left = deletion.delete_one(self.store, self.resource, current, request, options)
        return respond(self.resource, request, deletion.answer(self.resource, left))

    async def delete_collection(self, request: web.Request) -> web.StreamResponse:
        """Delete all that a selection names; answer their list."""
        options = await deletion.options_of(request)
        listed = page(self.store, self.resource, request)
        if not dry_run(request, options):
            for item in listed["items"]:  # of a built-in type, an item is not the whole object
                metadata = item["metadata"]
                thing = self.store.get(self.resource, metadata.get("namespace", ""), metadata["name"])
                deletion.delete_one(self.store, self.resource, thing, request, options)
        return respond(self.resource, request, listed)

    def _apply(self, request: web.Request, document: object) -> web.StreamResponse:
        """Apply an intent: create the object if there is none."""
        intent = patching.read_intent(self.resource, request, document)
        namespace, name = request.match_info.get("namespace", ""), request.match_info["name"]
        try:
            live: Object | None = self.store.get(self.resource, namespace, name)
        except NotFoundError:
            if request.path.endswith("/status"):
                raise
            live = None
        headers = warn(self.resource, request, intent)
        merged = patching.applied(self.resource, live, intent, request)
        trial = dry_run(request)
        if live is None:
            made = self.store.create(self.resource, merged, dry_run=trial, manager=None)
            return respond(self.resource, request, made, status=201, headers=headers)
        status = request.path.endswith("/status")
        stored = self.store.replace(self.resource, merged, status=status, dry_run=trial, manager=None)
        return respond(self.resource, request, stored, headers=headers)

    def _current(self, request: web.Request) -> Object:
        return self.store.get(self.resource, request.match_info.get("namespace", ""), request.match_info["name"])

    def _store(self, request: web.Request, thing: Object, headers: dict[str, str]) -> web.StreamResponse:
        status = request.path.endswith("/status")
        if self.resource.subresource and not status:
            current = self._current(request)
            thing = {**thing, **({"status": current["status"]} if "status" in current else {})}
        stored = self.store.replace(
            self.resource, thing, status=status, dry_run=dry_run(request), manager=manager(request)
        )
        return respond(self.resource, request, stored, headers=headers)
