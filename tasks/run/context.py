"""Facts about Prefect flow runs: the current one, and others by id."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import get_client, runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound

# Prefect Cloud keeps a run for at least this long after its end (https://docs.prefect.io/v3/concepts/rate-limits). No
# run of ours lives so long, so one that is unknown after this time has ended, here or on another server.
RETENTION = timedelta(days=7)


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


def is_over(flow_run_id: str, seen: datetime) -> bool:
    """Return whether a flow run has certainly ended.

    A run unknown to this Prefect server may be alive on another one, so it counts as over only when it has left no
    sign of life for longer than Prefect keeps runs.

    Args:
        flow_run_id: The run.
        seen: When it was last known to be alive.
    """
    state = _state(flow_run_id)
    return state.is_final() if state else bool(flow_run_id) and datetime.now(UTC) - seen > RETENTION


def _state(flow_run_id: str) -> State | None:
    if not flow_run_id:
        return None
    with get_client(sync_client=True) as client:
        try:
            return client.read_flow_run(UUID(flow_run_id)).state
        except ObjectNotFound:
            return None
