"""Runs deployments of one sandbox through Prefect's own client; a failed run is a result, not an error."""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelling
from prefect.types import DateTime

RUN_SECONDS = 240.0
START_SECONDS = 90.0
FINAL = {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED}
Found = TypeVar("Found")


def eventually(look: Callable[[], Found], what: str, *, seconds: float = 30.0, pause: float = 0.2) -> Found:
    """Poll until `look` returns something true and return it; fail with the last value seen."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s; last seen {seen!r}"
        time.sleep(pause)


class Runs:
    """The flow runs of one Prefect server."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self.client = client

    def start(self, deployment: str, *, env: dict[str, str] | None = None, **parameters: Any) -> UUID:
        """Create a run of a deployment, with more environment variables if given."""
        found = self.client.read_deployment_by_name(f"{deployment}/{deployment}")
        there = {"env": env} if env else {}
        return self.client.create_flow_run_from_deployment(found.id, parameters=parameters, job_variables=there).id

    def run(self, deployment: str, **parameters: Any) -> FlowRun:
        """Run a deployment to its end, successful or not; takes the arguments of `start`."""
        return self.end(self.start(deployment, **parameters))

    def completed(self, deployment: str, **parameters: Any) -> FlowRun:
        """Run a deployment, which must complete."""
        return self._good(self.run(deployment, **parameters))

    def end(self, flow_run_id: UUID) -> FlowRun:
        """Wait until a run has ended."""

        def final() -> FlowRun | None:
            run = self.client.read_flow_run(flow_run_id)
            return run if run.state and run.state.is_final() else None

        return eventually(final, f"end of run {flow_run_id}", seconds=RUN_SECONDS, pause=0.5)

    def triggered(self, deployment: str, since: DateTime, *, seconds: float = START_SECONDS) -> FlowRun:
        """Wait for the run that an event started since then; it must complete."""
        runs = eventually(lambda: self.since(deployment, since), f"a run of {deployment}", seconds=seconds)
        return self._good(self.end(runs[0].id))

    def since(self, deployment: str, since: DateTime) -> list[FlowRun]:
        """Return a deployment's runs since then, except scheduled ones."""
        runs: list[FlowRun] = self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(expected_start_time=FlowRunFilterExpectedStartTime(after_=since)),
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        )
        return [run for run in runs if not run.auto_scheduled]

    def quiet(self) -> None:
        """Wait until no run is running or pending."""
        unfinished = FlowRunFilterState(type=FlowRunFilterStateType(not_any_=list(FINAL)))

        def idle() -> bool:
            found = self.client.read_flow_runs(flow_run_filter=FlowRunFilter(state=unfinished))
            return not [run for run in found if not run.auto_scheduled]

        eventually(idle, "no run under way", seconds=RUN_SECONDS, pause=0.5)

    def cancel(self, flow_run_id: UUID) -> None:
        """Cancel a run as the UI does."""
        self.client.set_flow_run_state(flow_run_id, Cancelling())

    def log(self, flow_run_id: UUID) -> str:
        """Return the first 200 lines of a run's log."""
        chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
        return "\n".join(entry.message for entry in self.client.read_logs(chosen, limit=200))

    def artifact(self, run: FlowRun, key: str) -> str:
        """Return the markdown or table artifact of a run under a key."""
        chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        found = self.client.read_artifacts(artifact_filter=chosen)
        return next(str(artifact.data) for artifact in found if artifact.key == key)

    def _good(self, run: FlowRun) -> FlowRun:
        assert run.state is not None
        assert run.state.is_completed(), f"{run.name} ended {run.state.name}: {run.state.message}\n{self.log(run.id)}"
        return run
