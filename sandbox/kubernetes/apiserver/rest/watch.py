"""Watches: the changes of a selection as a stream of lines."""

import asyncio
import json
from collections.abc import Callable, Mapping

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import ApiError, FieldError
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.rest.lists import number
from sandbox.kubernetes.apiserver.rest.request import flag, option_fault
from sandbox.kubernetes.apiserver.selectors import Predicate, parse
from sandbox.kubernetes.apiserver.store import Event, Store

BOOKMARK_SECONDS = 30.0
WATCH_SECONDS = 1800.0
# Tells a client that asked for the existing objects that it has them all.
INITIAL_END = "k8s.io/initial-events-end"
View = Callable[[Object], Object]


async def watch(store: Store, resource: ResourceType, request: web.Request, view: View) -> web.StreamResponse:
    """Answer a watch: `view` gives each object its form."""
    query = request.query
    matches = _selection(request, resource.plural)
    _check_initial(query)
    version = query.get("resourceVersion", "")
    if version not in ("", "0"):
        number(version)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    opened = _Watch(store, resource, matches, response, view)
    try:
        await opened.run(query)
    except ApiError as error:
        await opened.send("ERROR", error.status())
    return response


def _check_initial(query: Mapping[str, str]) -> None:
    """Raise unless the options for the initial events fit together."""
    initial, match = "sendInitialEvents" in query, query.get("resourceVersionMatch", "")
    text = ""
    if match and not initial:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    elif initial and match != "NotOlderThan":
        text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    if text:
        raise option_fault("GET", FieldError("resourceVersionMatch", "FieldValueForbidden", f"Forbidden: {text}"))


def _selection(request: web.Request, plural: str) -> Predicate:
    """Return which objects a request selects: by label, by field, by namespace and by name."""
    query = request.query
    matches = parse(query.get("labelSelector", ""), query.get("fieldSelector", ""), plural)
    wanted = {key: request.match_info[key] for key in ("namespace", "name") if key in request.match_info}
    return lambda thing: matches(thing) and all(thing["metadata"].get(k) == v for k, v in wanted.items())


class _Watch:
    """One open watch: its position and its client."""

    def __init__(
        self, store: Store, resource: ResourceType, matches: Predicate, response: web.StreamResponse, view: View
    ) -> None:
        self.store = store
        self.resource = resource
        self.matches = matches
        self.response = response
        self.view = view
        self.start = 0

    async def run(self, query: Mapping[str, str]) -> None:
        """Send changes until the timeout in the request."""
        deadline = asyncio.get_running_loop().time() + float(query.get("timeoutSeconds") or WATCH_SECONDS)
        initial = flag(query, "sendInitialEvents")
        version = await self._start("" if initial else query.get("resourceVersion", ""))
        if initial and flag(query, "allowWatchBookmarks"):
            await self._bookmark(version, {"annotations": {INITIAL_END: "true"}})
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            for event in self.store.after(version):
                version = event.version
                await self._send_event(event)
            try:
                await asyncio.wait_for(self.store.wait(version), min(left, BOOKMARK_SECONDS))
            except TimeoutError:
                if flag(query, "allowWatchBookmarks"):
                    await self._bookmark(version)

    async def send(self, kind: str, thing: Object) -> None:
        """Write one event as a line."""
        await self.response.write(json.dumps({"type": kind, "object": thing}).encode() + b"\n")

    async def _bookmark(self, version: int, more: Object | None = None) -> None:
        metadata = {"resourceVersion": str(version), "creationTimestamp": None, **(more or {})}
        bookmark = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, "metadata": metadata}
        await self.send("BOOKMARK", bookmark)

    async def _start(self, version: str) -> int:
        """Return the version to start from; without one, first send the existing objects."""
        if version not in ("", "0"):
            self.start = int(version)
            return min(self.start, self.store.version)
        start, things = self.store.version, self.store.list(self.resource)
        for thing in filter(self.matches, things):
            await self.send("ADDED", self.view(thing))
        return start

    async def _send_event(self, event: Event) -> None:
        """Send an event: ADDED for an object that enters the selection, DELETED for one that leaves it."""
        if event.resource is not self.resource or event.version <= self.start:
            return
        before, after = event.before is not None and self.matches(event.before), self.matches(event.thing)
        if event.type == "MODIFIED" and before and not after:
            await self.send("DELETED", self.view(_last_seen(event)))
        elif event.type == "MODIFIED" and after and not before:
            await self.send("ADDED", self.view(event.thing))
        elif before or after:
            await self.send(event.type, self.view(event.thing))


def _last_seen(event: Event) -> Object:
    """Return what a watcher last saw of an object that has left its selection, at the version of its leaving."""
    before = event.before or event.thing
    return {**before, "metadata": {**before["metadata"], "resourceVersion": str(event.version)}}
