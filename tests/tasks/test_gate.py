"""The train flow's gate reads the champion's columns from the lake where the challenger's contract lacks them."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.logging import disable_run_logger

from credit_model.bundle.bundle import Bundle
from credit_model.contract.contract import Contract, load_contract
from credit_model.gate.verdict import GateLimits
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train
from tasks import gate, s3
from tasks.lake import snapshot, tables
from tasks.sagemaker.registry import PublishedModel, RegisteredModel
from tasks.settings import Settings

pytestmark = pytest.mark.xdist_group("platform")
REMOVED = "num_unpaid_bills"
QUICK = TrainSettings(folds=2, max_rounds=20, min_data_in_leaf=20, min_data_per_group=20, studies=False)
LIMITS = GateLimits(margin=0.2, min_gain=-0.2, max_profit_loss=1, contract_change_declared=True)


def without(contract: Contract, name: str) -> Contract:
    return contract.model_copy(update={"columns": tuple(c for c in contract.columns if c.name != name)})


def requiring(contract: Contract, name: str) -> Contract:
    columns = tuple(c.model_copy(update={"nullable": c.nullable and c.name != name}) for c in contract.columns)
    return contract.model_copy(update={"columns": columns})


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return simulate(3000, months=3, seed=5, as_of="2027-01-01T00:00:00Z").applications


def fill(contract: Contract, rows: pa.Table) -> None:
    """Lay applications and outcomes into the lake as one ingested file."""
    stamp = pa.array([datetime.now(UTC)] * rows.num_rows, pa.timestamp("us", "UTC"))
    stamped = rows.append_column("ingested_at", stamp)
    outcomes = stamped.select(["application_id", "defaulted", "observed_at", "ingested_at"])
    applications = stamped.select(["application_id", "applied_at", *(c.name for c in contract.columns), "ingested_at"])
    for table, values, part in (
        (tables.applications(contract), ["2025-01", "one"], applications),
        (tables.outcomes(), [contract.name, "2025-01", "one"], outcomes),
    ):
        tables.ensure(table)
        sink = pa.BufferOutputStream()
        pq.write_table(part, sink)
        s3.write_bytes(f"{table.location(values)}part.parquet", sink.getvalue().to_pybytes())
        tables.add_partitions(table, {table.location(values): values})


def verdict_of(
    platform: Settings, monkeypatch: pytest.MonkeyPatch, folder: Path, *, rows: pa.Table, old: Contract, new: Contract
) -> tuple[dict, snapshot.Snapshot, Bundle]:
    """The gate's verdict on models of two contracts, whose lake has what the files held."""
    monkeypatch.setattr(snapshot, "load_contract", lambda _name: new)
    monkeypatch.setattr(gate, "create_table_artifact", lambda **_fields: None)
    champion, challenger = (train(rows, contract, QUICK) for contract in (old, new))
    uris = [platform.uri("models", new.name, bundle.version, "") for bundle in (champion, challenger)]
    for bundle, uri in zip((champion, challenger), uris, strict=True):
        s3.upload_folder(bundle.save(folder / bundle.version), uri)
    drawn = snapshot.take_snapshot.fn(new.name)
    text = dict.fromkeys(("archive_uri", "job_name", "snapshot_id"), "x") | {"portfolio": new.name}
    known = RegisteredModel(
        **text, arn="x", version=champion.version, status="Approved", bundle_uri=uris[0], released_at=None
    )
    published = PublishedModel(**text, version=challenger.version, bundle_uri=uris[1], metrics={})
    with disable_run_logger():
        return gate.judge.fn(drawn, published, known, LIMITS), drawn, champion


def test_a_column_removed_from_the_contract_is_read_from_the_lake(platform, monkeypatch, tmp_path, rows):
    old = load_contract("case").model_copy(update={"name": "gated"})
    fill(old, rows)
    new = without(old, REMOVED)
    verdict, drawn, champion = verdict_of(platform, monkeypatch, tmp_path, rows=rows, old=old, new=new)
    assert verdict["promoted"], verdict["checks"]
    assert verdict["rows"] == drawn.holdout_rows
    held = s3.download_folder(drawn.channel("holdout"), tmp_path / "holdout")
    ids = pa.concat_tables([pq.read_table(path) for path in held]).column("application_id")
    own = rows.filter(pa.compute.is_in(rows.column("application_id"), value_set=ids.combine_chunks()))
    outcomes, pds = own.column("defaulted").to_numpy(), Scorer(champion).pd_of_table(own)
    assert verdict["comparison"]["first"] == pytest.approx(_auc(outcomes, pds))


def test_a_column_that_the_lake_never_had_refuses_the_challenger(platform, monkeypatch, tmp_path, rows):
    old = requiring(load_contract("case").model_copy(update={"name": "gated_new"}), REMOVED)
    new = without(old, REMOVED)
    fill(new, rows)
    verdict, drawn, _ = verdict_of(platform, monkeypatch, tmp_path, rows=rows, old=old, new=new)
    assert not verdict["promoted"]
    assert [check["name"] for check in verdict["checks"] if not check["passed"]] == ["champion_reads_holdout"]
    assert f"column '{REMOVED}' is missing" in verdict["checks"][-1]["detail"]
    assert verdict["rows"] == drawn.holdout_rows


def _auc(outcomes, pds) -> float:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - only here

    return float(roc_auc_score(outcomes, pds))
