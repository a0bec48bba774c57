"""The score flow: every applicant of a portfolio, scored by the champion in a batch transform, published at once."""

from datetime import UTC, date, datetime

from prefect import flow

from flows.portfolio import Portfolio
from tasks import events
from tasks.batch import PublishedScores, draw_batch, publish_scores, reconcile, show_scores
from tasks.errors import RegistryError
from tasks.registry import get_champion
from tasks.sagemaker import transform_batch
from tasks.sizing import size_batch


@flow(name="score", flow_run_name="score {portfolio}")
def score(portfolio: Portfolio, day: date | None = None) -> PublishedScores:
    """Score all applicants with the champion and publish the scores of the day.

    Args:
        portfolio: Which contract.
        day: Partition to publish; today (UTC) when empty.
    """
    champion = get_champion(portfolio)
    if champion is None:
        raise RegistryError(f"portfolio {portfolio} has no released model to score with; run train and release first")
    batch = draw_batch(portfolio, champion)
    uris = {"input_uri": batch.input_uri, "output_uri": batch.output_uri}
    size = size_batch(batch.rows, batch.input_uri)
    transform_batch(portfolio, champion.version, champion.archive_uri, **uris, size=size)
    reconcile(batch)
    published = publish_scores(batch, champion, day or datetime.now(UTC).date())
    show_scores(published)
    events.announce(
        events.ScoresPublished(
            portfolio=portfolio,
            dt=published.dt,
            rows=published.rows,
            model_version=published.model_version,
            uri=published.uri,
        )
    )
    return published
