"""The ingest flow: publishes one landing object to the lake and the online table, once."""

from typing import Annotated

from prefect import flow, runtime

from credit_model.contract.contract import contract_names
from flows.portfolio import shown
from tasks.lake.ingest import IngestReport, find_landed, portfolio_of, publish, show_ingest
from tasks.lake.online_table import keep_online
from tasks.trigger import Decision, announce_ingest, decide

Uri = Annotated[str, shown("Landing object", pattern=r"^s3://[^/]+/.+")]
VersionId = Annotated[str | None, shown("Version of the object")]
Retrain = Annotated[bool, shown("May start a training")]
NOT_BY_THIS_FILE = Decision(new_outcomes=None, retrain=False)


def run_name() -> str:
    """Return `ingest case october.csv`."""
    uri = str(runtime.flow_run.parameters["uri"])
    return f"ingest {portfolio_of(uri) or ''} {uri.rsplit('/', 1)[-1]}".replace("  ", " ")


@flow(name="ingest", flow_run_name=run_name)
def ingest(uri: Uri, version_id: VersionId = None, retrain: Retrain = True) -> IngestReport:
    """Publish a landing object to the lake, announce it, and update the online table.

    Args:
        uri: `s3://bucket/landing/PORTFOLIO/applications/FILE` (or `…/outcomes/FILE`).
        version_id: Version of the object; the latest when empty.
        retrain: Whether newly known outcomes may start the training of a challenger; off for a backfill of many files.
    """
    try:
        report = publish(find_landed(uri, version_id or None))
        show_ingest(report)
    except Exception:
        # Earlier runs may have left the decision to this one.
        _announce(uri, None, retrain=retrain)
        raise
    _announce(uri, report, retrain=retrain)
    # Last, because a repeated run announces nothing: the news must be out before this step can fail.
    keep_online(report)
    return report


def _announce(uri: str, report: IngestReport | None, *, retrain: bool) -> None:
    """Announce the result of a file, and whether to train on it and on earlier ones."""
    portfolio = portfolio_of(uri) or ""
    if portfolio in contract_names():
        announce_ingest(portfolio, report, decide(portfolio) if retrain else NOT_BY_THIS_FILE)
