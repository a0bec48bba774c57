"""A snapshot holds the newest known truth of each application, once, and stays what it is."""

import json
import time
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.logging import disable_run_logger

from tasks import s3
from tasks.errors import SnapshotError
from tasks.lake.ingest import find_landed, publish
from tasks.lake.snapshot import Month, Snapshot, choose_split, read_manifest, take_snapshot
from tasks.settings import Settings
from tests.tasks.portfolios import as_csv, deliver, uci_rows

pytestmark = pytest.mark.xdist_group("platform")
PORTFOLIO = "uci_credit_card"


def months(*labelled_shares: float) -> list[Month]:
    return [Month(f"2025-{number:02}", 1000, int(1000 * share)) for number, share in enumerate(labelled_shares, 1)]


def test_the_latest_complete_months_are_held_out_and_younger_ones_left_out():
    split = choose_split(months(1, 1, 1, 1, 0.97, 0.5, 0), holdout_months=2)
    assert split.method == "out_of_time"
    assert split.holdout_months == ["2025-04", "2025-05"]
    assert split.train_months == ["2025-01", "2025-02", "2025-03"]


def test_without_enough_complete_months_the_draw_is_stratified():
    split = choose_split(months(1, 1, 1, 1, 0.9), holdout_months=2)
    assert (split.method, split.holdout_months) == ("stratified", [])


def test_no_outcomes_is_an_error_that_says_what_to_do():
    with pytest.raises(SnapshotError, match="ingest labelled applications or outcomes first"):
        choose_split(months(0, 0), holdout_months=2)


@pytest.fixture
def lake(platform: Settings) -> Settings:
    """An empty lake of the portfolio."""
    import awswrangler as wr  # noqa: PLC0415 - a second's import that only these tests need

    for table in (f"applications_{PORTFOLIO}", "outcomes"):
        wr.catalog.delete_table_if_exists(platform.database, table)
    s3.delete(s3.list_keys(platform.uri("ledger", "")))
    return platform


def ingest(content: bytes, table: str = "applications") -> None:
    with disable_run_logger():
        publish.fn(find_landed.fn(deliver(content, table=table), None))


def rows(snapshot: Snapshot, name: str) -> pa.Table:
    found = []
    for uri in s3.list_keys(snapshot.channel(name)):
        bucket, key = s3.split(uri)
        found.append(pq.read_table(BytesIO(s3.client().get_object(Bucket=bucket, Key=key)["Body"].read())))
    return pa.concat_tables(found)


def ids(snapshot: Snapshot, name: str) -> set[str]:
    return set(rows(snapshot, name)["application_id"].to_pylist())


def test_train_and_holdout_share_nobody_and_miss_nobody_and_have_the_same_default_rate(lake):
    ingest(as_csv(uci_rows(300)))
    snapshot = take_snapshot.fn(PORTFOLIO)
    train, holdout = ids(snapshot, "train"), ids(snapshot, "holdout")
    assert train | holdout == {str(n) for n in range(1, 301)}
    assert not train & holdout
    assert (snapshot.train_rows, snapshot.holdout_rows) == (240, 60)
    assert sum(rows(snapshot, "holdout")["defaulted"].to_pylist()) == 20


def test_nobody_moves_when_a_later_file_arrives(lake):
    ingest(as_csv(uci_rows(300)))
    before = ids(take_snapshot.fn(PORTFOLIO), "holdout")
    later = [row | {"ID": str(int(row["ID"]) + 1000)} for row in uci_rows(101)]
    ingest(as_csv(later))
    after = ids(take_snapshot.fn(PORTFOLIO), "holdout")
    assert {one for one in after if int(one) <= 300} == before


def test_the_same_data_are_the_same_snapshot_and_other_data_another(lake):
    ingest(as_csv(uci_rows(60)))
    first = take_snapshot.fn(PORTFOLIO)
    assert take_snapshot.fn(PORTFOLIO) == first
    ingest(as_csv(uci_rows(61)))
    assert take_snapshot.fn(PORTFOLIO).snapshot_id != first.snapshot_id
    assert s3.read_json(f"{first.uri}manifest.json")["train_rows"] == first.train_rows


def test_a_later_version_of_a_row_and_a_later_outcome_count(lake):
    old = uci_rows(60)
    ingest(as_csv([row | {"default.payment.next.month": ""} for row in old]))
    ingest(as_csv([{"ID": row["ID"], "default.payment.next.month": "1"} for row in old]), table="outcomes")
    time.sleep(1.1)  # S3 tells the time of an object to the second
    ingest(as_csv([old[6] | {"LIMIT_BAL": "777000", "default.payment.next.month": ""}]))
    snapshot = take_snapshot.fn(PORTFOLIO)
    table = pa.concat_tables([rows(snapshot, "train"), rows(snapshot, "holdout")])
    found = {row["application_id"]: row for row in table.to_pylist()}
    assert len(found) == table.num_rows == 60
    assert all(row["defaulted"] for row in found.values())
    assert found["7"]["limit_bal"] == 777000


def test_the_manifest_explains_the_snapshot(lake):
    ingest(as_csv(uci_rows(60)))
    snapshot = take_snapshot.fn(PORTFOLIO)
    manifest = s3.read_json(f"{snapshot.uri}manifest.json")
    part = manifest["parts"]["train"]
    assert part["query"].startswith("WITH ranked AS")
    assert part["query_id"]
    assert set(part["files"]) == {uri.rsplit("/", 1)[-1] for uri in s3.list_keys(snapshot.channel("train"))}
    assert manifest["target_rate"] == pytest.approx(20 / 60)
    assert json.dumps(manifest["ingested_files"]).count("[[") == 2


def test_a_half_drawn_snapshot_of_a_dead_run_is_drawn_anew(lake):
    ingest(as_csv(uci_rows(60)))
    snapshot = take_snapshot.fn(PORTFOLIO)
    s3.delete([f"{snapshot.uri}manifest.json"])
    assert take_snapshot.fn(PORTFOLIO).train_rows == snapshot.train_rows


def test_a_manifest_of_an_earlier_release_loads(platform):
    part = {"query": "SELECT 1", "parameters": ["'case'"], "query_id": "q", "bytes_scanned": 7}
    part |= {"rows": 80, "defaults": 9, "files": {"a.parquet": "00"}}
    place = {"snapshot_id": "old", "portfolio": "case", "uri": platform.uri("snapshots", "old", "")}
    split = {"method": "stratified", "holdout_months": [], "train_months": [], "holdout_share": 0.2}
    counts = {"train_rows": 80, "holdout_rows": 20, "target_rate": 0.1, "bytes_scanned": 14, "schema_hash": "5c"}
    files = {"applications": [["2025-01", "f1"]], "outcomes": [["case", "2025-01", "f1"]]}
    old = {**place, "split": split, **counts, "parts": {"train": part, "holdout": part}, "ingested_files": files}
    s3.write_json(platform.uri("snapshots", "old", "manifest.json"), old)
    found = read_manifest("old")
    assert found is not None
    assert found.model_dump(mode="json") == old
    assert found.snapshot() == Snapshot.model_validate(old)
