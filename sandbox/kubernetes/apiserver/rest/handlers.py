"""The verbs on one resource type."""

import secrets

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, FieldError, InvalidError, NotFoundError
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.rest import delete as deletion
from sandbox.kubernetes.apiserver.rest import patch as patching
from sandbox.kubernetes.apiserver.rest.lists import page
from sandbox.kubernetes.apiserver.rest.request import body, dry_run, flag, manager
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
        thing = await self._body(request)
        metadata = thing["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            ending = "".join(secrets.choice(RANDOM_LETTERS) for _ in range(5))
            metadata["name"] = f"{metadata['generateName']}{ending}"
        if not metadata.get("name"):
            raise self._nameless()
        if self.resource.status:
            thing.pop("status", None)
        headers = warn(self.resource, request, thing)
        made = self.store.create(self.resource, thing, dry_run=dry_run(request), manager=manager(request))
        return respond(self.resource, request, made, status=201, headers=headers)

    async def read(self, request: web.Request) -> web.StreamResponse:
        """Answer one object, or a watch of it."""
        if flag(request.query, "watch"):
            return await watch(self.store, self.resource, request, one(self.resource, request))
        return respond(self.resource, request, self._current(request))

    async def replace(self, request: web.Request) -> web.StreamResponse:
        """Store a whole new state of an object."""
        thing = await self._body(request)
        name = request.match_info["name"]
        if thing["metadata"].get("name") != name:
            given = thing["metadata"].get("name", "")
            raise BadRequestError(f"the name of the object ({given}) does not match the name on the URL ({name})")
        self._current(request)
        if self.resource.custom and not thing["metadata"].get("resourceVersion"):
            text = "Invalid value: 0x0: must be specified for an update"
            cause = FieldError("metadata.resourceVersion", "FieldValueInvalid", text)
            details = {"name": name, "group": self.resource.group, "kind": self.resource.plural}
            text = f'{self.resource.qualified} "{name}" is invalid: {cause.text}'
            raise InvalidError(text, causes=[cause], details=details)
        return self._store(request, thing, warn(self.resource, request, thing))

    async def patch(self, request: web.Request) -> web.StreamResponse:
        """Store a patched object, or apply one."""
        media = patching.media_type(self.resource, request)
        document = await body(request)
        if media == patching.APPLY:
            return self._apply(request, document)
        current = self._current(request)  # read after awaiting the body: no other task may run before it is stored
        patched = patching.patched(self.resource, media, current, document)
        self._check_identity(current, patched)
        return self._store(request, patched, warn(self.resource, request, patched))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Delete an object."""
        options = await deletion.options_of(request)
        current = self._current(request)
        deletion.check_preconditions(self.resource, current, options)
        deletion.propagation(request, options)
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
            for thing in listed["items"]:
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
        stored = self.store.replace(
            self.resource, thing, status=status, dry_run=dry_run(request), manager=manager(request)
        )
        return respond(self.resource, request, stored, headers=headers)

    def _nameless(self) -> InvalidError:
        text = "Required value: name or generateName is required"
        cause = FieldError("metadata.name", "FieldValueRequired", text)
        kind = f"{self.resource.kind}.{self.resource.group}" if self.resource.group else self.resource.kind
        details = {"group": self.resource.group, "kind": self.resource.kind}
        return InvalidError(f'{kind} "" is invalid: {cause.text}', causes=[cause], details=details)

    def _check_identity(self, current: Object, patched: Object) -> None:
        """Refuse a patch that changes an object's name, namespace or kind."""
        metadata = patched.get("metadata")
        if not isinstance(metadata, dict):
            raise BadRequestError("the patch leaves no metadata")
        for key, word in (("name", "name"), ("namespace", "namespace")):
            given, wanted = metadata.get(key), current["metadata"].get(key)
            if given != wanted:
                text = f"the {word} of the object ({given or ''}) does not match the {word} on the URL ({wanted})"
                raise BadRequestError(text)
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
        thing = await body(request)
        if not isinstance(thing, dict) or not isinstance(thing.setdefault("metadata", {}), dict):
            raise BadRequestError("the body must be an object with metadata")
        self._check_type(thing)
        namespace = request.match_info.get("namespace")
        if namespace and thing["metadata"].setdefault("namespace", namespace) != namespace:
            raise BadRequestError(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        return thing
