"""The score flow: scores every applicant of a portfolio with the champion and publishes the scores in one step."""

from datetime import UTC, date, datetime

from prefect import flow, runtime

from flows.portfolio import Day, Portfolio
from tasks import assets, events
from tasks.batch import PublishedScores, draw_batch, publish_scores, reconcile, show_scores
from tasks.errors import RegistryError
from tasks.recovery import settle_batches, settle_release, settle_transforms
from tasks.run.costs import show_costs
from tasks.run.record import record_run
from tasks.sagemaker.registry import get_champion
from tasks.sagemaker.sizing import size_batch
from tasks.sagemaker.steps import transform_batch


def _name() -> str:
    """Return a name with the scored day, such as `score case 2026-11-22`."""
    given = runtime.flow_run.parameters
    day = given.get("day") or (runtime.flow_run.scheduled_start_time or datetime.now(UTC)).date()
    return f"score {given['portfolio']} {day}"


@flow(name="score", flow_run_name=_name)
def score(portfolio: Portfolio, day: Day = None) -> PublishedScores:
    """Score all applicants with the champion and publish the scores of the day.

    Args:
        portfolio: Name of the contract.
        day: Partition to publish; today (UTC) if empty.
    """
    settle_release(portfolio)
    champion = get_champion(portfolio)
    if champion is None:
        raise RegistryError(f"portfolio {portfolio} has no released model to score with; run train and release first")
    dated: date = day or datetime.now(UTC).date()
    batch = draw_batch(portfolio, champion, dated)
    settle_transforms(batch)
    settle_batches(portfolio, batch.batch_id)
    size = size_batch(batch.rows, batch.input_uri)
    uris = {"input_uri": batch.input_uri, "output_uri": batch.output_uri}
    transformed = transform_batch(portfolio, champion.version, champion.archive_uri, **uris, size=size)
    reconcile(batch)
    published = assets.of(portfolio, publish_scores)(batch, champion, dated)
    show_scores(published, transformed.job_name)
    events.announce(
        events.ScoresPublished(
            portfolio=portfolio,
            dt=published.dt,
            rows=published.rows,
            model_version=published.model_version,
            uri=published.uri,
        )
    )
    record_run("score", published, show_costs(portfolio, "score"))
    return published
