"""The train flow: snapshot, SageMaker training, gate and registry. An approval in the registry starts a release."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from prefect import flow, get_run_logger, runtime
from pydantic import BaseModel

from credit_model.gate.verdict import GateLimits
from flows.portfolio import Portfolio, shown
from tasks import assets, events
from tasks.gate import judge, show_model
from tasks.lake.snapshot import Snapshot, take_snapshot
from tasks.recovery import settle_release, settle_trainings
from tasks.run.costs import show_costs
from tasks.run.record import record_run
from tasks.sagemaker.registry import PublishedModel, RegisteredModel, get_champion, publish_bundle, register_model
from tasks.sagemaker.steps import train_model

Approval = Annotated[Literal["automatic", "manual"], shown("Approval")]
HoldoutMonths = Annotated[int, shown("Months held out", ge=1, le=24)]
Hyperparameters = Annotated[dict[str, str] | None, shown("Training settings")]
Limits = Annotated[GateLimits | None, shown("Limits of the gate")]


class TrainOutcome(BaseModel, frozen=True):
    """The result of a training, and its cost in US dollars."""

    portfolio: str
    snapshot_id: str
    model_version: str
    job_name: str
    status: str
    metrics: dict[str, float]
    verdict: dict[str, Any]
    usd: float | None = None


def _name() -> str:
    """Return a name with the run's month, such as `train case 2026-10`: the newest data are unknown before it runs."""
    month = runtime.flow_run.scheduled_start_time or datetime.now(UTC)
    return f"train {runtime.flow_run.parameters['portfolio']} {month:%Y-%m}"


@flow(name="train", flow_run_name=_name)
def train(
    portfolio: Portfolio,
    approval: Approval = "automatic",
    holdout_months: HoldoutMonths = 2,
    parameters: Hyperparameters = None,
    limits: Limits = None,
) -> TrainOutcome:
    """Train a challenger on all labelled applications of the lake, and let the gate decide.

    The same data, image and parameters train only once: a second run reuses the finished job and registered model.

    Args:
        portfolio: Name of the contract.
        approval: Whether a model that passes the gate is released automatically or waits for a person's approval.
        holdout_months: Number of latest complete months held out, if the portfolio has a time axis.
        parameters: Training settings that differ from the defaults, as SageMaker hyperparameters.
        limits: Limits of the gate that differ from the defaults.
    """
    settle_release(portfolio)
    champion = get_champion(portfolio)
    snapshot = assets.of(portfolio, take_snapshot)(portfolio, holdout_months)
    settle_trainings(snapshot, parameters or {})
    trained = train_model(snapshot, parameters or {})
    model = assets.of(portfolio, publish_bundle)(portfolio, trained)
    show_model(model, snapshot)
    status, verdict = "Champion", {}
    if champion is not None and champion.version == model.version:
        get_run_logger().info("nothing new: model %s is already the champion", model.version)
    else:
        verdict = judge(snapshot, model, champion, limits or GateLimits())
        registered = register_model(model, verdict, _status(verdict, approval))
        status = registered.status
        events.announce(_announcement(registered, verdict))
    return _recorded(_outcome(snapshot, model, status, verdict))


def _announcement(model: RegisteredModel, verdict: dict[str, Any]) -> events.PortfolioEvent:
    """Return the event for a model; the registry itself announces approvals, including manual ones."""
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
        job_name=model.job_name,
        status=status,
        metrics=model.metrics,
        verdict=verdict,
    )


def _recorded(outcome: TrainOutcome) -> TrainOutcome:
    """Return the outcome with the run's cost, and write the run's record."""
    costs = show_costs(outcome.portfolio, "train")
    outcome = outcome.model_copy(update={"usd": costs.usd if costs.complete else None})
    record_run("train", outcome, costs)
    return outcome
