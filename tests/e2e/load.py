"""Clients that send requests to the endpoint at a steady rate and count the failures by revision."""

import threading
import time
from collections import Counter

import httpx

from tests.e2e.world import World


class Load:
    """A steady rate of requests from several clients; use as a context manager.

    Args:
        world: The sandbox.
        per_second: Requests per second of all clients together.
        clients: Number of clients.
        timeout: Seconds after which a request fails.

    Attributes:
        answers: Number of successful answers per model version.
        failures: Number of failed answers per revision; keyed by the error if there was no answer.
    """

    def __init__(self, world: World, per_second: float, *, clients: int = 8, timeout: float = 30) -> None:
        self._url, body = world.question()
        # Client requests have an id and golden applicants do not, so faults can distinguish them.
        self._body = {"instances": [{**body["instances"][0], "ID": 1}]}
        self._pause, self._timeout = clients / per_second, timeout
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self._began = self._ended = 0.0
        self.answers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(60)
        self._ended = time.monotonic()

    @property
    def rate(self) -> float:
        """Return the requests per second that were actually sent."""
        return (self.answers.total() + self.failures.total()) / (self._ended - self._began)

    def _ask(self) -> None:
        with httpx.Client(timeout=self._timeout) as http:
            due = time.monotonic()
            while not self._enough.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._pause, time.monotonic() - 1.0)
                self._once(http)

    def _once(self, http: httpx.Client) -> None:
        try:
            reply = http.post(self._url, json=self._body)
        except httpx.HTTPError as error:
            with self._lock:
                self.failures[repr(error)] += 1
            return
        with self._lock:
            if reply.is_success:
                self.answers[reply.json()["model_version"]] += 1
            else:
                self.failures[reply.headers.get("K-Revision", f"the gateway: {reply.text[:100]}")] += 1
