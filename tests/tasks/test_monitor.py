"""Published scores of a drifted portfolio end in the monitoring table, a report and one event; run again, no more."""

import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.logging import disable_run_logger

from credit_model.contract.contract import load_contract
from credit_model.monitoring.month import Alarm, MonitorLimits
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.simulation.incidents import BrokenFeature, PopulationShift
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train
from tasks import events, monitor, s3
from tasks.errors import MonitoringError
from tasks.lake import athena, tables
from tasks.lake.snapshot import Manifest, Split
from tasks.sagemaker.registry import RegisteredModel

pytestmark = pytest.mark.xdist_group("platform")
DAY = date(2026, 5, 2)
ROWS = 1000
QUICK = TrainSettings(folds=2, max_rounds=30, min_data_in_leaf=20, min_data_per_group=20, studies=False)
SHIFT = [PopulationShift("2026-03", strength=1)]


def write(table: pa.Table, uri: str) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    s3.write_bytes(uri, sink.getvalue().to_pybytes())


@pytest.fixture(scope="module")
def bundle():
    rows = simulate(6 * 1500, months=6, start="2025-08", seed=4, drift=0).applications
    return train(rows.slice(0, 7500), load_contract("case"), QUICK, holdout=rows.slice(7500))


@pytest.fixture(scope="module")
def model(platform, bundle) -> RegisteredModel:
    """The bundle in the model store, trained on 2026-01 as its snapshot says."""
    uri = platform.uri("models", "case", bundle.version, "")
    with tempfile.TemporaryDirectory() as folder:
        s3.upload_folder(bundle.save(Path(folder) / "bundle"), uri)
    place = platform.uri("snapshots", "watched", "")
    manifest = Manifest(
        snapshot_id="watched", portfolio="case", uri=place, train_rows=1, holdout_rows=1, target_rate=0.5,
        bytes_scanned=0, schema_hash="x", parts={}, split=Split(method="out_of_time", train_months=["2026-01"]),
    )  # fmt: skip
    s3.write_json(f"{place}manifest.json", manifest.model_dump())
    text = dict.fromkeys(("arn", "archive_uri", "job_name"), "x") | {"snapshot_id": "watched", "bundle_uri": uri}
    return RegisteredModel(**text, portfolio="case", version=bundle.version, status="Approved", released_at=None)


def fill(platform, bundle, incidents=(), *, timeless=False) -> None:
    """Four months of applications, the outcomes of the first two, and the scores of all: a run of its own each time."""
    made = simulate(4 * ROWS, months=4, start="2026-01", seed=21, drift=0, incidents=incidents).applications
    contract = load_contract("case")
    applications, outcomes = tables.applications(contract), tables.outcomes()
    stamp = pa.array([datetime.now(UTC)] * made.num_rows, pa.timestamp("us", "UTC"))
    made = made.append_column("ingested_at", stamp)
    ingest = s3.digest(str(incidents), datetime.now(UTC).isoformat())
    for month in range(4):
        part, dt = made.slice(month * ROWS, ROWS), f"2026-0{month + 1}"
        delivered = part.drop_columns(["defaulted", "observed_at"])
        if timeless:
            place = delivered.column_names.index("applied_at")
            delivered = delivered.set_column(place, "applied_at", pa.nulls(ROWS, stamp.type))
        put(applications, [dt, ingest], delivered)
        if month < 2:
            columns = ["application_id", "defaulted", "observed_at", "ingested_at"]
            put(outcomes, ["case", dt, ingest], part.select(columns))
    uri = platform.uri("batch", "case", f"watched-{ingest}", "scores", "")
    scored = Scorer(bundle).score_table(made.drop_columns(["defaulted", "observed_at", "ingested_at"]))
    write(scored.append_column("scored_at", stamp), f"{uri}part.out")
    tables.point_partition(tables.scores(), ["case", DAY.isoformat()], uri)


def put(table: tables.LakeTable, values: list[str], rows: pa.Table) -> None:
    tables.ensure(table)
    write(rows, f"{table.location(values)}part-0.parquet")
    tables.add_partitions(table, {table.location(values): values})


def stored() -> list[dict]:
    query = "SELECT * FROM monitoring WHERE portfolio = ? AND dt < '2026-05' ORDER BY dt, measure, feature"
    return athena.rows(query, ["case"])


@pytest.fixture
def announced(monkeypatch) -> list[dict]:
    """Events as they would go out."""
    sent: list[dict] = []
    monkeypatch.setattr(events, "emit_event", lambda **event: sent.append(event))
    return sent


@pytest.fixture
def watched(platform, bundle, model):
    fill(platform, bundle, SHIFT)
    run = monitor.find_scores.fn("case", DAY)
    return run, monitor.monitor_months.fn(run, model, MonitorLimits(min_defaults=5))


def test_months_are_measured_and_stored_once(platform, bundle, model, watched):
    run, found = watched
    assert run.model_version == bundle.version
    assert [month.month for month in found.months] == ["2026-01", "2026-02", "2026-03", "2026-04"]
    assert [month.trained_on for month in found.months] == [True, False, False, False]
    assert [month.outcomes for month in found.months] == [ROWS, ROWS, 0, 0]
    assert [month.month for month in found.alarmed] == ["2026-03", "2026-04"]
    first = stored()
    assert {(row["dt"], row["measure"], row["feature"]) for row in first if row["alarm"]} >= {
        ("2026-03", "feature_psi", "age"),
        ("2026-04", "score_psi", None),
    }
    assert {row["dt"] for row in first if row["measure"] == "roc_auc"} <= {"2026-01", "2026-02"}
    monitor.monitor_months.fn(run, model, MonitorLimits(min_defaults=5))
    keys = [(row["dt"], row["measure"], row["feature"]) for row in stored()]
    assert len(keys) == len(set(keys)) == len(first) == sum(len(month.measures) for month in found.months)


def test_the_report_lies_beside_the_scores(watched):
    run, found = watched
    bucket, key = s3.split(found.report_uri)
    page = s3.client().get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert found.report_uri.rsplit("/", 1)[0] == run.uri.rstrip("/").rsplit("/", 1)[0]
    assert page.count("<svg") == 6
    assert "http://" not in page
    assert "https://" not in page
    assert "the values of age have moved" in page


def test_drift_is_announced_once_for_a_month_and_a_model(watched, announced):
    _, found = watched
    worse = Alarm(name="roc_auc", feature="", remedy="retrain", reason="the model ranks worse than it did")
    with disable_run_logger():
        assert monitor.announce_drift.fn(found) == ["2026-03", "2026-04"]
        assert monitor.announce_drift.fn(found) == []
        other = found.run.model_copy(update={"model_version": "another"})
        assert monitor.announce_drift.fn(found.model_copy(update={"run": other})) == ["2026-03", "2026-04"]
        months = [*found.months[:3], found.months[3].model_copy(update={"alarms": (worse,)})]
        assert monitor.announce_drift.fn(found.model_copy(update={"months": months})) == ["2026-04"]
    event = announced[0]
    assert len(announced) == 3
    assert event["event"] == events.DriftDetected.name
    assert event["resource"]["credit.retrain"] == "true"
    assert event["payload"]["months"] == ["2026-03", "2026-04"]
    assert any("PSI" in reason for reason in event["payload"]["reasons"])


def test_a_broken_feed_is_announced_and_not_trained_on(platform, bundle, model, announced):
    fill(platform, bundle, [BrokenFeature("2026-04", "avg_payment_span_0_12m", missing=0.5), *SHIFT])
    found = monitor.monitor_months.fn(monitor.find_scores.fn("case"), model, MonitorLimits())
    other = found.run.model_copy(update={"model_version": "broken"})
    with disable_run_logger():
        monitor.announce_drift.fn(found.model_copy(update={"run": other}))
    assert announced[0]["resource"]["credit.retrain"] == "false"


def test_without_a_time_of_application_the_score_run_is_one_month(platform, bundle, model):
    fill(platform, bundle, timeless=True)
    found = monitor.monitor_months.fn(monitor.find_scores.fn("case"), model, MonitorLimits())
    assert [(month.month, month.rows, month.outcomes) for month in found.months] == [("2026-05", 4 * ROWS, 2 * ROWS)]


def test_no_scores_is_said(platform):
    with pytest.raises(MonitoringError, match="no scores of 1999-01-01; run score first"):
        monitor.find_scores.fn("case", date(1999, 1, 1))
