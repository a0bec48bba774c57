"""Stands for KServe on a real API server: runs the sandbox's controller on one namespace's InferenceServices.

`python -m tests.sandbox.kubernetes.mirror --kubeconfig FILE --namespace NAME --state DIR` prints a line when ready; on
SIGTERM it ends with all processes that it started.
"""

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

from kubernetes import client, config

from sandbox.kubernetes.apiserver.resources import INFERENCE_SERVICES, initial_objects
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.kserve.controller import Controller

POLL_SECONDS = 0.1
GV, PLURAL = ("serving.kserve.io", "v1beta1"), "inferenceservices"
JSON_PATCH = "application/json-patch+json"


class Mirror:
    """Copies specs from the API server to the controller's store, and statuses back."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self.store = Store()
        for resource, thing in initial_objects(namespace):
            self.store.create(resource, thing)
        self._api = client.CustomObjectsApi(config.new_client_from_config(kubeconfig))
        self._namespace = namespace
        self._seen: dict[str, tuple[str, int]] = {}
        self._written: dict[str, dict] = {}

    async def poll(self) -> None:
        listed = await asyncio.to_thread(self._api.list_namespaced_custom_object, *GV, self._namespace, PLURAL)
        there = {thing["metadata"]["name"]: thing for thing in listed["items"]}
        for name in [name for name in self._seen if name not in there]:
            self._remove(name)
        for name, thing in there.items():
            if self._take(name, thing):
                await self._write_status(name)

    def _remove(self, name: str) -> None:
        self.store.delete(INFERENCE_SERVICES, self.store.get(INFERENCE_SERVICES, self._namespace, name))
        del self._seen[name]
        self._written.pop(name, None)

    def _is_ending(self, name: str) -> bool:
        """Return whether the copy of a deleted service is still there."""
        things = self.store.list(INFERENCE_SERVICES, self._namespace)
        return any(t["metadata"]["name"] == name and t["metadata"].get("deletionTimestamp") for t in things)

    def _take(self, name: str, thing: dict) -> bool:
        """Copy a service to the store; return whether it is there."""
        uid, generation = thing["metadata"]["uid"], thing["metadata"]["generation"]
        before = self._seen.get(name)
        if before and before[0] != uid:
            self._remove(name)
            before = None
        if self._is_ending(name):
            return False
        if before is None:
            kept = {key: thing["metadata"].get(key, {}) for key in ("labels", "annotations")}
            body = {**thing, "metadata": {"name": name, "namespace": self._namespace, **kept}}
            self.store.create(INFERENCE_SERVICES, body)
        elif before[1] != generation:
            stored = self.store.get(INFERENCE_SERVICES, self._namespace, name)
            self.store.replace(INFERENCE_SERVICES, {**stored, "spec": thing["spec"]})
        self._seen[name] = (uid, generation)
        return True

    async def _write_status(self, name: str) -> None:
        status = self.store.get(INFERENCE_SERVICES, self._namespace, name).get("status")
        if not status or status == self._written.get(name):
            return
        patch = [{"op": "add", "path": "/status", "value": status}]
        with contextlib.suppress(client.ApiException):  # it is gone, or the next poll writes it again
            await asyncio.to_thread(
                self._api.patch_namespaced_custom_object_status,
                *GV, self._namespace, PLURAL, name, patch, _content_type=JSON_PATCH,
            )  # fmt: skip
            self._written[name] = status


async def follow(kubeconfig: str, namespace: str, state: Path) -> None:
    """Poll until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    mirror = Mirror(kubeconfig, namespace)
    controller = Controller(mirror.store, state=state)
    try:
        await mirror.poll()
        print("following", flush=True)
        while not ended.is_set():
            await mirror.poll()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), POLL_SECONDS)
    finally:
        await controller.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--state", type=Path, required=True)
    given = parser.parse_args()
    asyncio.run(follow(given.kubeconfig, given.namespace, given.state))
