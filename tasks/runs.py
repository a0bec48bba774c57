"""What a task may ask about the Prefect run it is part of."""

from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.context import get_run_context
from prefect.exceptions import MissingContextError


def is_cancelling() -> bool:
    """Return whether somebody has cancelled this flow run (as against: its process was merely told to stop)."""
    try:
        run = getattr(get_run_context(), "flow_run", None) or getattr(get_run_context(), "task_run", None)
    except MissingContextError:
        return False
    flow_run_id = getattr(run, "flow_run_id", None) or getattr(run, "id", None)
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run_id).state
    return state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED)
