"""Events by their newer name: `events.k8s.io/v1` shows the events of the core API with other field names."""

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.fields.managed import Writer, after_update
from sandbox.kubernetes.apiserver.resources import EVENTS, NEWER_EVENTS
from sandbox.kubernetes.apiserver.rest import identity
from sandbox.kubernetes.apiserver.rest.handlers import Handlers
from sandbox.kubernetes.apiserver.rest.lists import page
from sandbox.kubernetes.apiserver.rest.request import dry_run, flag, manager
from sandbox.kubernetes.apiserver.rest.watch import watch
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.apiserver.views.tables import one, respond

NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
}
_OLDER = {newer: older for older, newer in NAMES.items()}


def newer(event: Object) -> Object:
    """Return an event of the core API as `events.k8s.io/v1` shows it.

    >>> newer({"message": "done", "involvedObject": {"name": "m"}})["note"]
    'done'
    """
    renamed = {NAMES.get(key, key): value for key, value in event.items()}
    for key in ("reportingController", "reportingInstance"):
        if renamed.get(key) == "":
            del renamed[key]
    return {**renamed, "apiVersion": NEWER_EVENTS.api_version, "kind": NEWER_EVENTS.kind}


def older(event: Object) -> Object:
    """Return an event of `events.k8s.io/v1` as the core API stores it."""
    renamed = {_OLDER.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": EVENTS.api_version, "kind": EVENTS.kind}


class EventHandlers:
    """Reading and creating events by their newer name."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.core = Handlers(store, EVENTS)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Answer a list, or a watch."""
        if flag(request.query, "watch"):
            view = one(NEWER_EVENTS, request)
            return await watch(self.store, EVENTS, request, lambda event: view(newer(event)))
        listed = page(self.store, EVENTS, request)
        items = [_untyped(newer(event)) for event in listed["items"]]
        shown = {**listed, "apiVersion": NEWER_EVENTS.api_version, "items": items}
        return respond(NEWER_EVENTS, request, shown)

    async def read(self, request: web.Request) -> web.StreamResponse:
        """Answer one event."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        return respond(NEWER_EVENTS, request, newer(self.store.get(EVENTS, namespace, name)))

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Store a new event."""
        given = await identity.read(NEWER_EVENTS, request)
        identity.check_create(NEWER_EVENTS, request, given)
        start: Object = {"metadata": {}, "regarding": {}, "deprecatedSource": {}, "eventTime": None}
        writer = Writer(manager(request), api_version=NEWER_EVENTS.api_version)
        given["metadata"]["managedFields"] = after_update(start, given, NEWER_EVENTS.schema, writer)
        made = self.store.create(EVENTS, older(given), dry_run=dry_run(request), manager=None)
        return respond(NEWER_EVENTS, request, newer(made), status=201)


def _untyped(event: Object) -> Object:
    return {key: value for key, value in event.items() if key not in ("apiVersion", "kind")}
