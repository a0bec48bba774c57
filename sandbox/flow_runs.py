"""Runs deployments through the Prefect API and shows their logs as they arrive."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, Log
from prefect.client.schemas.sorting import FlowRunSort, LogSort
from prefect.types import DateTime

POLL_SECONDS = 0.5
START_TIMEOUT_SECONDS = 60.0
RUN_TIMEOUT_SECONDS = 900.0
PAGE = 200
RUN_LINES = 10_000
HIDDEN_LINES = ("Finished in state Completed", "Downloading flow code", "Worker '", "Flow run '")
TRACEBACK = "\nTraceback (most recent call last)"  # the UI shows the traceback; the demo shows only the message


class FlowRunError(RuntimeError):
    """A flow run did not start, or did not complete."""


@dataclass(frozen=True)
class FlowRuns:
    """The flow runs of one Prefect server.

    Attributes:
        api: Address of the server's API. Prefect's own setting is read when Prefect is imported, before the sandbox's
            server has an address, and without one Prefect starts a server of its own.
        say: Prints log lines.
        check: Called between polls; raises if waiting is pointless.
    """

    api: str
    say: Callable[[str], None]
    check: Callable[[], None]

    def run(self, deployment: str, parameters: dict[str, Any]) -> FlowRun:
        """Start `flow/deployment` and follow it to its end.

        Raises:
            FlowRunError: It did not complete.
        """
        with SyncPrefectClient(self.api) as client:
            found = client.read_deployment_by_name(f"{deployment}/{deployment}")
            started = client.create_flow_run_from_deployment(found.id, parameters=parameters)
            return self._follow(client, started.id)

    def await_triggered(self, deployment: str, since: DateTime) -> FlowRun:
        """Wait for a run of `deployment` that an event started since then, and follow it to its end.

        Raises:
            FlowRunError: No run started, or it did not complete.
        """
        with SyncPrefectClient(self.api) as client:
            deadline = time.monotonic() + START_TIMEOUT_SECONDS
            while time.monotonic() < deadline:
                runs = self._since(client, deployment, since)
                if runs:
                    return self._follow(client, runs[0].id)
                self._pause()
        raise FlowRunError(f"no event started {deployment} within {START_TIMEOUT_SECONDS:.0f} s")

    def _since(self, client: SyncPrefectClient, deployment: str, since: DateTime) -> list[FlowRun]:
        runs: list[FlowRun] = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(expected_start_time=FlowRunFilterExpectedStartTime(after_=since)),
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        )
        return [run for run in runs if run.auto_scheduled is False]

    def _follow(self, client: SyncPrefectClient, flow_run_id: UUID) -> FlowRun:
        shown: set[UUID] = set()
        deadline = time.monotonic() + RUN_TIMEOUT_SECONDS
        while True:
            run: FlowRun = client.read_flow_run(flow_run_id)
            self._show_logs(client, flow_run_id, shown)
            if run.state is not None and run.state.is_final():
                break
            if time.monotonic() > deadline:
                raise FlowRunError(f"{run.name} did not end within {RUN_TIMEOUT_SECONDS:.0f} s")
            self._pause()
        time.sleep(2 * POLL_SECONDS)  # the last lines reach the server a moment after the state
        self._show_logs(client, flow_run_id, shown)
        if not run.state.is_completed():
            raise FlowRunError(f"{run.name} ended {run.state.name}: {run.state.message}")
        return run

    def _show_logs(self, client: SyncPrefectClient, flow_run_id: UUID, shown: set[UUID]) -> None:
        """Show the new lines; lines of different processes do not arrive in the order of their times."""
        chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
        for offset in range(0, RUN_LINES, PAGE):
            logs: list[Log] = client.read_logs(chosen, limit=PAGE, offset=offset, sort=LogSort.TIMESTAMP_ASC)
            for entry in logs:
                if entry.id not in shown and not entry.message.startswith(HIDDEN_LINES):
                    self.say(entry.message.partition(TRACEBACK)[0])
                shown.add(entry.id)
            if len(logs) < PAGE:
                break

    def _pause(self) -> None:
        self.check()
        time.sleep(POLL_SECONDS)


def now() -> DateTime:
    """Return the current time in the type of Prefect's filters."""
    return DateTime.now("UTC")
