"""One pod: fetches its model, runs its image's process in a process group, probes, restarts and drains it."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path

import aiohttp

from sandbox import containers, images
from sandbox.aws.roles import credentials
from sandbox.kubernetes.control.pods import PodState
from sandbox.kubernetes.kserve.podspec import MODEL_MOUNT, Template
from sandbox.kubernetes.kserve.storage import StorageError, download
from sandbox.ports import free_port

PROBE_SECONDS = 0.1
DRAIN_SECONDS = 5.0
GRACE_SECONDS = 10.0
BACKOFF_SECONDS = (0.5, 30.0)
TAIL_BYTES = 2048


class Pod:
    """One process of a revision; `port` accepts requests while the state is `Ready`.

    Args:
        revision: The revision's name.
        template: What to run.
        folder: Where the model is copied.
        log: Where the process writes.
        http: Session for probes.
        changed: Is called after each change of the state.
    """

    def __init__(
        self,
        revision: str,
        template: Template,
        *,
        folder: Path,
        log: Path,
        http: aiohttp.ClientSession,
        changed: Callable[[], None],
    ) -> None:
        self.revision = revision
        self.template = template
        self.state = PodState("Pending")
        self.port = 0
        self.in_flight = 0
        self._folder = folder
        self._log = log
        self._http = http
        self._changed = changed
        self._loaded = False
        self._task = asyncio.create_task(self._run(), name=revision)

    async def stop(self, *, drain: float = DRAIN_SECONDS) -> None:
        """Let requests in flight finish, then end the process and its descendants."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drain(), drain)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _drain(self) -> None:
        while self.in_flight:
            await asyncio.sleep(0.02)

    def _enter(self, state: PodState) -> None:
        self.state = state
        self._changed()

    async def _run(self) -> None:
        try:
            images.command(self.template.image)
        except images.UnknownImageError as error:
            self._enter(PodState("Failed", str(error), reason="ErrImagePull"))
            return
        pause, longest = BACKOFF_SECONDS
        while True:
            self._enter(await self._run_once())
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _run_once(self) -> PodState:
        """Load the model unless it is loaded, and run the process to its end; return the failure."""
        try:
            await self._load()
        except StorageError as error:
            return PodState("Failed", str(error), 1, initializing=True)
        code = await self._serve()
        return PodState("Failed", self._tail(), code)

    async def _load(self) -> None:
        if self.template.storage_uri and not self._loaded:
            self._enter(self.state._replace(phase="Loading"))
            await asyncio.to_thread(self._download)
            self._enter(PodState("Pending"))
        self._loaded = True

    def _download(self) -> None:
        download(self.template.storage_uri, self._folder, role=self.template.service_account)

    async def _serve(self) -> int:
        """Run the container to its end; return its exit code, above 128 for a signal."""
        self.port = free_port()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = self._command()
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command.words, env=command.environment, stdout=log, stderr=log, start_new_session=True
            )
        self._enter(self.state._replace(phase="Running"))
        try:
            ended = asyncio.ensure_future(process.wait())
            if await self._probe_until_ready(ended):
                self._enter(self.state._replace(phase="Ready"))
            code = await ended
            return code if code >= 0 else 128 - code
        finally:
            self.state = self.state._replace(phase="Running")
            await _end_group(process, min(self.template.grace, GRACE_SECONDS), command)

    def _command(self) -> containers.Command:
        role = credentials(self.template.service_account)
        own = {**role, **self.template.env, "PORT": str(self.port), "K_REVISION": self.revision}
        return containers.command(
            self.template.image,
            list(self.template.args),
            environment=own,
            inherited=os.environ,
            mounts=(containers.Mount(MODEL_MOUNT, self._folder, read_only=True),),
            limits=self.template.limits,
        )

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


async def _end_group(process: Process, grace: float, command: containers.Command) -> None:
    """End a container: SIGTERM, then SIGKILL after `grace` seconds for what remains of it."""
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace)
        if process.returncode is None:
            await asyncio.to_thread(command.remove)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
