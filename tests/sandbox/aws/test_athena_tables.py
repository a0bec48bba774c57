"""Tables in Glue: statements that change them, partitions, hidden files, CSV, and types that do not match."""

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sandbox.aws.polling import await_query


@pytest.fixture
def sql(client, bucket, database):
    """Return a function that runs a statement and gives its rows (without a header), or raises with the reason."""
    athena = client("athena")

    def execute(statement):
        started = athena.start_query_execution(
            QueryString=statement,
            QueryExecutionContext={"Database": database},
            ResultConfiguration={"OutputLocation": f"s3://{bucket}/results"},
        )
        identifier = started["QueryExecutionId"]
        status = await_query(athena, identifier)["Status"]
        if status["State"] != "SUCCEEDED":
            raise ValueError(status["StateChangeReason"])
        rows = athena.get_query_results(QueryExecutionId=identifier)["ResultSet"]["Rows"]
        found = [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]
        return found[1:] if statement.lstrip().upper().startswith(("SELECT", "WITH")) else found

    return execute


@pytest.fixture
def put(client, bucket):
    def write(key, table):
        body = table
        if isinstance(table, dict):
            sink = io.BytesIO()
            pq.write_table(pa.table(table), sink)
            body = sink.getvalue()
        client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    return write


@pytest.fixture
def scores(sql, bucket):
    sql(
        f"CREATE EXTERNAL TABLE scores (`id` string, pd double, n int) PARTITIONED BY (dt string) STORED AS PARQUET "
        f"LOCATION 's3://{bucket}/scores/'"
    )


def test_only_registered_partitions_and_visible_files_are_read(sql, put, scores, bucket):
    put("scores/dt=a/file", {"id": ["1"], "pd": [0.1], "n": pa.array([1], pa.int32())})
    put("scores/dt=a/_SUCCESS", b"not parquet")
    put("scores/dt=a/.hidden/file", b"not parquet")
    put("elsewhere/run-7/file.parquet", {"ID": ["2"], "extra": [9]})
    assert sql("SELECT * FROM scores") == []
    sql(f"ALTER TABLE scores ADD PARTITION (dt = 'a') PARTITION (dt = 'b') LOCATION 's3://{bucket}/elsewhere/run-7/'")
    assert sql("SELECT * FROM scores ORDER BY id") == [["1", "0.1", "1", "a"], ["2", None, None, "b"]]
    put("elsewhere/run-8/file", {"id": ["3"]})
    sql(f"ALTER TABLE scores PARTITION (dt = 'b') SET LOCATION 's3://{bucket}/elsewhere/run-8'")
    assert sql("SELECT id FROM scores WHERE dt = 'b'") == [["3"]]
    sql("ALTER TABLE scores DROP PARTITION (dt = 'a')")
    assert sql("SELECT count(*) FROM scores") == [["1"]]
    assert sql("SHOW PARTITIONS scores") == [["dt=b"]]


def test_repair_finds_partitions(sql, put, scores, database):
    for day in ("x", "y"):
        put(f"scores/dt={day}/file", {"id": [day]})
    sql(f"MSCK REPAIR TABLE `{database}`.scores")
    assert sql("SELECT dt, count(*) FROM scores GROUP BY dt ORDER BY dt") == [["x", "1"], ["y", "1"]]


def test_a_rewritten_object_is_read_again(sql, put, scores):
    put("scores/dt=a/file", {"id": ["old"]})
    sql("ALTER TABLE scores ADD PARTITION (dt = 'a')")
    assert sql("SELECT id FROM scores") == [["old"]]
    put("scores/dt=a/file", {"id": ["new"]})
    assert sql("SELECT id FROM scores") == [["new"]]


def test_insert_adds_rows_and_partitions(sql, scores):
    sql("INSERT INTO scores SELECT 'p', 0.5e0, 1, '2024' UNION ALL SELECT 'q', NULL, 2, '2025'")
    sql("INSERT INTO scores (id, dt) VALUES ('r', '2024')")
    assert sql("SELECT id, pd, n, dt FROM scores ORDER BY id") == [
        ["p", "0.5", "1", "2024"],
        ["q", None, "2", "2025"],
        ["r", None, None, "2024"],
    ]
    with pytest.raises(ValueError, match="TYPE_MISMATCH"):
        sql("INSERT INTO scores SELECT 1, 0.5e0, 1, '2024'")


def test_a_partitioned_table_from_a_query(sql, client, bucket, database):
    sql(
        f"CREATE TABLE made WITH (format = 'PARQUET', write_compression = 'SNAPPY', external_location = "
        f"'s3://{bucket}/made/', partitioned_by = ARRAY['month']) AS SELECT x, x * 1.5e0 AS y, 'm' || CAST(x % 2 AS "
        "varchar) AS month FROM UNNEST(sequence(1, 5)) AS t(x)"
    )
    assert sql("SELECT month, sum(x), max(y) FROM made GROUP BY month ORDER BY month") == [
        ["m0", "6", "6.0"],
        ["m1", "9", "7.5"],
    ]
    metadata = client("athena").get_table_metadata(
        CatalogName="AwsDataCatalog", DatabaseName=database, TableName="made"
    )["TableMetadata"]
    assert [(c["Name"], c["Type"]) for c in metadata["Columns"]] == [("x", "bigint"), ("y", "double")]
    assert [c["Name"] for c in metadata["PartitionKeys"]] == ["month"]
    with pytest.raises(ValueError, match="TABLE_ALREADY_EXISTS"):
        sql("CREATE TABLE made AS SELECT 1 AS x")
    sql("DROP TABLE made")
    with pytest.raises(ValueError, match="HIVE_PATH_ALREADY_EXISTS"):
        sql(f"CREATE TABLE made WITH (external_location = 's3://{bucket}/made/') AS SELECT 1 AS x")
    with pytest.raises(ValueError, match="time zone"):
        sql("CREATE TABLE zoned AS SELECT current_timestamp AS x")


def test_csv_with_quotes_and_a_header(sql, put, bucket):
    sql(
        "CREATE EXTERNAL TABLE raw (id string, age int, note string) ROW FORMAT SERDE "
        f"'org.apache.hadoop.hive.serde2.OpenCSVSerde' LOCATION 's3://{bucket}/raw/' "
        "TBLPROPERTIES ('skip.header.line.count' = '1')"
    )
    put("raw/a.csv", b'id,age,note\n1,33,"a ""b"", c"\n2,44,\n')
    put("raw/b.csv.gz", gzip.compress(b"id,age,note\n3,55,x\n"))
    assert sql("SELECT id, age + 1, note FROM raw ORDER BY id") == [
        ["1", "34", 'a "b", c'],
        ["2", "45", ""],
        ["3", "56", "x"],
    ]


def test_delimited_text_reads_unparsable_values_as_null(sql, put, bucket):
    sql(
        "CREATE EXTERNAL TABLE plain (id string, age int) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' "
        f"LOCATION 's3://{bucket}/plain/'"
    )
    put("plain/a", b"x|12\ny|old\n\\N|\n")
    assert sql("SELECT * FROM plain") == [["x", "12"], ["y", None], [None, None]]


def test_a_file_of_another_type_is_bad_data(sql, put, scores):
    put("scores/dt=a/file", {"id": [17]})
    sql("ALTER TABLE scores ADD PARTITION (dt = 'a')")
    with pytest.raises(ValueError, match=r"HIVE_BAD_DATA: Field .*\.id's type int64"):
        sql("SELECT id FROM scores")
    put("scores/dt=a/file", b"plain text")
    with pytest.raises(ValueError, match="HIVE_BAD_DATA"):
        sql("SELECT pd FROM scores")


def test_describing_and_listing(sql, scores, database):
    assert sql("SHOW TABLES") == [["scores"]]
    described = [[part.strip() for part in row[0].split("\t")] for row in sql(f"DESCRIBE {database}.scores")]
    assert described[:4] == [["id", "string", ""], ["pd", "double", ""], ["n", "int", ""], ["dt", "string", ""]]
    assert [database] in sql("SHOW DATABASES")
    sql("CREATE DATABASE IF NOT EXISTS " + database)
    sql("DROP TABLE IF EXISTS absent")
    with pytest.raises(ValueError, match="already exists"):
        sql("CREATE EXTERNAL TABLE scores (a int) STORED AS PARQUET LOCATION 's3://b/x/'")


def test_unload_as_json_and_text(sql, client, bucket):
    s3 = client("s3")
    sql(f"UNLOAD (SELECT 1 AS a, CAST(NULL AS varchar) AS b) TO 's3://{bucket}/json/' WITH (format = 'JSON')")
    sql(f"UNLOAD (SELECT 1, 'x') TO 's3://{bucket}/text' WITH (format = 'TEXTFILE', field_delimiter = ',')")

    def content(prefix):
        (item,) = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        return gzip.decompress(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())

    assert content("json/") == b'{"a":1,"b":null}\n'
    assert content("text/") == b"1,x\n"
