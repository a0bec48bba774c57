"""Facts about Prefect flow runs: the current one, and others by id."""

from datetime import UTC, datetime
from uuid import UUID

from prefect import get_client, runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound


def current() -> str:
    """Return the id of the current flow run, empty outside one."""
    return str(runtime.flow_run.id or "")


def label() -> str:
    """Return the name of the current flow run, empty outside one."""
    return str(runtime.flow_run.name or "")


def moment() -> datetime:
    """Return the time the run was scheduled for."""
    found: datetime = runtime.flow_run.scheduled_start_time or datetime.now(UTC)
    return found


def is_cancelling() -> bool:
    """Return whether this flow run was cancelled, as opposed to its process merely being stopped."""
    state = _state(current())
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def is_over(flow_run_id: str) -> bool:
    """Return whether a flow run is known to have ended.

    A run unknown to this Prefect server may be alive on another one, so it counts as not over.
    """
    state = _state(flow_run_id)
    return state is not None and state.is_final()


def _state(flow_run_id: str) -> State | None:
    if not flow_run_id:
        return None
    with get_client(sync_client=True) as client:
        try:
            return client.read_flow_run(UUID(flow_run_id)).state
        except ObjectNotFound:
            return None
