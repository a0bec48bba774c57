"""When to train a challenger: after the last file of a burst, where the lake knows enough that no model does."""

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

# On a run of ingest from the moment it begins to decide; whoever looks later does not count on it any more.
DECIDES = "decides-on-training"
COMING = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
# A run that has not got so far in this time is stuck, or dead without anybody having noticed: no one waits for it.
PATIENCE = timedelta(hours=1)
# In a burst, events wait in Prefect before they become runs; what is older has been lost, and no one waits for it.
DELIVERY = timedelta(minutes=15)
PAGE = 200


class Decision(BaseModel, frozen=True):
    """Whether to train now.

    Attributes:
        new_outcomes: Applicants whose outcome no registered model knows; None where a later run will count them.
        retrain: Whether they are enough.
    """

    new_outcomes: int | None
    retrain: bool


@step
def decide(portfolio: str) -> Decision:
    """Decide for this file and all before it, or leave it to a run of ingest that is still on its way.

    Whoever decides says so first and looks second. So of two runs that end together at least one sees the other's
    file in the lake, and none leaves the decision to a run that has taken its own already.
    """
    left_to = later_file(portfolio)
    if left_to is not None:
        get_run_logger().info("whether to train is left to the ingest of %s, which is still to come", left_to)
        return Decision(new_outcomes=None, retrain=False)
    found, enough = count_new_outcomes(portfolio), settings().retrain_outcomes
    get_run_logger().info("%d applicants have an outcome that no model knows; %d start a training", found, enough)
    return Decision(new_outcomes=found, retrain=found >= enough)


@step
def announce_ingest(portfolio: str, report: IngestReport | None, decision: Decision) -> None:
    """Announce what a run of ingest has published and whether to train now; say nothing where neither is anything.

    Args:
        portfolio: Whose data.
        report: What became of the file, None where it was refused.
        decision: What was decided about training.
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
    """Return a file whose run will decide after us, None where there is none (or no deployment to run it)."""
    deployment, flow_run = runtime.deployment.id, runtime.flow_run.id
    if not deployment or not flow_run:
        return None
    with get_client(sync_client=True) as client:
        us = client.read_flow_run(UUID(str(flow_run)))
        client.update_flow_run(us.id, tags=[*us.tags, DECIDES])
        return next(_on_their_way(client, us, UUID(str(deployment)), portfolio), None)


def _on_their_way(client: SyncPrefectClient, us: FlowRun, deployment: UUID, portfolio: str) -> Iterator[str]:
    """Yield files of runs that have not decided, then files whose event Prefect has not got round to."""
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
    """Return how many applicants have features and an outcome in the lake, and had not when the newest model was made.

    An outcome that was delivered again is not new; one that came before its application is, once both are there.
    """
    contract = load_contract(portfolio)
    table, expression = tables.applications(contract), f"portfolio = '{portfolio}'"
    present = {values[-1] for values in tables.partitions(table)}
    observed = {values[-1] for values in tables.partitions(tables.outcomes(), expression)}
    known = _known_files(portfolio)
    fresh = sorted((present | observed) - known)
    if not present or not observed or not fresh:
        return 0
    new = fresh if known else []  # without a model everything is new, and nothing has to be named
    seen = f"max(CASE WHEN ingest IN ({', '.join('?' * len(new))}) THEN 0 ELSE 1 END) AS seen" if new else "0 AS seen"
    query = f"""WITH present AS (SELECT application_id, {seen} FROM {table.name} GROUP BY application_id),
observed AS (SELECT application_id, {seen} FROM {tables.outcomes().name} WHERE portfolio = ? GROUP BY application_id)
SELECT count(*) AS n FROM present JOIN observed ON present.application_id = observed.application_id
WHERE present.seen = 0 OR observed.seen = 0"""  # noqa: S608 - names of a validated contract
    return int(athena.rows(query, [*new, *new, portfolio])[0]["n"])


def _known_files(portfolio: str) -> set[str]:
    """The files in the snapshot of the model that was registered last, whatever the gate said of it."""
    newest = max(list_models(portfolio), key=lambda model: package_number(model.arn), default=None)
    if newest is None:
        return set()
    manifest = read_manifest(newest.snapshot_id)
    files = manifest.ingested_files if manifest else {}
    return {values[-1] for partitions in files.values() for values in partitions}
