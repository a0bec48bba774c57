"""Batch scores are published only when they hold exactly the applicants asked, and then at once."""

from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect.logging import disable_run_logger

from tasks import s3
from tasks.batch import Batch, publish_scores, reconcile
from tasks.errors import ReconciliationError
from tasks.lake import athena, tables
from tasks.sagemaker.registry import RegisteredModel
from tasks.settings import Settings

pytestmark = pytest.mark.xdist_group("platform")
DAY = date(2026, 3, 1)


def write(uri: str, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    s3.write_bytes(uri, sink.getvalue().to_pybytes())


def scored(ids: list[str], pd: float = 0.1) -> pa.Table:
    size = len(ids)
    text = {"grade": ["A"] * size, "decision": ["approve"] * size, "model_version": ["v1"] * size}
    table = pa.table({"application_id": ids, "pd": [pd] * size, "score": pa.array([600] * size, pa.int64()), **text})
    return table.append_column("scored_at", pa.array([0] * size, pa.timestamp("us", "UTC")))


def batch(platform: Settings, name: str, asked: list[str], answered: list[str], pd: float = 0.1) -> Batch:
    uri = platform.uri("batch", name, "")
    half = len(asked) // 2
    write(f"{uri}input/1", pa.table({"application_id": pa.array(asked[:half], pa.string())}))
    write(f"{uri}input/2", pa.table({"application_id": pa.array(asked[half:], pa.string())}))
    write(f"{uri}scores/1.out", scored(answered, pd))
    return Batch(batch_id=name, portfolio=name, input_uri=f"{uri}input/", output_uri=f"{uri}scores/", rows=len(asked))


@pytest.fixture
def model() -> RegisteredModel:
    text = dict.fromkeys(("arn", "portfolio", "bundle_uri", "archive_uri", "snapshot_id", "job_name"), "x")
    return RegisteredModel(**text, version="v1", status="Approved", released_at=None)


def test_the_same_people_are_reconciled(platform):
    assert reconcile.fn(batch(platform, "same", ["a", "b", "c"], ["c", "a", "b"])) == 3


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        (["a", "b"], r"1 missing \(e.g. c\)"),
        (["a", "b", "c", "d"], r"1 unexpected \(e.g. d\)"),
        (["a", "b", "c", "c"], r"1 duplicated \(e.g. c\)"),
    ],
)
def test_anything_else_is_refused(platform, answered, told):
    with pytest.raises(ReconciliationError, match=told):
        reconcile.fn(batch(platform, "other", ["a", "b", "c"], answered))


def test_readers_see_the_old_scores_or_the_new_ones(platform, model):
    def read() -> list[float]:
        query = "SELECT pd FROM scores WHERE portfolio = ? AND dt = ? ORDER BY application_id"
        return [row["pd"] for row in athena.rows(query, ["flip", DAY.isoformat()])]

    with disable_run_logger():
        for pd in (0.1, 0.2):
            drawn = batch(platform, "flip", ["a", "b", "c"], ["a", "b", "c"], pd)
            moved = drawn.model_copy(update={"output_uri": platform.uri("batch", f"flip-{pd}", "")})
            write(f"{moved.output_uri}1.out", scored(["a", "b", "c"], pd))
            publish_scores.fn(moved, model, DAY)
            assert read() == [pd] * 3
    assert len(tables.partitions(tables.scores(), "portfolio = 'flip'")) == 1
