"""The whole sandbox cluster in one event loop: API, controller, gateway and its kubeconfig."""

import json
from pathlib import Path

from aiohttp import web

from sandbox.kubernetes.apiserver.api import create_app
from sandbox.kubernetes.apiserver.garbage import Collector
from sandbox.kubernetes.apiserver.resources import CONFIG_MAPS, EVENTS, INFERENCE_SERVICES, NAMESPACES, initial_objects
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.disturbance import add_faults, disturbing
from sandbox.kubernetes.faults import Faults
from sandbox.kubernetes.kserve.controller import Controller

NAMESPACE = "ml"
# What no control loop collects: the loops collect their own objects, and end the processes behind them.
COLLECTED = (INFERENCE_SERVICES, NAMESPACES, CONFIG_MAPS, EVENTS)


class Cluster:
    """A running cluster; `start` and `stop` belong to one event loop."""

    def __init__(self, *, state: Path, port: int = 0) -> None:
        self.state = state
        self.kubeconfig = state / "kubeconfig"
        self.server = ""
        self.store = Store()
        self._port = port
        self.faults = Faults()
        self._controller: Controller | None = None
        self._collector: Collector | None = None
        app = create_app(self.store, middlewares=[disturbing(self.faults, self.store)])
        add_faults(app, self.faults)
        # An open watch must not delay the shutdown.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)

    async def start(self) -> None:
        """Serve on loopback and write the kubeconfig."""
        for resource, thing in initial_objects(NAMESPACE):
            self.store.create(resource, thing)
        self.state.mkdir(parents=True, exist_ok=True)
        await self._runner.setup()
        self._collector = Collector(self.store, COLLECTED)
        self._controller = Controller(self.store, state=self.state, faults=self.faults)
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.server = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.kubeconfig.write_text(json.dumps(self._kubeconfig(), indent=1))

    async def stop(self) -> None:
        """Stop serving and end the processes of all revisions."""
        if self._controller:
            await self._controller.close()
        if self._collector:
            await self._collector.close()
        await self._runner.cleanup()

    def _kubeconfig(self) -> dict[str, object]:
        name = "sandbox"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": self.server}}],
            "users": [{"name": name, "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": NAMESPACE}}],
            "current-context": name,
        }
