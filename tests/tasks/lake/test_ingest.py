"""Ingest: good rows arrive once, bad rows go to quarantine with their reason, bad files leave nothing behind."""

import gzip
import json
from io import BytesIO

import pyarrow.parquet as pq
import pytest
from prefect.logging import disable_run_logger

from credit_model.errors import DataError
from tasks import s3
from tasks.errors import LakeError
from tasks.lake import athena, tables
from tasks.lake.ingest import IngestReport, find_landed, publish
from tests.tasks.portfolios import as_csv, deliver, uci_rows

pytestmark = [pytest.mark.usefixtures("platform"), pytest.mark.xdist_group("platform")]


def ingest(uri: str) -> IngestReport:
    with disable_run_logger():
        return publish.fn(find_landed.fn(uri, None))


def count(ingest_id: str) -> int:
    query = "SELECT count(*) AS n FROM applications_uci_credit_card WHERE ingest = ?"
    return int(athena.rows(query, [ingest_id])[0]["n"])


def everything_but_the_file(platform) -> set[str]:
    return {key for key in s3.list_keys(platform.uri("")) if "/import/" not in key and "/athena/" not in key}


def test_rows_arrive_typed_and_partitioned(platform):
    report = ingest(deliver(as_csv(uci_rows(30))))
    assert (report.rows, report.accepted, report.rejected, report.labelled) == (30, 30, 0, 30)
    columns = "limit_bal, education, pay_0, dt"
    query = f"SELECT {columns} FROM applications_uci_credit_card WHERE ingest = ? AND application_id = ?"
    row = athena.rows(query, [report.ingest_id, "7"])[0]
    assert (row["limit_bal"], row["education"], row["pay_0"]) == (20000, "2", 2)
    assert row["dt"] == report.source.landed_at.strftime("%Y-%m")
    outcome = athena.rows(
        "SELECT defaulted FROM outcomes WHERE ingest = ? AND application_id = ?", [report.ingest_id, "9"]
    )
    assert bool(outcome[0]["defaulted"]) is True


def test_a_file_is_ingested_once(platform):
    uri = deliver(as_csv(uci_rows(5)))
    first = ingest(uri)
    again = ingest(uri)
    assert not first.repeated
    assert again.repeated
    assert count(first.ingest_id) == 5


def test_the_version_that_the_event_named_is_the_one_read(platform):
    uri = deliver(as_csv(uci_rows(3)), name="overwritten")
    old = find_landed.fn(uri, None)
    deliver(as_csv(uci_rows(4)), name="overwritten")
    with disable_run_logger():
        assert publish.fn(find_landed.fn(uri, old.version_id)).rows == 3
        assert publish.fn(find_landed.fn(uri, None)).rows == 4


def test_a_run_that_died_is_simply_run_again(platform, monkeypatch):
    landed = find_landed.fn(deliver(as_csv(uci_rows(6))), None)
    with monkeypatch.context() as dying, disable_run_logger():
        dying.setattr(s3, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish.fn(landed)
    with disable_run_logger():
        report = publish.fn(landed)
    assert not report.repeated
    assert count(report.ingest_id) == 6


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("EDUCATION", "9", "9"),
        ("AGE", "young", "young"),
        ("LIMIT_BAL", "-5", "-5"),
        ("PAY_0", "", "missing"),
        ("default.payment.next.month", "maybe", "maybe"),
        ("ID", "1", "already appears in row 1"),
    ],
)
def test_a_bad_row_goes_to_quarantine_with_its_reason_and_the_others_arrive(platform, column, value, told):
    rows = uci_rows(4)
    rows[2][column] = value
    report = ingest(deliver(as_csv(rows)))
    assert (report.accepted, report.rejected) == (3, 1)
    assert count(report.ingest_id) == 3
    bucket, key = s3.split(report.quarantine)
    body = s3.client().get_object(Bucket=bucket, Key=key)["Body"].read()
    [fault] = pq.read_table(BytesIO(body)).to_pylist()
    assert fault["row"] == 3
    assert told in fault["reason"]
    assert json.loads(fault["delivered"])[column] == (value or None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (as_csv([{k: v for k, v in row.items() if k != "PAY_3"} for row in uci_rows(3)]), "missing column 'pay_3'"),
        (as_csv(uci_rows(1)).splitlines()[0], "no data row"),
        (gzip.compress(as_csv(uci_rows(4000)))[:-300], "cut off"),
        (as_csv(uci_rows(5)) + b"6,7,8\n", "line 7"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "UTF-8"),
    ],
    ids=["empty", "missing column", "header only", "truncated gzip", "ragged line", "not a table"],
)
def test_a_bad_file_is_refused_with_its_name_and_leaves_nothing(platform, content, told):
    uri = deliver(content)
    before = everything_but_the_file(platform)
    with pytest.raises(DataError, match=told) as error:
        ingest(uri)
    assert uri in str(error.value)
    assert everything_but_the_file(platform) == before


def test_a_file_without_one_good_row_is_an_error_that_names_the_first_fault(platform):
    uri = deliver(as_csv(uci_rows(3, EDUCATION=99)))
    with pytest.raises(LakeError, match="row 1 column 'education'"):
        ingest(uri)


def test_a_key_outside_the_layout_and_a_missing_object_are_told_apart(platform):
    with pytest.raises(LakeError, match="landing/PORTFOLIO/applications/FILE"):
        find_landed.fn(platform.uri("landing", "x.csv"), None)
    with pytest.raises(LakeError, match="404"):
        find_landed.fn(platform.uri("landing", "uci_credit_card", "applications", "none.csv"), None)


def test_partitions_are_the_ones_that_were_published(platform):
    report = ingest(deliver(as_csv(uci_rows(2))))
    table = tables.LakeTable("applications_uci_credit_card", "", {}, ("dt", "ingest"))
    assert [report.months[0], report.ingest_id] in tables.partitions(table)
    assert tables.partitions(tables.LakeTable("nowhere", "", {}, ())) == []
