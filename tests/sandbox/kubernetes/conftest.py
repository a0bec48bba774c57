"""Fixtures of the Kubernetes tests: the API alone (or a real API server), and the whole cluster as a process."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web
from kubernetes import client

from sandbox.kubernetes.apiserver.api import create_app
from sandbox.kubernetes.apiserver.resources import initial_objects
from sandbox.kubernetes.apiserver.store import Store
from tests.conftest import Aws
from tests.sandbox.kubernetes import real_api
from tests.sandbox.kubernetes.cluster_process import Cluster


def _serve_api(started: threading.Event, box: dict) -> None:
    """Run the API without a controller, so that only the test writes."""

    async def run() -> None:
        store = Store(history=200)
        for resource, thing in initial_objects("ml"):
            store.create(resource, thing)
        runner = web.AppRunner(create_app(store), handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        box["server"] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        box["loop"], box["stop"] = asyncio.get_running_loop(), asyncio.Event()
        started.set()
        await box["stop"].wait()
        await runner.cleanup()

    asyncio.run(run())


@pytest.fixture(scope="session")
def sandbox_api() -> Iterator[client.ApiClient]:
    started, box = threading.Event(), {}
    thread = threading.Thread(target=_serve_api, args=(started, box))
    thread.start()
    assert started.wait(20)
    yield client.ApiClient(client.Configuration(host=box["server"]))
    box["loop"].call_soon_threadsafe(box["stop"].set)
    thread.join(10)


def _real_api() -> client.ApiClient:
    connected = real_api.connect()
    real_api.install(connected, "ml", "kserve")
    return connected


@pytest.fixture(scope="session", params=["sandbox", "real"] if real_api.REAL else ["sandbox"])
def api(request: pytest.FixtureRequest) -> client.ApiClient:
    """Return a client of the sandbox's API and, with REAL_KUBECONFIG set, of a real API server."""
    return request.getfixturevalue("sandbox_api") if request.param == "sandbox" else _real_api()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, aws: Aws) -> Iterator[Cluster]:
    """Yield the whole cluster as a process started by its command line."""
    running = Cluster(tmp_path_factory.mktemp("cluster"), aws.endpoint)
    yield running
    running.stop()
