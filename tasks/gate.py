"""The gate: challenger against champion on the challenger's holdout, as a table artifact and a verdict."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from credit_model.bundle import Bundle
from credit_model.gate import GateLimits, compare
from tasks import storage
from tasks.names import dashed
from tasks.registry import PublishedModel, RegisteredModel, fetch_bundle
from tasks.snapshot import Snapshot


@task(cache_policy=NO_CACHE)
def judge(
    snapshot: Snapshot, challenger: PublishedModel, champion: RegisteredModel | None, limits: GateLimits
) -> dict[str, Any]:
    """Compare challenger and champion on the same holdout rows; with no champion, on absolute limits.

    Returns:
        The verdict as a JSON document: `promoted`, `checks` (name, value, limit, passed, detail), and the two versions.
    """
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        new = fetch_bundle(challenger.bundle_uri, here / "challenger")
        old: Bundle | None = fetch_bundle(champion.bundle_uri, here / "champion") if champion else None
        storage.download_folder(snapshot.channel("holdout"), here / "holdout")
        holdout: pa.Table = pq.read_table(here / "holdout")
        verdict = compare(old, new, holdout, limits)
    document = {**verdict.model_dump(mode="json"), "snapshot_id": snapshot.snapshot_id}
    _show(challenger, document)
    return document


def _show(challenger: PublishedModel, document: dict[str, Any]) -> None:
    key = f"gate-{dashed(challenger.portfolio)}"
    against = document["champion"] or "no champion yet"
    outcome = "passes" if document["promoted"] else "does not pass"
    create_table_artifact(
        key=key, table=document["checks"], description=f"{challenger.version} {outcome} the gate (against {against})"
    )
    for check in document["checks"]:
        get_run_logger().info(
            "gate %s: %s = %s (limit %s)",
            "ok " if check["passed"] else "NOT",
            check["name"],
            check["value"],
            check["limit"],
        )


@task(cache_policy=NO_CACHE)
def show_model(model: PublishedModel, snapshot: Snapshot) -> None:
    """Leave a markdown summary of a model: what it was trained on, how it does, where its report is."""
    metrics = "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(model.metrics.items()))
    text = f"""# {model.portfolio} model {model.version}

| holdout | |
|---|---|
{metrics}

- snapshot `{snapshot.snapshot_id}`: {snapshot.train_rows:,} rows to train, {snapshot.holdout_rows:,} held out
  ({snapshot.split.method}), default rate {snapshot.target_rate:.2%}
- training job `{model.job_name}`
- report `{model.bundle_uri}report.html`
"""
    create_markdown_artifact(key=f"model-{dashed(model.portfolio)}", markdown=text)
