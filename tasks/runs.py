"""What a task may ask about the Prefect run it is part of."""

from uuid import UUID

from prefect import get_client, runtime


def is_cancelling() -> bool:
    """Return whether somebody has cancelled this flow run (as against: its process was merely told to stop)."""
    flow_run_id = runtime.flow_run.id
    if not flow_run_id:
        return False
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(str(flow_run_id))).state
    return state is not None and (state.is_cancelling() or state.is_cancelled())
