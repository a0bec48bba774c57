"""The sandbox's API in a thread, without controllers, so that only the test writes."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from sandbox.kubernetes.apiserver.api import create_app
from sandbox.kubernetes.apiserver.resources import initial_objects
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.disturbance import add_faults, disturbing
from sandbox.kubernetes.faults import Faults


async def _serve(started: threading.Event, box: dict, history: int, webhooks: bool) -> None:
    store, faults = Store(history=history, webhooks=webhooks), Faults()
    for resource, thing in initial_objects("ml"):
        store.create(resource, thing)
    app = create_app(store, middlewares=[disturbing(faults, store)])
    add_faults(app, faults)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    box["server"] = f"http://127.0.0.1:{runner.addresses[0][1]}"
    box["loop"], box["stop"] = asyncio.get_running_loop(), asyncio.Event()
    started.set()
    await box["stop"].wait()
    await runner.cleanup()


@contextmanager
def serving(*, history: int = 1000, webhooks: bool = False) -> Iterator[str]:
    """Serve, and yield the address."""
    started, box = threading.Event(), {}
    thread = threading.Thread(target=lambda: asyncio.run(_serve(started, box, history, webhooks)))
    thread.start()
    assert started.wait(120)
    try:
        yield box["server"]
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(10)
