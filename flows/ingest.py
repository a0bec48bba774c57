"""The ingest flow: one landing object becomes rows of the lake and of the online table, once."""

from prefect import flow

from tasks import events
from tasks.lake import IngestReport, find_landed, publish, show_ingest
from tasks.online import keep_online


@flow(name="ingest", flow_run_name="ingest {uri}")
def ingest(uri: str, version_id: str | None = None, retrain: bool = True) -> IngestReport:
    """Publish a landing object to the lake, say so, and keep the online table current.

    Args:
        uri: `s3://bucket/landing/PORTFOLIO/applications/FILE` (or `…/outcomes/FILE`).
        version_id: Version of the object; the latest when empty.
        retrain: Whether newly known outcomes may start the training of a challenger; off for a backfill of many files.
    """
    landed = find_landed(uri, version_id or None)
    report = publish(landed)
    show_ingest(report)
    if not report.repeated:
        events.announce(
            events.DataIngested(
                portfolio=landed.portfolio,
                ingest_id=report.ingest_id,
                accepted=report.accepted,
                labelled=report.labelled,
                months=report.months,
                new_outcomes=None,
                retrain=retrain and report.labelled > 0,
            )
        )
    # Last, so that a run that fails here has announced what it will not announce a second time.
    keep_online(report)
    return report
