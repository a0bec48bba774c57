"""Athena through awswrangler in its three modes, compared with pandas on the same frame."""

import uuid

import awswrangler as wr
import numpy as np
import pandas as pd
import pytest

wr.config.athena_query_wait_polling_delay = 0.02
MODES = {
    "csv": {"ctas_approach": False},
    "ctas": {"ctas_approach": True},
    "unload": {"ctas_approach": False, "unload_approach": True},
}


@pytest.fixture
def frame():
    random = np.random.default_rng(7)
    count = 400
    return pd.DataFrame(
        {
            "application_id": [f"a{i:04d}" for i in range(count)],
            "applied_at": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 90 * 86400, count), unit="s"),
            "age": pd.array(np.where(random.random(count) < 0.1, None, random.integers(18, 90, count)), dtype="Int64"),
            "income": random.normal(3000, 700, count).round(3),
            "home": random.choice(["own", "rent", 'it\'s "ours", really'], count),
            "employed": random.random(count) < 0.8,
            "dt": random.choice(["2024-01", "2024-02", "2024-03"], count),
        }
    )


@pytest.fixture
def query(aws, bucket, database, frame):
    wr.s3.to_parquet(
        frame, path=f"s3://{bucket}/applications/", dataset=True, database=database, table="applications",
        partition_cols=["dt"], compression="zstd",
    )  # fmt: skip

    def run(sql, mode="csv", **options):
        output = f"s3://{bucket}/athena/{uuid.uuid4().hex}/"
        return wr.athena.read_sql_query(sql, database=database, s3_output=output, **MODES[mode], **options)

    return run


@pytest.mark.parametrize("mode", MODES)
def test_rows_and_types_are_read_back(query, frame, mode):
    got = query("SELECT * FROM applications ORDER BY application_id", mode)
    got = got.sort_values("application_id").reset_index(drop=True)
    for column in frame:
        wanted = frame[column]
        assert got[column].isna().tolist() == wanted.isna().tolist()
        assert got[column].dropna().tolist() == wanted.dropna().tolist(), column


@pytest.mark.parametrize("mode", MODES)
def test_parameters_may_be_expressions(query, frame, mode):
    sql = "SELECT application_id FROM applications WHERE dt = ? AND home IN (?, 'rent?') AND income > ?"
    got = query(sql, mode, params=["'2024-02'", "'it''s \"ours\", really'", "3000.5"], paramstyle="qmark")
    chosen = frame[(frame.dt == "2024-02") & frame.home.str.startswith("it") & (frame.income > 3000.5)]
    assert sorted(got.application_id) == sorted(chosen.application_id)


def test_aggregates_agree_with_pandas(query, frame):
    got = query(
        "SELECT home, count(*) n, count(age) known, sum(age) s, avg(income) m, min(applied_at) first, "
        "stddev(income) sd, sum(age) / count(*) q FROM applications GROUP BY home ORDER BY home"
    ).set_index("home")
    by = frame.groupby("home")
    assert got.n.tolist() == by.size().tolist()
    assert got.known.tolist() == by.age.count().tolist()
    assert got.s.tolist() == by.age.sum().tolist()
    assert np.allclose(got.m, by.income.mean())
    assert np.allclose(got.sd, by.income.std())
    assert got["first"].tolist() == by.applied_at.min().tolist()
    assert got.q.tolist() == (by.age.sum() // by.size()).tolist()


def test_the_latest_row_per_key(query, frame):
    got = query(
        "WITH ranked AS (SELECT *, row_number() OVER (PARTITION BY home ORDER BY applied_at DESC, application_id) AS n "
        "FROM applications) SELECT home, application_id FROM ranked WHERE n = 1 ORDER BY home"
    )
    ordered = frame.sort_values(["applied_at", "application_id"], ascending=[False, True])
    latest = ordered.drop_duplicates("home").sort_values("home")
    assert got.application_id.tolist() == latest.application_id.tolist()


def test_only_the_needed_partitions_are_scanned(query, frame):
    everything = query("SELECT income FROM applications").query_metadata["Statistics"]["DataScannedInBytes"]
    one = query("SELECT income FROM applications WHERE dt = '2024-01'")
    assert len(one) == (frame.dt == "2024-01").sum()
    assert 0 < one.query_metadata["Statistics"]["DataScannedInBytes"] < everything
    wide = query("SELECT * FROM applications").query_metadata["Statistics"]["DataScannedInBytes"]
    assert wide > everything


def test_unload_writes_several_files_when_there_are_many_rows(query, bucket, database, client):
    path = f"s3://{bucket}/unloaded/"
    sql = "SELECT a.application_id, b.income FROM applications a CROSS JOIN applications b"
    group = f"g-{bucket}"
    settings = {
        "ResultConfiguration": {"OutputLocation": f"s3://{bucket}/results/"},
        "EnforceWorkGroupConfiguration": False,
    }
    client("athena").create_work_group(Name=group, Configuration=settings)
    got = wr.athena.unload(sql, path=path, database=database, compression="zstd", workgroup=group)
    assert got.raw_payload["Status"]["State"] == "SUCCEEDED"
    files = [name for name in wr.s3.list_objects(path) if not name.endswith("-manifest.csv")]
    assert len(files) >= 4
    assert wr.s3.read_parquet(files).shape == (160_000, 2)
    with pytest.raises(wr.exceptions.QueryFailed, match="HIVE_PATH_ALREADY_EXISTS"):
        wr.athena.unload(sql, path=path, database=database, workgroup=group)


def test_a_failed_query_gives_the_reason(query):
    with pytest.raises(wr.exceptions.QueryFailed, match=r"COLUMN_NOT_FOUND.*nothing"):
        query("SELECT nothing FROM applications")
    with pytest.raises(wr.exceptions.QueryFailed, match="TABLE_NOT_FOUND"):
        query("SELECT 1 FROM absent")


def test_an_always_null_column_breaks_ctas(query):
    with pytest.raises(wr.exceptions.InvalidArgumentValue, match="undefined columns types"):
        query("SELECT application_id, NULL AS nothing FROM applications", "ctas")


def test_an_empty_result_keeps_its_columns(query):
    assert list(query("SELECT application_id, age FROM applications WHERE age < 0").columns) == [
        "application_id",
        "age",
    ]
    assert query("SELECT application_id, age FROM applications WHERE age < 0", "ctas").empty
