"""Batch scoring around the transform job: draw the applicants, reconcile the answers, publish them in one step."""

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel

from credit_model.contract import Contract, load_contract
from tasks import athena, catalog, storage
from tasks.errors import ReconciliationError
from tasks.names import dashed
from tasks.registry import RegisteredModel
from tasks.settings import settings


class Batch(BaseModel, frozen=True):
    """The applicants of one batch, and where their scores go."""

    batch_id: str
    portfolio: str
    input_uri: str
    output_uri: str
    rows: int


class PublishedScores(BaseModel, frozen=True):
    """Scores that readers see."""

    portfolio: str
    dt: str
    rows: int
    model_version: str
    uri: str


@task(cache_policy=NO_CACHE)
def draw_batch(portfolio: str, model: RegisteredModel) -> Batch:
    """Unload the latest version of every application; the same files and model give the same batch, drawn once."""
    contract = load_contract(portfolio)
    table = catalog.applications(contract)
    batch_id = storage.digest(contract.digest(), catalog.partitions(table), model.version, settings().serve_image)
    uri = settings().uri("batch", portfolio, batch_id, "")
    batch = storage.read_json(f"{uri}batch.json")
    if batch is None:
        storage.delete(storage.list_keys(f"{uri}input/"))
        athena.unload(_query(contract), [], f"{uri}input/")
        rows = sum(_ids(f"{uri}input/").values())
        places = {"input_uri": f"{uri}input/", "output_uri": f"{uri}scores/"}
        batch = {"batch_id": batch_id, "portfolio": portfolio, "rows": rows, **places}
        storage.write_json(f"{uri}batch.json", batch)
    return Batch.model_validate(batch)


def _query(contract: Contract) -> str:
    columns = catalog.selected(contract)
    return f"""SELECT application_id, applied_at, {columns} FROM (
  SELECT application_id, applied_at, {columns},
    {catalog.RECENCY} AS _rank
  FROM {catalog.applications(contract).name}
) WHERE _rank = 1"""  # noqa: S608 - names come from a validated contract


def _ids(prefix_uri: str) -> dict[str, int]:
    """Return how often each application id occurs in the Parquet objects under a prefix."""
    ids: list[pa.ChunkedArray] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in storage.download_folder(prefix_uri, Path(folder)):
            ids.append(pq.read_table(path, columns=["application_id"])["application_id"])
    if not ids:
        return {}
    counts = pc.value_counts(pa.chunked_array([chunk for column in ids for chunk in column.chunks], pa.string()))
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


@task(cache_policy=NO_CACHE)
def reconcile(batch: Batch) -> int:
    """Check that the answers hold every applicant asked, once, and nobody else; return their number.

    Raises:
        ReconciliationError: with how many are missing, added or doubled, and some of their ids.
    """
    asked, answered = _ids(batch.input_uri), _ids(batch.output_uri)
    faults = {
        "missing": sorted(asked.keys() - answered.keys()),
        "never asked for": sorted(answered.keys() - asked.keys()),
        "answered more than once": sorted(key for key, count in answered.items() if count > 1),
    }
    found = [f"{len(ids)} {what} (e.g. {', '.join(ids[:3])})" for what, ids in faults.items() if ids]
    if found:
        raise ReconciliationError(
            f"batch {batch.batch_id} under {batch.output_uri}: {'; '.join(found)}; nothing is published"
        )
    return len(answered)


@task(cache_policy=NO_CACHE)
def publish_scores(batch: Batch, model: RegisteredModel, day: date) -> PublishedScores:
    """Point the day's partition of `scores` at the batch's answers: readers see the old scores or the new ones."""
    dt = day.isoformat()
    catalog.point_partition(catalog.scores(), [batch.portfolio, dt], batch.output_uri)
    published = PublishedScores(
        portfolio=batch.portfolio, dt=dt, rows=batch.rows, model_version=model.version, uri=batch.output_uri
    )
    get_run_logger().info("%d scores by model %s published for %s", batch.rows, model.version, dt)
    return published


@task(cache_policy=NO_CACHE)
def show_scores(published: PublishedScores) -> None:
    """Leave a summary of the published scores: how many applicants in each grade and decision."""
    table = catalog.scores().name
    query = f"""SELECT grade, decision, count(*) AS applicants, avg(pd) AS mean_pd
FROM {table} WHERE portfolio = ? AND dt = ? GROUP BY grade, decision ORDER BY grade, decision"""  # noqa: S608
    rows = athena.rows(query, [published.portfolio, published.dt])
    create_markdown_artifact(key=f"scores-{dashed(published.portfolio)}", markdown=_markdown(published, rows))


def _markdown(published: PublishedScores, rows: list[dict[str, Any]]) -> str:
    head = f"""# {published.rows:,} scores of {published.portfolio}, {published.dt}

model `{published.model_version}`, objects `{published.uri}`
"""
    lines = [f"| {r['grade']} | {r['decision']} | {r['applicants']:,} | {r['mean_pd']:.4f} |" for r in rows]
    return "\n".join([head, "| grade | decision | applicants | mean PD |", "|---|---|---|---|", *lines])
