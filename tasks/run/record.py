"""The record of a run: data, code, images, parameters, result and cost in one JSON document."""

from datetime import UTC, datetime
from typing import Any

from prefect import runtime
from pydantic import BaseModel

from tasks import layout, s3
from tasks.run import context
from tasks.run.costs import Costs
from tasks.settings import settings
from tasks.steps import step


@step
def record_run(flow: str, outcome: BaseModel, costs: Costs) -> str:
    """Write the record of the current run; return its address.

    Args:
        flow: Name of the flow.
        outcome: Result of the flow.
        costs: Cost of the run.
    """
    here = settings()
    uri = layout.run(flow, context.current() or "none")
    code = {"git_commit": here.git_commit, "train_image": here.train_image, "serve_image": here.serve_image}
    document: dict[str, Any] = {
        "flow": flow,
        "flow_run": {"id": context.current(), "name": context.label()},
        "recorded_at": datetime.now(UTC).isoformat(),
        "parameters": _plain(runtime.flow_run.parameters or {}),
        "code": code,
        "outcome": outcome.model_dump(mode="json"),
        "costs": costs.model_dump(mode="json"),
    }
    s3.write_json(uri, document)
    return uri


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for name, value in parameters.items()
    }
