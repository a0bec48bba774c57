"""The pods of a namespace's revisions as local processes."""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.control.pods import PodState
from sandbox.kubernetes.kserve.pod import DRAIN_SECONDS, Pod
from sandbox.kubernetes.kserve.podspec import read_template

# A revision has as many processes as its minimum scale asks for, up to this number.
MOST_COPIES = int(os.environ.get("SANDBOX_MAX_REPLICAS", "2"))


class RevisionPods:
    """The pods of one revision, as one.

    Args:
        pods: The pods.
    """

    def __init__(self, pods: list[Pod]) -> None:
        self.pods = pods
        self._was_ready = False
        self._turn: Iterator[int] = itertools.count()

    @property
    def state(self) -> PodState:
        """The state: ready once all pods have been, then as long as one is."""
        ready = len(self._ready())
        self._was_ready |= ready == len(self.pods)
        if ready and self._was_ready:
            return PodState("Ready", copies=ready)
        worst = [pod.state for pod in self.pods if pod.state.phase == "Failed"]
        others = [pod.state for pod in self.pods if pod.state.phase != "Ready"]
        return (worst or others)[0]._replace(copies=len(self.pods))

    def next(self) -> Pod | None:
        """Return the ready pod whose turn it is; None while there is none."""
        ready = self._ready()
        return ready[next(self._turn) % len(ready)] if ready else None

    def _ready(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.state.phase == "Ready"]


class ProcessPods:
    """Starts and stops processes for revisions.

    Args:
        state: Folder for models and logs.
        http: Session for probes.
        changed: Is called after each change of a pod's state.
    """

    def __init__(self, state: Path, http: aiohttp.ClientSession, changed: Callable[[], None]) -> None:
        self._state = state
        self._http = http
        self._changed = changed
        self._running: dict[str, RevisionPods] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def start(self, revision: Object) -> None:
        """Run a revision's pods unless they run."""
        name, namespace = revision["metadata"]["name"], revision["metadata"]["namespace"]
        if name in self._running:
            return
        template = read_template(revision)
        names = [name if number == 0 else f"{name}-{number}" for number in range(min(template.copies, MOST_COPIES))]
        pods = [
            Pod(
                name,
                template,
                folder=self._state / "models" / namespace / each,
                log=self._state / "logs" / namespace / f"{each}.log",
                http=self._http,
                changed=self._changed,
            )
            for each in names
        ]
        self._running[name] = RevisionPods(pods)

    def stop(self, name: str) -> None:
        """End a revision's pods after their requests in flight."""
        for pod in self._running.pop(name, RevisionPods([])).pods:
            self._stop(pod, DRAIN_SECONDS)

    def state(self, name: str) -> PodState | None:
        """Return the state of a revision's pods; None if it has none."""
        found = self._running.get(name)
        return found.state if found else None

    def ready(self, name: str) -> Pod | None:
        """Return a ready pod of a revision; None while there is none."""
        found = self._running.get(name)
        return found.next() if found else None

    async def close(self) -> None:
        """End all pods."""
        for name in list(self._running):
            for pod in self._running.pop(name).pods:
                self._stop(pod, 1.0)
        await asyncio.gather(*self._stopping)

    def _stop(self, pod: Pod, drain: float) -> None:
        task = asyncio.create_task(pod.stop(drain=drain))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
