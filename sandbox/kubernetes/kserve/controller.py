"""Runs the control loops: a task for each, with a delay of its own, woken by changes of the store and of pods."""

import asyncio
import logging
import time
from functools import partial
from pathlib import Path

from sandbox.kubernetes.apiserver.errors import ApiError
from sandbox.kubernetes.apiserver.resources import (
    CONFIG_MAPS,
    CONFIGURATIONS,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    INGRESSES,
    KNATIVE_SERVICES,
    PODS,
    REVISIONS,
    ROUTES,
    ResourceType,
)
from sandbox.kubernetes.apiserver.store import Event, Store
from sandbox.kubernetes.control.client import Client
from sandbox.kubernetes.control.loops import Loops
from sandbox.kubernetes.faults import Faults
from sandbox.kubernetes.kserve.gateway import Endpoint, client_session
from sandbox.kubernetes.kserve.pace import Pace
from sandbox.kubernetes.kserve.predictor import ISVC_LABEL
from sandbox.kubernetes.kserve.processes import ProcessPods

# Which loops a change of an object concerns.
CONCERNED: dict[ResourceType, tuple[str, ...]] = {
    INFERENCE_SERVICES: ("kserve", "service", "revision"),
    KNATIVE_SERVICES: ("kserve", "service", "configuration", "route"),
    CONFIGURATIONS: ("service", "configuration", "revision", "route"),
    REVISIONS: ("configuration", "revision", "route"),
    ROUTES: ("service", "revision", "route", "ingress"),
    INGRESSES: ("route", "ingress"),
    DEPLOYMENTS: ("kserve", "revision"),
    PODS: ("kserve", "revision"),
}
# Deadlines, idle times and KServe's retries are looked at this often.
TICK_SECONDS = 1.0
TICKING = ("kserve", "revision")
AWAY_SECONDS = 0.05
Key = tuple[str, str]

log = logging.getLogger(__name__)


class Controller:
    """Runs the loops of all namespaces of a store, their processes and their URLs.

    Args:
        store: The objects.
        state: Folder for models and logs.
        faults: What tests order to go wrong at the gateway; None for nothing.
    """

    def __init__(self, store: Store, *, state: Path, faults: Faults | None = None) -> None:
        self._store = store
        self._faults = faults or Faults()
        self._state = state
        self._http = client_session()
        self._pace = Pace(Client(store, time.time))
        self._namespaces: dict[str, tuple[Loops, ProcessPods]] = {}
        self._endpoints: dict[tuple[str, str, str], Endpoint] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._known: set[Key] = set()
        self._waiting: dict[str, set[Key]] = {name: set() for name in Loops.NAMES}
        self._wake = {name: asyncio.Event() for name in Loops.NAMES}
        runs = [self._follow(store.version), self._tick(), *(self._run(name) for name in Loops.NAMES)]
        self._tasks = [asyncio.create_task(run) for run in runs]

    async def close(self) -> None:
        """End the loops and all processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        closing = [pods.close() for _, pods in self._namespaces.values()]
        await asyncio.gather(*closing, *(endpoint.close() for endpoint in self._endpoints.values()), *self._closing)
        await self._http.close()

    async def _follow(self, version: int) -> None:
        """Wake the loops that a change of the store concerns."""
        for thing in self._store.list(INFERENCE_SERVICES):
            self._ask((thing["metadata"]["namespace"], thing["metadata"]["name"]), *Loops.NAMES)
        while True:
            for event in self._store.after(version):
                version = event.version
                self._notice(event)
            await self._store.wait(version)

    def _notice(self, event: Event) -> None:
        metadata = event.thing["metadata"]
        if event.resource is CONFIG_MAPS:
            self._pace.refresh()
            for key in self._known:
                self._ask(key, "kserve")
        if event.resource not in CONCERNED:
            return
        own = event.resource is INFERENCE_SERVICES
        name = metadata["name"] if own else (metadata.get("labels") or {}).get(ISVC_LABEL)
        if name:
            self._ask((metadata["namespace"], name), *CONCERNED[event.resource])

    def _ask(self, key: Key, *names: str) -> None:
        self._known.add(key)
        for name in names:
            self._waiting[name].add(key)
            self._wake[name].set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for key in self._known:
                self._ask(key, *TICKING)

    async def _run(self, name: str) -> None:
        """Run one loop: after each wake-up and the delay, a step for everything that has changed since."""
        while True:
            await self._wake[name].wait()
            await asyncio.sleep(self._pace.delay(name))
            while (left := self._pace.away(name)) > 0:
                await asyncio.sleep(min(left, AWAY_SECONDS))
            self._wake[name].clear()
            keys, self._waiting[name] = self._waiting[name], set()
            for key in sorted(keys):
                self._step(name, key)
                await asyncio.sleep(0)

    def _step(self, name: str, key: Key) -> None:
        loops = self._loops(key[0])
        try:
            loops.step(name, *key)
        except ApiError:
            self._ask(key, name)  # the object changed in the meantime
        except Exception:
            log.exception("%s of %s/%s failed; the next change retries", name, *key)
        self._route(loops, key)
        if name in (*TICKING, "ingress") and self._is_gone(key):
            self._forget(key)

    def _loops(self, namespace: str) -> Loops:
        if namespace not in self._namespaces:
            pods = ProcessPods(self._state, self._http, lambda: self._pods_changed(namespace))
            loops = Loops(self._store, pods, time.time, address=self._address, idle_seconds=self._pace.idle_seconds)
            self._namespaces[namespace] = loops, pods
        return self._namespaces[namespace][0]

    def _pods_changed(self, namespace: str) -> None:
        for key in self._known:
            if key[0] == namespace:
                self._ask(key, "revision")

    def _address(self, namespace: str, route: str, tag: str) -> str:
        key = namespace, route.removesuffix("-predictor"), tag
        if key not in self._endpoints:
            fails = partial(self._faults.gateway_fails, key[1])
            self._endpoints[key] = Endpoint(self._http, self._namespaces[namespace][1].ready, fails)
        return self._endpoints[key].url

    def _route(self, loops: Loops, key: Key) -> None:
        """Point the URLs of a service at what the gateway is programmed with."""
        for (namespace, name, tag), endpoint in self._endpoints.items():
            if (namespace, name) == key:
                endpoint.route(loops.routed(namespace, name, tag))

    def _is_gone(self, key: Key) -> bool:
        client, (namespace, name) = Client(self._store, time.time), key
        if client.find(INFERENCE_SERVICES, namespace, name):
            return False
        return not any(client.labelled(kind, namespace, {ISVC_LABEL: name}) for kind in CONCERNED)

    def _forget(self, key: Key) -> None:
        """Close the URLs of a service of which nothing is left."""
        self._known.discard(key)
        for name in [name for name in self._endpoints if name[:2] == key]:
            task = asyncio.create_task(self._endpoints.pop(name).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
