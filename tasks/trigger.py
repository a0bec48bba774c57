"""Decides when to train a challenger: after the last file of a burst, once enough new outcomes are in the lake."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from prefect import get_client, get_run_logger, runtime
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.types import DateTime
from pydantic import BaseModel

from credit_model.contract.contract import load_contract
from tasks import events, layout, s3
from tasks.lake import athena, tables
from tasks.lake.ingest import IngestReport, portfolio_of
from tasks.lake.snapshot import read_manifest
from tasks.sagemaker.registry import list_models, package_number
from tasks.settings import settings
from tasks.steps import step

# Tag of an ingest run that has begun to decide; later runs no longer leave the decision to it.
DECIDES = "decides-on-training"
COMING = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
# A run that has not decided within this time is stuck or dead; nobody waits for it.
PATIENCE = timedelta(hours=1)
# In a burst, events wait in Prefect before they become runs; an older event has been lost, and nobody waits for it.
DELIVERY = timedelta(minutes=15)
PAGE = 200


class Decision(BaseModel, frozen=True):
    """Whether to train now.

    Attributes:
        new_outcomes: Applicants whose outcome no registered model has seen; None if a later run will count them.
        retrain: Whether that is enough to train.
    """

    new_outcomes: int | None
    retrain: bool


@step
def decide(portfolio: str) -> Decision:
    """Decide for this file and all earlier ones, or leave the decision to an ingest run that is still to come.

    A run first marks itself as deciding and then looks for others. So of two runs that end together, at least one
    sees the other's file in the lake, and neither leaves the decision to a run that has already decided.
    """
    left_to = later_file(portfolio)
    if left_to is not None:
        get_run_logger().info("the later ingest of %s will decide whether to train", left_to)
        return Decision(new_outcomes=None, retrain=False)
    found, enough = count_new_outcomes(portfolio), settings().retrain_outcomes
    get_run_logger().info("%d applicants have an outcome that no model has seen; a training needs %d", found, enough)
    return Decision(new_outcomes=found, retrain=found >= enough)


@step
def announce_ingest(portfolio: str, report: IngestReport | None, decision: Decision) -> None:
    """Announce what an ingest run has published and whether to train now; stay silent if there is neither.

    Args:
        portfolio: Name of the contract.
        report: Result of the ingest, None if the file was refused.
        decision: Whether to train.
    """
    fresh = None if report is None or report.repeated else report
    if fresh is None and not decision.retrain:
        return
    event = events.DataIngested(
        portfolio=portfolio,
        ingest_id=fresh.ingest_id if fresh else None,
        accepted=fresh.accepted if fresh else 0,
        labelled=fresh.labelled if fresh else 0,
        months=fresh.months if fresh else [],
        **decision.model_dump(),
    )
    events.announce(event)


def later_file(portfolio: str) -> str | None:
    """Return a file whose run will decide after this one, None if there is none or no deployment to run it."""
    deployment, flow_run = runtime.deployment.id, runtime.flow_run.id
    if not deployment or not flow_run:
        return None
    with get_client(sync_client=True) as client:
        us = client.read_flow_run(UUID(str(flow_run)))
        client.update_flow_run(us.id, tags=[*us.tags, DECIDES])
        return next(_on_their_way(client, us, UUID(str(deployment)), portfolio), None)


def _on_their_way(client: SyncPrefectClient, us: FlowRun, deployment: UUID, portfolio: str) -> Iterator[str]:
    """Yield files of runs that have not decided, then files whose event has not become a run yet."""
    undecided = _runs(client, deployment, since=DateTime.now("UTC") - PATIENCE, states=COMING)
    for run in undecided:
        if run.id != us.id and DECIDES not in run.tags and _will_decide(run, portfolio):
            yield str(run.parameters["uri"])
    landed = s3.written_since(layout.landing(portfolio), DateTime.now("UTC") - DELIVERY)
    if landed:
        runs = _runs(client, deployment, since=DateTime.now("UTC") - 2 * DELIVERY)
        known = {str(run.parameters.get("uri")) for run in runs}
        yield from (uri for uri in landed if uri not in known and portfolio_of(uri) == portfolio)


def _runs(
    client: SyncPrefectClient, deployment: UUID, *, since: DateTime, states: list[StateType] | None = None
) -> Iterator[FlowRun]:
    asked = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)) if states else None,
        expected_start_time=FlowRunFilterExpectedStartTime(after_=since),
    )
    here = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    for offset in range(0, 100 * PAGE, PAGE):
        found = client.read_flow_runs(flow_run_filter=asked, deployment_filter=here, limit=PAGE, offset=offset)
        yield from found
        if len(found) < PAGE:
            return


def _will_decide(run: FlowRun, portfolio: str) -> bool:
    return portfolio_of(str(run.parameters.get("uri"))) == portfolio and bool(run.parameters.get("retrain", True))


def count_new_outcomes(portfolio: str) -> int:
    """Return how many applicants have gained features and an outcome since the newest model was trained.

    An outcome that is delivered again is not new. One that came before its application is, once both are there.
    """
    contract = load_contract(portfolio)
    table, expression = tables.applications(contract), f"portfolio = '{portfolio}'"
    present = {values[-1] for values in tables.partitions(table)}
    observed = {values[-1] for values in tables.partitions(tables.outcomes(), expression)}
    known = _known_files(portfolio)
    fresh = sorted((present | observed) - known)
    if not present or not observed or not fresh:
        return 0
    new = fresh if known else []  # without a model every file is new, and none has to be listed
    seen = f"max(CASE WHEN ingest IN ({', '.join('?' * len(new))}) THEN 0 ELSE 1 END) AS seen" if new else "0 AS seen"
    query = f"""WITH present AS (SELECT application_id, {seen} FROM {table.name} GROUP BY application_id),
observed AS (SELECT application_id, {seen} FROM {tables.outcomes().name} WHERE portfolio = ? GROUP BY application_id)
SELECT count(*) AS n FROM present JOIN observed ON present.application_id = observed.application_id
WHERE present.seen = 0 OR observed.seen = 0"""  # noqa: S608 - names of a validated contract
    return int(athena.rows(query, [*new, *new, portfolio])[0]["n"])


def _known_files(portfolio: str) -> set[str]:
    """Return the files in the snapshot of the newest registered model, whether or not it passed the gate."""
    newest = max(list_models(portfolio), key=lambda model: package_number(model.arn), default=None)
    if newest is None:
        return set()
    manifest = read_manifest(newest.snapshot_id)
    files = manifest.ingested_files if manifest else {}
    return {values[-1] for partitions in files.values() for values in partitions}
