"""The prediction log: what is answered arrives in S3 once; what cannot be kept is counted and never waited for."""

import asyncio
import functools
import threading
import time
import uuid
from io import BytesIO

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from images.serve import prediction_log
from images.serve.prediction_log import LogSettings, PredictionLog

pytestmark = pytest.mark.integration


@pytest.fixture
def bucket(aws):
    name = f"log-{uuid.uuid4().hex[:8]}"
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return name


def logged(bucket) -> dict[str, pa.Table]:
    s3 = boto3.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key: pq.read_table(BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) for key in keys}


def made(bucket, **settings) -> PredictionLog:
    return PredictionLog(LogSettings(f"s3://{bucket}/predictions", **settings), version="v1", portfolio="case")


def add(log: PredictionLog, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        log.add(application_id=str(number), features=number.to_bytes(8), pd=number / 1000)


def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_every_prediction_arrives_once_with_all_that_monitoring_needs(bucket):
    log = PredictionLog(LogSettings(f"s3://{bucket}/predictions/"), version="v1", portfolio="case")
    begin = time.time()
    add(log, 250)
    log.add(application_id=None, features=(3).to_bytes(8), pd=0.5)
    asyncio.run(log.close())
    [(key, table)] = logged(bucket).items()
    day = table["scored_at"][0].as_py().date()
    assert key.startswith(f"predictions/portfolio=case/date={day}/")
    assert table["application_id"].to_pylist() == [*map(str, range(250)), None]
    assert table["pd"].to_pylist() == [*(number / 1000 for number in range(250)), 0.5]
    assert set(table["model_version"].to_pylist()) == {"v1"}
    digests = table["features_digest"].to_pylist()
    assert len(set(digests)) == 250
    assert digests[3] == digests[250]
    assert begin - 1 <= table["scored_at"][0].as_py().timestamp() <= time.time()
    assert (log.written, log.dropped) == (251, 0)


def test_files_are_written_by_number_and_by_time(bucket):
    log = made(bucket, rows=100, seconds=3600)
    add(log, 100)
    until(lambda: log.written == 100)
    quick = made(bucket, rows=1000, seconds=0.05)
    add(quick, 3, first=100)
    until(lambda: quick.written == 3)
    asyncio.run(log.close())
    asyncio.run(quick.close())
    assert sorted(len(table) for table in logged(bucket).values()) == [3, 100]


def test_a_file_holds_one_day(bucket, monkeypatch):
    log = made(bucket, seconds=3600)
    for moment in (86_399.0, 86_400.5):
        monkeypatch.setattr(prediction_log.time, "time", lambda moment=moment: moment)
        log.add(application_id="a", features=b"", pd=0.1)
    monkeypatch.undo()
    asyncio.run(log.close())
    days = {key.split("/")[2]: len(table) for key, table in logged(bucket).items()}
    assert days == {"date=1970-01-01": 1, "date=1970-01-02": 1}


def test_what_s3_refuses_waits_and_what_is_too_much_is_dropped_and_counted(bucket):
    log = made(f"{bucket}-later", rows=10, seconds=0.05, capacity=50)
    begin = time.perf_counter()
    add(log, 80)
    assert time.perf_counter() - begin < 0.5
    time.sleep(0.5)
    assert (log.written, log.dropped) == (0, 30)
    boto3.client("s3").create_bucket(
        Bucket=f"{bucket}-later", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    until(lambda: log.written == 50)
    add(log, 5, first=80)
    asyncio.run(log.close())
    ids = [one for table in logged(f"{bucket}-later").values() for one in table["application_id"].to_pylist()]
    assert sorted(map(int, ids)) == [*range(50), *range(80, 85)]


def test_closing_does_not_wait_for_ever_and_counts_what_is_lost(monkeypatch):
    monkeypatch.setattr(prediction_log, "CLOSE_SECONDS", 0.3)
    log = made("b", rows=10, seconds=3600)
    monkeypatch.setattr(log, "_put", lambda _: time.sleep(5))
    add(log, 7)
    begin = time.monotonic()
    asyncio.run(asyncio.wait_for(log.close(), 4))
    assert time.monotonic() - begin < 2
    assert log.dropped == 7


def test_an_entry_that_cannot_be_written_does_not_stop_the_others(bucket):
    log = made(bucket, rows=1, seconds=3600)
    log.add(application_id="\ud800", features=b"", pd=0.1)
    until(lambda: log.dropped == 1)
    log.add(application_id="a", features=b"", pd=0.1)
    asyncio.run(log.close())
    assert (log.written, log.dropped) == (1, 1)


def test_a_log_that_ends_while_s3_is_away_for_a_moment_is_written(bucket):
    log = made(f"{bucket}-back", seconds=3600)
    add(log, 20)
    create = functools.partial(boto3.client("s3").create_bucket, Bucket=f"{bucket}-back")
    back = threading.Timer(1.5, create, kwargs={"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}})
    back.start()
    asyncio.run(log.close())
    back.join()
    assert (log.written, log.dropped) == (20, 0)
