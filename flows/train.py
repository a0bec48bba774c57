"""The train flow: snapshot, SageMaker training, gate, registry, which announces an approved model."""

from typing import Any, Literal

from prefect import flow, get_run_logger
from pydantic import BaseModel

from credit_model.gate import GateLimits
from flows.portfolio import Portfolio
from tasks import events
from tasks.gate import judge, show_model
from tasks.registry import PublishedModel, RegisteredModel, get_champion, publish_bundle, register_model
from tasks.sagemaker import train_model
from tasks.snapshot import Snapshot, take_snapshot


class TrainOutcome(BaseModel, frozen=True):
    """How a training ended."""

    portfolio: str
    snapshot_id: str
    model_version: str
    status: str
    metrics: dict[str, float]
    verdict: dict[str, Any]


@flow(name="train", flow_run_name="train {portfolio}")
def train(
    portfolio: Portfolio,
    approval: Literal["automatic", "manual"] = "automatic",
    holdout_months: int = 2,
    parameters: dict[str, str] | None = None,
    limits: GateLimits | None = None,
) -> TrainOutcome:
    """Train a challenger on everything the lake knows, and let the gate decide.

    The same data, image and parameters train once: a second run takes the finished job and the registered model.

    Args:
        portfolio: Which contract.
        approval: Whether a model that passes the gate is released by itself, or waits for a person in the registry.
        holdout_months: Latest complete months held out, where the portfolio has a time axis.
        parameters: Training settings other than the defaults, as SageMaker hyperparameters.
        limits: Limits of the gate other than the defaults.
    """
    champion = get_champion(portfolio)
    snapshot = take_snapshot(portfolio, holdout_months)
    trained = train_model(snapshot, parameters or {})
    model = publish_bundle(portfolio, trained)
    show_model(model, snapshot)
    if champion is not None and champion.version == model.version:
        get_run_logger().info("nothing new: model %s is the champion already", model.version)
        return _outcome(snapshot, model, "Champion", {})
    verdict = judge(snapshot, model, champion, limits or GateLimits())
    registered = register_model(model, verdict, _status(verdict, approval))
    events.announce(_announcement(registered, verdict))
    return _outcome(snapshot, model, registered.status, verdict)


def _announcement(model: RegisteredModel, verdict: dict[str, Any]) -> events.PortfolioEvent:
    """What became of the model; that it is approved is for the registry to say, which knows of every approval."""
    known = {"portfolio": model.portfolio, "version": model.version, "arn": model.arn, "snapshot_id": model.snapshot_id}
    if model.status == "Rejected":
        failed = [check["detail"] for check in verdict["checks"] if not check["passed"]]
        return events.ModelRejected(**known, reasons=failed)
    return events.ModelRegistered(**known, status=model.status)


def _status(verdict: dict[str, Any], approval: str) -> str:
    if not verdict["promoted"]:
        return "Rejected"
    return "Approved" if approval == "automatic" else "PendingManualApproval"


def _outcome(snapshot: Snapshot, model: PublishedModel, status: str, verdict: dict[str, Any]) -> TrainOutcome:
    return TrainOutcome(
        portfolio=model.portfolio,
        snapshot_id=snapshot.snapshot_id,
        model_version=model.version,
        status=status,
        metrics=model.metrics,
        verdict=verdict,
    )
