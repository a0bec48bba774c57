"""The controller: watches the store's InferenceServices and runs one `Service` for each."""

import asyncio
from pathlib import Path

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import INFERENCE_SERVICES
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.kserve.gateway import client_session
from sandbox.kubernetes.kserve.service import Service


class Controller:
    """Starts and ends services as InferenceServices are created and deleted."""

    def __init__(self, store: Store, *, state: Path) -> None:
        self._store = store
        self._state = state
        self._http = client_session()
        self._services: dict[str, Service] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._follow(store.version), name="controller")

    async def close(self) -> None:
        """End all services and their processes."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await asyncio.gather(*(service.close() for service in self._services.values()), *self._closing)
        await self._http.close()

    async def _follow(self, version: int) -> None:
        while True:
            for event in self._store.after(version):
                version = event.version
                if event.resource is INFERENCE_SERVICES:
                    self._handle(event.type, event.thing)
            await self._store.wait(version)

    def _handle(self, kind: str, thing: Object) -> None:
        metadata = thing["metadata"]
        if kind == "DELETED":
            if service := self._services.pop(metadata["uid"], None):
                task = asyncio.create_task(service.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            return
        if metadata["uid"] not in self._services:
            name, namespace = metadata["name"], metadata["namespace"]
            self._services[metadata["uid"]] = Service(self._store, namespace, name, state=self._state, http=self._http)
        self._services[metadata["uid"]].wake()
