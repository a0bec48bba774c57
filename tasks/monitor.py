"""Watches a model in production: scored months against training, to the `monitoring` table, a report and an event."""

import tempfile
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel

from credit_model.bundle.document import Document
from credit_model.contract.contract import Contract, load_contract
from credit_model.monitoring.month import MonitorLimits, MonthReport
from tasks import events, layout, s3
from tasks.errors import MonitoringError
from tasks.lake import athena, tables
from tasks.lake.snapshot import read_manifest
from tasks.naming import dashed
from tasks.sagemaker.registry import RegisteredModel, fetch_bundle
from tasks.steps import step

_SHOWN_MONTHS = 12


class ScoreRun(BaseModel, frozen=True):
    """One published run of batch scores and the model that made it."""

    portfolio: str
    dt: str
    uri: str
    model_version: str


class MonitorOutcome(BaseModel, frozen=True):
    """What a monitor run found, and where to look at it."""

    run: ScoreRun
    report_uri: str
    months: list[MonthReport]

    @property
    def alarmed(self) -> list[MonthReport]:
        """The months with an alarm."""
        return [month for month in self.months if month.alarms]


def monitoring() -> tables.LakeTable:
    """Return the table of what was measured: a row for each month, measure and feature, all portfolios."""
    numbers = dict.fromkeys(("value", "baseline", "limit", "p_value", "adjusted_p_value"), "double")
    columns = {"measure": "string", "feature": "string", **numbers, "alarm": "boolean", "remedy": "string"}
    columns |= {"reason": "string", "applications": "bigint", "outcomes": "bigint", "trained_on": "boolean"}
    columns |= {"model_version": "string", "scored_on": "string"}
    return tables.LakeTable("monitoring", "monitoring", columns, ("portfolio", "dt"))


@step
def find_scores(portfolio: str, day: date | None = None) -> ScoreRun:
    """Return the published scores of a day, or the latest ones.

    Raises:
        MonitoringError: there are none, or two models made them.
    """
    table, wanted = tables.scores(), f" AND dt = '{day.isoformat()}'" if day else ""
    found = tables.locations(table, f"portfolio = '{portfolio}'{wanted}")
    if not found:
        raise MonitoringError(f"portfolio {portfolio} has no scores{f' of {day}' if day else ''}; run score first")
    dt, uri = max((values[-1], location) for location, values in found.items())
    query = f"SELECT DISTINCT model_version FROM {table.name} WHERE portfolio = ? AND dt = ?"  # noqa: S608
    versions = [str(row["model_version"]) for row in athena.rows(query, [portfolio, dt])]
    if len(versions) != 1:
        raise MonitoringError(
            f"the scores of {portfolio} of {dt} under {uri} name {len(versions)} models "
            f"({', '.join(sorted(versions))}) and must name one; run score again for that day"
        )
    return ScoreRun(portfolio=portfolio, dt=dt, uri=uri, model_version=versions[0])


@step
def monitor_months(run: ScoreRun, model: RegisteredModel, limits: MonitorLimits) -> MonitorOutcome:
    """Measure every month of a score run, replace its rows in the `monitoring` table, and draw the report.

    An application belongs to the month it was made in; where that is not known, to the month of the score run.

    Args:
        run: The published scores.
        model: The one that made them.
        limits: The smallest changes that are alarms.
    """
    from credit_model.monitoring.report import render_monitoring  # noqa: PLC0415 - heavy: imported where it is used

    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        document = fetch_bundle(model.bundle_uri, here / "bundle").document
        drawn = _draw(load_contract(run.portfolio), run, here / "drawn")
        months = _measured(document, drawn, limits, trained=_train_months(model.snapshot_id))
    for month in months:
        _publish(run, month)
    # Beside the scores: .../{batch}/scores/ and .../{batch}/monitoring.html.
    report_uri = run.uri.rstrip("/").rsplit("/", 1)[0] + "/monitoring.html"
    page = render_monitoring(document, months, portfolio=run.portfolio, version=run.model_version, scored_on=run.dt)
    s3.write_bytes(report_uri, page.encode())
    return MonitorOutcome(run=run, report_uri=report_uri, months=months)


def _train_months(snapshot_id: str) -> set[str]:
    """Return the months that training saw; none where the holdout was not out of time."""
    manifest = read_manifest(snapshot_id)
    return set(manifest.split.train_months) if manifest else set()


def _draw(contract: Contract, run: ScoreRun, folder: Path) -> ds.Dataset:
    """Draw month, features, PD and known outcome of every applicant of a score run through Athena."""
    tables.ensure(tables.outcomes())
    uri = layout.monitor(run.portfolio, f"{run.dt}-{uuid4().hex}")
    try:
        athena.unload(_query(contract), [run.portfolio, run.portfolio, run.dt, run.dt[:7]], uri)
        paths = s3.download_folder(uri, folder)
    finally:
        s3.delete(s3.list_keys(uri))
    return ds.dataset([str(path) for path in paths], format="parquet")


def _query(contract: Contract) -> str:
    columns = tables.selected(contract)
    return f"""WITH ranked AS (
  SELECT application_id, applied_at, {columns}, dt, {tables.RECENCY} AS _rank
  FROM {tables.applications(contract).name}
), observed AS (
  SELECT application_id, defaulted, {tables.RECENCY} AS _rank FROM {tables.outcomes().name} WHERE portfolio = ?
), scored AS (
  SELECT application_id, pd FROM {tables.scores().name} WHERE portfolio = ? AND dt = ?
)
SELECT CASE WHEN applied_at IS NULL THEN ? ELSE ranked.dt END AS _month, {columns}, scored.pd AS _pd, defaulted AS _bad
FROM scored JOIN ranked ON scored.application_id = ranked.application_id AND ranked._rank = 1
LEFT JOIN observed ON scored.application_id = observed.application_id AND observed._rank = 1"""  # noqa: S608


def _measured(document: Document, drawn: ds.Dataset, limits: MonitorLimits, *, trained: set[str]) -> list[MonthReport]:
    """Return the reports of all months in order, with one month in memory at a time."""
    from credit_model.monitoring.monitor import monitor  # noqa: PLC0415 - heavy: imported where it is used

    names = pc.unique(drawn.to_table(columns=["_month"])["_month"]).to_pylist()
    reports = []
    for name in sorted(names):
        table = drawn.to_table(filter=ds.field("_month") == name).combine_chunks()
        pds, outcomes = table["_pd"].to_numpy(), table["_bad"].combine_chunks()
        reports.append(monitor(document, table, pds, outcomes, limits, month=name, trained_on=name in trained))
    return reports


def _publish(run: ScoreRun, month: MonthReport) -> None:
    """Replace a month in the `monitoring` table in one step; the same numbers lie at the same address."""
    table = monitoring()
    rows = pa.Table.from_pylist(_rows(run, month), _schema(table))
    content = s3.digest(rows.drop_columns(["scored_on"]).to_pylist())
    location = f"{table.location([run.portfolio, month.month])}{content}/"
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    s3.write_bytes(f"{location}part-0.parquet", sink.getvalue().to_pybytes())
    tables.point_partition(table, [run.portfolio, month.month], location)


def _schema(table: tables.LakeTable) -> pa.Schema:
    kinds = {"double": pa.float64(), "bigint": pa.int64(), "boolean": pa.bool_(), "string": pa.string()}
    return pa.schema([(name, kinds[kind]) for name, kind in table.columns.items()])


def _rows(run: ScoreRun, month: MonthReport) -> list[dict[str, Any]]:
    alarms = {(alarm.name, alarm.feature): alarm for alarm in month.alarms}
    place: dict[str, Any] = {"applications": month.rows, "outcomes": month.outcomes, "trained_on": month.trained_on}
    place |= {"model_version": run.model_version, "scored_on": run.dt}
    rows = []
    for measure in month.measures:
        numbers = measure.model_dump(include={"value", "baseline", "limit", "p_value", "alarm"})
        alarm = alarms.get((measure.name, measure.feature))
        words = {"remedy": alarm.remedy if alarm else None, "reason": alarm.reason if alarm else None}
        names = {"measure": measure.name, "feature": measure.feature or None, "adjusted_p_value": measure.adjusted}
        rows.append({**names, **numbers, **words, **place})
    return rows


@step
def announce_drift(found: MonitorOutcome) -> list[str]:
    """Announce the months in which this model drifts and that have not been announced yet; return them.

    One event announces all of them, so that ten drifted months start one training. A marker in S3 records what was
    announced about a month: a later run is silent unless another measure raises an alarm, as the AUC may once outcomes
    are known. Markers are written after the event: a run that is killed in between announces again, and `train` does
    nothing twice on the same data.
    """
    run = found.run
    fresh = [month for month in found.alarmed if _alarming(month) - _announced(run, month.month)]
    if not fresh:
        return []
    reasons = [f"{month.month}: {alarm.reason}" for month in fresh for alarm in month.alarms]
    months = [month.month for month in fresh]
    # Training uses all months, so it would learn a month that a broken feed spoilt, whichever month asks for it.
    retrain = any(month.retrain for month in fresh) and not any(month.broken for month in found.months)
    events.announce(
        events.DriftDetected(
            portfolio=run.portfolio,
            version=run.model_version,
            months=months,
            reasons=reasons,
            report=found.report_uri,
            retrain=retrain,
        )
    )
    for month in fresh:
        names = sorted(_alarming(month) | _announced(run, month.month))
        s3.write_json(_marker(run, month.month), {"measures": names, "scored_on": run.dt})
    get_run_logger().warning("drift in %s: %s", ", ".join(months), "; ".join(reasons))
    return months


def _alarming(month: MonthReport) -> set[str]:
    return {alarm.name for alarm in month.alarms}


def _announced(run: ScoreRun, month: str) -> set[str]:
    return set((s3.read_json(_marker(run, month)) or {}).get("measures", []))


def _marker(run: ScoreRun, month: str) -> str:
    return layout.drift(run.portfolio, run.model_version, month)


@step
def show_months(found: MonitorOutcome) -> None:
    """Leave a summary: the latest months, every alarm with its reason, and the report's address."""
    run = found.run
    lines = [_line(month) for month in found.months[-_SHOWN_MONTHS:]]
    reasons = [f"- **{month.month}**: {alarm.reason}" for month in found.alarmed for alarm in month.alarms]
    table = [
        "| month | applications | score PSI | approved | outcomes | ROC AUC | alarms |",
        "|---|---|---|---|---|---|---|",
    ]
    text = f"""# {run.portfolio} model {run.model_version}, scores of {run.dt}

report `{found.report_uri}`
"""
    create_markdown_artifact(
        key=f"monitor-{dashed(run.portfolio)}",
        markdown="\n".join([text, *table, *lines, "", *(reasons or ["No alarms."])]),
    )


def _line(month: MonthReport) -> str:
    psi, approved = _text(month, "score_psi", "{:.3f}"), _text(month, "approval_rate", "{:.1%}")
    auc = _text(month, "roc_auc", "{:.3f}")
    name = f"{month.month} (training)" if month.trained_on else month.month
    return f"| {name} | {month.rows:,} | {psi} | {approved} | {month.outcomes:,} | {auc} | {len(month.alarms)} |"


def _text(month: MonthReport, name: str, text: str) -> str:
    measure = month.of(name)
    return text.format(measure.value) if measure else ""
