"""A revision: fetches its model, runs its image's process in a process group, probes, restarts and drains it."""

import asyncio
import contextlib
import enum
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from sandbox import images
from sandbox.aws.roles import credentials
from sandbox.kubernetes.kserve.podspec import MODEL_MOUNT, Template
from sandbox.kubernetes.kserve.storage import StorageError, download
from sandbox.ports import free_port

PROBE_SECONDS = 0.1
DRAIN_SECONDS = 5.0
GRACE_SECONDS = 10.0
BACKOFF_SECONDS = (0.5, 30.0)
TAIL_BYTES = 2048


class Phase(enum.Enum):
    """The phases of a revision's one pod."""

    PENDING = "Pending"
    LOADING = "Loading"
    READY = "Ready"
    FAILED = "Failed"
    STOPPED = "Stopped"


@dataclass(frozen=True)
class Failure:
    """Why a revision is not ready.

    Attributes:
        reason: Knative's reason, such as `ExitCode1` or `ProgressDeadlineExceeded`.
        exit_code: Exit code of the container; None if there was none (the image could not be pulled).
    """

    reason: str
    message: str
    exit_code: int | None = None


class Revision:
    """One revision and its process; `ready` is set while `port` accepts requests."""

    def __init__(
        self,
        name: str,
        template: Template,
        *,
        folder: Path,
        log: Path,
        http: aiohttp.ClientSession,
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self.template = template
        self.phase = Phase.PENDING
        self.failure: Failure | None = None
        self.was_ready = False
        self.ready = asyncio.Event()
        self.port = 0
        self.in_flight = 0
        self._folder = folder
        self._log = log
        self._http = http
        self._changed = changed
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._task is not None

    def start(self) -> None:
        """Run the process unless it is running; a failed revision does not restart."""
        if self._task is None:
            self._enter(Phase.PENDING)
            self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self, *, drain: float = DRAIN_SECONDS) -> None:
        """Let requests in flight finish, then end the process and its descendants."""
        if self._task is None:
            return
        task, self._task = self._task, None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drain(), drain)
        task.cancel()
        await asyncio.wait([task])
        if self.phase is not Phase.FAILED:
            self._enter(Phase.STOPPED)

    async def _drain(self) -> None:
        while self.in_flight:
            await asyncio.sleep(0.02)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        if phase is Phase.READY:
            self.was_ready, self.failure = True, None
            self.ready.set()
        else:
            self.ready.clear()
        self._changed()

    def _fail(self, failure: Failure) -> None:
        self.failure = failure
        self._enter(Phase.FAILED)

    async def _run(self) -> None:
        try:
            command = images.command(self.template.image)
        except images.UnknownImageError as error:
            self._fail(Failure("ContainerMissing", f'Unable to fetch image "{self.template.image}": {error}'))
            return
        deadline = asyncio.get_running_loop().time() + self.template.progress_deadline
        try:
            # A revision that was ready once restarts without limit, like a pod.
            async with asyncio.timeout_at(deadline) as limit:
                await self._restart_for_ever(command, lambda: limit.reschedule(None))
        except TimeoutError:
            text = f"not ready within {self.template.progress_deadline:g} s. {self._tail()}".strip()
            self._fail(self.failure or Failure("ProgressDeadlineExceeded", text, 0))

    async def _restart_for_ever(self, command: list[str], on_ready: Callable[[], None]) -> None:
        pause, longest = BACKOFF_SECONDS
        while True:
            try:
                await self._load()
                code = await self._serve(command, on_ready)
                self._fail(Failure(f"ExitCode{code}", f"Container failed with: {self._tail()}", code))
            except StorageError as error:
                self._fail(Failure("ExitCode1", str(error), 1))
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _load(self) -> None:
        if self.template.storage_uri and not self.was_ready:
            self._enter(Phase.LOADING if self.failure is None else Phase.FAILED)
            await asyncio.to_thread(self._download)

    def _download(self) -> None:
        download(self.template.storage_uri, self._folder, role=self.template.service_account)

    async def _serve(self, command: list[str], on_ready: Callable[[], None]) -> int:
        """Run the process to its end; return its exit code (negative for a signal)."""
        self.port = free_port()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        arguments = [arg.replace(MODEL_MOUNT, str(self._folder)) for arg in self.template.args]
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, *arguments, env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )
        try:
            ended = asyncio.ensure_future(process.wait())
            if await self._probe_until_ready(ended):
                on_ready()
                self._enter(Phase.READY)
            return await ended
        finally:
            self.ready.clear()
            await _end_group(process, min(self.template.grace, GRACE_SECONDS))

    def _environment(self) -> dict[str, str]:
        own = {key: value.replace(MODEL_MOUNT, str(self._folder)) for key, value in self.template.env.items()}
        role = credentials(self.template.service_account)
        return {**os.environ, **role, **own, "PORT": str(self.port), "K_REVISION": self.name}

    async def _probe_until_ready(self, ended: asyncio.Future[int]) -> bool:
        """Return True when the probe succeeds, or False if the process ends first."""
        url = f"http://127.0.0.1:{self.port}{self.template.probe_path}"
        limit = aiohttp.ClientTimeout(total=self.template.probe_timeout)
        while not ended.done():
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._http.get(url, timeout=limit) as answer:
                    if 200 <= answer.status < 400:
                        return True
            await asyncio.wait([ended], timeout=PROBE_SECONDS)
        return False

    def _tail(self) -> str:
        if not self._log.exists():
            return ""
        with self._log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            return log.read().decode(errors="replace").strip()


async def _end_group(process: Process, grace: float) -> None:
    """End a process group: SIGTERM, then SIGKILL after `grace` seconds for the remaining processes."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
