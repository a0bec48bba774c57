"""The gate: challenger against champion on the challenger's holdout, as a table artifact and a verdict."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from credit_model.contract.contract import Contract
from credit_model.gate.verdict import GateLimits
from tasks import s3
from tasks.lake.snapshot import Snapshot, champion_holdout
from tasks.naming import dashed
from tasks.run import console
from tasks.sagemaker.registry import PublishedModel, RegisteredModel, fetch_bundle
from tasks.steps import step


@step
def judge(
    snapshot: Snapshot, challenger: PublishedModel, champion: RegisteredModel | None, limits: GateLimits
) -> dict[str, Any]:
    """Compare challenger and champion on the same holdout rows; with no champion, on absolute limits.

    Where the contracts differ, the champion reads the applicants under its own contract, from the lake if the snapshot
    lacks one of its columns.

    Returns:
        The verdict as a JSON document: `promoted`, `checks` (name, value, limit, passed, detail), and the two versions.
    """
    from credit_model.gate.holdout import compare_contracts  # noqa: PLC0415 - heavy: imported where it is used

    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        new = fetch_bundle(challenger.bundle_uri, here / "challenger")
        old = fetch_bundle(champion.bundle_uri, here / "champion") if champion else None
        s3.download_folder(snapshot.channel("holdout"), here / "holdout")
        holdout: pa.Table = pq.read_table(here / "holdout")
        own = _champion_rows(snapshot, old.contract, holdout, here / "own") if old else None
        verdict = compare_contracts(old, new, holdout, limits, champion_holdout=own)
    if verdict.rows < holdout.num_rows:
        get_run_logger().warning("the champion can read %d of %d holdout rows", verdict.rows, holdout.num_rows)
    document = {**verdict.model_dump(mode="json"), "snapshot_id": snapshot.snapshot_id}
    _show(challenger, document)
    return document


def _champion_rows(snapshot: Snapshot, contract: Contract, holdout: pa.Table, folder: Path) -> pa.Table | None:
    """Return the holdout under the champion's contract, or None where the snapshot has all of its columns."""
    if {column.name for column in contract.features} <= set(holdout.column_names):
        return None
    return champion_holdout(snapshot, contract, folder)


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


@step
def show_model(model: PublishedModel, snapshot: Snapshot) -> None:
    """Leave a markdown summary of a model: what it was trained on, how it does, where its report is."""
    metrics = "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(model.metrics.items()))
    job, report = console.job("training", model.job_name), console.stored(f"{model.bundle_uri}report.html")
    text = f"""# {model.portfolio} model {model.version}

| holdout | |
|---|---|
{metrics}

- snapshot `{snapshot.snapshot_id}`: {snapshot.train_rows:,} rows to train, {snapshot.holdout_rows:,} held out
  ({snapshot.split.method}), default rate {snapshot.target_rate:.2%}
- training job [{model.job_name}]({job}) and its [log]({console.log("training", model.job_name)})
- [report.html]({report}) with the plots, among [the model's files]({console.stored(model.bundle_uri)})
- [snapshot]({console.stored(snapshot.uri)})
"""
    create_markdown_artifact(key=f"model-{dashed(model.portfolio)}", markdown=text)
