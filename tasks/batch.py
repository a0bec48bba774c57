"""Batch scoring around the transform job: draw applicants, reconcile scores, publish them in one step."""

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel

from credit_model.contract.contract import Contract, load_contract
from tasks import assets, layout, s3
from tasks.errors import ReconciliationError
from tasks.lake import athena, tables
from tasks.naming import dashed
from tasks.run import console, context
from tasks.sagemaker.registry import RegisteredModel
from tasks.settings import settings
from tasks.steps import making, step

# Files in a batch's folder: its description, and a note written once its scores are published.
DRAWN, PUBLISHED = "batch.json", "published.json"


class Batch(BaseModel, frozen=True):
    """One batch of applicants and the place of their scores.

    Attributes:
        day: Partition that the scores belong to, `YYYY-MM-DD`.
        model_version: Version of the model that scores them.
        runs: Flow runs that have worked on it; while one of them is alive, no other run settles the batch.
    """

    batch_id: str
    portfolio: str
    input_uri: str
    output_uri: str
    rows: int
    day: str = ""
    model_version: str = ""
    runs: list[str] = []

    @property
    def folder(self) -> str:
        """Return the prefix of everything that belongs to the batch."""
        return layout.batch(self.portfolio, self.batch_id)


class PublishedScores(BaseModel, frozen=True):
    """Scores that readers see."""

    portfolio: str
    dt: str
    rows: int
    model_version: str
    uri: str


@step
def draw_batch(portfolio: str, model: RegisteredModel, day: date) -> Batch:
    """Unload the latest version of every application.

    The batch id follows from the files and the model, so the same input is drawn only once.
    """
    contract = load_contract(portfolio)
    table = tables.applications(contract)
    batch_id = s3.digest(contract.digest(), tables.partitions(table), model.version, settings().serve_image)
    uri = layout.batch(portfolio, batch_id)
    drawn = s3.read_json(f"{uri}{DRAWN}")
    if drawn is None:
        s3.delete(s3.list_keys(f"{uri}input/"))
        athena.unload(applicants_query(contract), [], f"{uri}input/")
        rows = sum(_ids(f"{uri}input/").values())
        places = {"input_uri": f"{uri}input/", "output_uri": f"{uri}scores/"}
        drawn = {"batch_id": batch_id, "portfolio": portfolio, "rows": rows, **places}
    worked = [*drawn.get("runs", []), context.current()]
    batch = Batch.model_validate({**drawn, "day": day.isoformat(), "model_version": model.version, "runs": worked})
    s3.write_json(f"{uri}{DRAWN}", batch.model_dump())
    return batch


def applicants_query(contract: Contract) -> str:
    """Return the query for the latest version of every application."""
    columns = tables.selected(contract)
    return f"""SELECT application_id, applied_at, {columns} FROM (
  SELECT application_id, applied_at, {columns},
    {tables.RECENCY} AS _rank
  FROM {tables.applications(contract).name}
) WHERE _rank = 1"""  # noqa: S608 - names come from a validated contract


def _ids(prefix_uri: str) -> dict[str, int]:
    """Return how often each application id occurs in the Parquet objects under a prefix."""
    ids: list[pa.ChunkedArray] = []
    with tempfile.TemporaryDirectory() as folder:
        for path in s3.download_folder(prefix_uri, Path(folder)):
            ids.append(pq.read_table(path, columns=["application_id"])["application_id"])
    if not ids:
        return {}
    counts = pc.value_counts(pa.chunked_array([chunk for column in ids for chunk in column.chunks], pa.string()))
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


@step
def reconcile(batch: Batch) -> int:
    """Check that every applicant was scored exactly once and nobody else was; return how many there are.

    Raises:
        ReconciliationError: some are missing, extra or duplicated; the message has counts and sample ids.
    """
    return check_answers(batch)


def check_answers(batch: Batch) -> int:
    """Reconcile outside a task; see `reconcile`."""
    asked, answered = _ids(batch.input_uri), _ids(batch.output_uri)
    faults = {
        "missing": sorted(asked.keys() - answered.keys()),
        "unexpected": sorted(answered.keys() - asked.keys()),
        "duplicated": sorted(key for key, count in answered.items() if count > 1),
    }
    found = [f"{len(ids)} {what} (e.g. {', '.join(ids[:3])})" for what, ids in faults.items() if ids]
    if found:
        raise ReconciliationError(
            f"batch {batch.batch_id} under {batch.output_uri}: {'; '.join(found)}; nothing is published"
        )
    return len(answered)


@making(assets.SCORES, of=(assets.MODEL, assets.APPLICATIONS), by="sagemaker")
def publish_scores(batch: Batch, model: RegisteredModel, day: date) -> PublishedScores:
    """Point the day's partition of `scores` at the batch: readers see either the old scores or the new ones."""
    published = publish(batch, model.version, day)
    assets.describe(assets.SCORES, batch.portfolio, **published.model_dump(exclude={"portfolio"}))
    get_run_logger().info("%d scores by model %s published for %s", batch.rows, model.version, published.dt)
    return published


def publish(batch: Batch, model_version: str, day: date) -> PublishedScores:
    """Point a day's partition at a batch, and note in its folder that it is published."""
    dt = day.isoformat()
    tables.point_partition(tables.scores(), [batch.portfolio, dt], batch.output_uri)
    published = PublishedScores(
        portfolio=batch.portfolio, dt=dt, rows=batch.rows, model_version=model_version, uri=batch.output_uri
    )
    s3.write_json(f"{batch.folder}{PUBLISHED}", published.model_dump())
    return published


@step
def show_scores(published: PublishedScores, job_name: str) -> None:
    """Write a summary artifact of the published scores: applicants by grade and decision."""
    table = tables.scores().name
    query = f"""SELECT grade, decision, count(*) AS applicants, avg(pd) AS mean_pd
FROM {table} WHERE portfolio = ? AND dt = ? GROUP BY grade, decision ORDER BY grade, decision"""  # noqa: S608
    rows = athena.rows(query, [published.portfolio, published.dt])
    create_markdown_artifact(key=f"scores-{dashed(published.portfolio)}", markdown=_markdown(published, job_name, rows))


def _markdown(published: PublishedScores, job_name: str, rows: list[dict[str, Any]]) -> str:
    head = f"""# {published.rows:,} scores of {published.portfolio}, {published.dt}

model `{published.model_version}`, [objects]({console.stored(published.uri)}),
transform job [{job_name}]({console.job("transform", job_name)}), its [log]({console.log("transform", job_name)})
"""
    lines = [f"| {r['grade']} | {r['decision']} | {r['applicants']:,} | {r['mean_pd']:.4f} |" for r in rows]
    return "\n".join([head, "| grade | decision | applicants | mean PD |", "|---|---|---|---|", *lines])
