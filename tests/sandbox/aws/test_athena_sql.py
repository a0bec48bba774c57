"""The sandbox's Athena gives Trino's answers, with values and rules from its documentation, through boto3."""

import hashlib
import time
import uuid

import boto3
import pytest

from tests.sandbox.aws.polling import await_query


@pytest.fixture(scope="session")
def results(aws):
    s3 = boto3.client("s3", region_name="eu-west-1", endpoint_url=aws.endpoint)
    name = f"b-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return f"s3://{name}/results/"


@pytest.fixture
def run(client, results):
    athena = client("athena")

    def execute(sql, parameters=None, **context):
        extra = {"ExecutionParameters": parameters} if parameters else {}
        started = athena.start_query_execution(
            QueryString=sql, ResultConfiguration={"OutputLocation": results}, QueryExecutionContext=context, **extra
        )
        return await_query(athena, started["QueryExecutionId"])

    return execute


@pytest.fixture
def one(run, client):
    """Return a function that gives the text of `SELECT <expression>`, or raises with the reason of the failure."""

    def value(expression):
        execution = run(f"SELECT {expression}")
        if execution["Status"]["State"] == "FAILED":
            raise ValueError(execution["Status"]["StateChangeReason"])
        found = client("athena").get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]
        return found["Rows"][1]["Data"][0].get("VarCharValue")

    return value


SAME = {
    "7 / 2": "3",
    "-7 / 2": "-3",
    "7 % -2": "1",
    "7 / 2e0": "3.5",
    "1e0 / 0": "Infinity",
    "0e0 / 0": "NaN",
    "CAST(2.5e0 AS integer)": "3",
    "CAST(-2.5e0 AS bigint)": "-3",
    "CAST(1e10 AS double)": "1.0E10",
    "1.5e-5": "1.5E-5",
    "0.1e0 + 0.2e0": "0.30000000000000004",
    "1.10": "1.1",
    "CAST(1.5e0 AS varchar)": "1.5E0",
    "CAST(TIMESTAMP '2024-01-02 03:04:05' AS varchar)": "2024-01-02 03:04:05",
    "CAST(TIMESTAMP '2024-01-02 03:04:05.6' AS varchar)": "2024-01-02 03:04:05.6",
    "CAST('2024-01-02 03:04:05.123456' AS timestamp)": "2024-01-02 03:04:05.123",
    "TIMESTAMP '2024-01-02 03:04:05.123456'": "2024-01-02 03:04:05.123456",
    "TIMESTAMP '2024-01-02 03:04:05'": "2024-01-02 03:04:05.000",
    "CAST('2024-02-29' AS date)": "2024-02-29",
    "date_diff('day', TIMESTAMP '2024-01-01 23:00:00', TIMESTAMP '2024-01-02 01:00:00')": "0",
    "date_diff('day', DATE '2024-01-01', DATE '2024-02-01')": "31",
    "date_diff('month', DATE '2024-01-31', DATE '2024-02-28')": "0",
    "date_add('month', 1, DATE '2024-01-31')": "2024-02-29",
    "date_add('day', -1, TIMESTAMP '2024-03-01 00:00:00')": "2024-02-29 00:00:00.000",
    "date_trunc('month', DATE '2024-02-17')": "2024-02-01",
    "date_trunc('week', TIMESTAMP '2024-02-18 10:00:00')": "2024-02-12 00:00:00.000",
    "DATE '2024-03-01' - INTERVAL '1' DAY": "2024-02-29",
    "DATE '2024-01-02' - DATE '2024-01-01'": "1 00:00:00.000",
    "extract(dow FROM DATE '2024-02-18')": "7",
    "day_of_week(DATE '2024-02-19')": "1",
    "date_format(TIMESTAMP '2024-02-03 04:05:06', '%Y-%m-%d %H:%i:%s')": "2024-02-03 04:05:06",
    "to_hex(md5(to_utf8('credit')))": hashlib.md5(b"credit").hexdigest().upper(),
    "to_hex(sha256(to_utf8('a')))": hashlib.sha256(b"a").hexdigest().upper(),
    "from_base('ff', 16) % 100": "55",
    "substr('abc', 0)": "",
    "substr('abc', -2)": "bc",
    "substr('abc', -5)": "",
    "substr('abc', 2, 1)": "b",
    "split_part('a,b', ',', 3)": None,
    "split_part('a,b', ',', 2)": "b",
    "element_at(ARRAY[1, 2], 3)": None,
    "ARRAY[1, NULL, 3]": "[1, null, 3]",
    "ARRAY[4, 5][2]": "5",
    "greatest(1, NULL, 3)": None,
    "concat('a', NULL)": None,
    "coalesce(NULL, 'x')": "x",
    "regexp_extract('abc', 'z')": None,
    "regexp_extract('abc', 'b.')": "bc",
    "json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a')": None,
    "json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a.b')": "1",
    "round(2.5e0)": "3.0",
    "floor(7 / 2)": "3",
    "lower('ÄB')": "äb",
    "TRY_CAST('1.5' AS integer)": None,
    "max_by(x, y) FROM (VALUES ('a', 1), ('b', 2)) AS t(x, y)": "b",
    "sum(x) FROM (VALUES 1, 2) AS t(x)": "3",
    "count_if(x > 1) FROM (VALUES 1, 2, NULL) AS t(x)": "1",
    "approx_percentile(x, 0.5) FROM (VALUES 1, 2, 3) AS t(x)": "2",
    "array_agg(x ORDER BY x) FROM (VALUES 2, 1, NULL) AS t(x)": "[1, 2, null]",
    "x FROM (VALUES 2, NULL, 1) AS t(x) ORDER BY x DESC LIMIT 1": "2",
    "true AND NULL": None,
    "X'6869'": "68 69",
}


@pytest.mark.parametrize("expression", SAME)
def test_the_answer_equals_trinos(one, expression):
    assert one(expression) == SAME[expression]


REFUSED = {
    "1 / 0": "DIVISION_BY_ZERO",
    "CAST('1.5' AS integer)": "INVALID_CAST_ARGUMENT: Cannot cast '1.5' to INT",
    "CAST('0x1F' AS bigint)": "INVALID_CAST_ARGUMENT",
    "CAST(' 1 ' AS bigint)": "INVALID_CAST_ARGUMENT",
    "CAST('2024-01-02T03:04:05' AS timestamp)": "INVALID_CAST_ARGUMENT",
    "ARRAY[1][2]": "Array subscript must be less than or equal to array length",
    "DATE '2024-01-01' > '2024-01-01'": "TYPE_MISMATCH",
    "1 = '1'": "TYPE_MISMATCH",
    "x FROM (VALUES 'a') AS t(x) WHERE x IN (1, 2)": "TYPE_MISMATCH",
    "lower(1)": "FUNCTION_NOT_FOUND",
    "xxhash64(to_utf8('a'))": "NOT_SUPPORTED.*xxhash64",
    "approx_set(1)": "NOT_SUPPORTED.*approx_set",
    "format('%e', 1e0)": "NOT_SUPPORTED.*format",
    "ST_Point(1, 2)": "NOT_SUPPORTED.*st_point",
    "strftime(DATE '2024-01-01', '%Y')": "FUNCTION_NOT_FOUND.*'strftime' not registered",
    "date_add('hour', 1, DATE '2024-01-01')": "not a valid DATE field",
    "* FROM read_csv('/etc/passwd')": "NOT_SUPPORTED",
}


@pytest.mark.parametrize("expression", REFUSED)
def test_expressions_without_trinos_answer_are_refused(one, expression):
    with pytest.raises(ValueError, match=REFUSED[expression]):
        one(expression)


def test_unnamed_columns_and_paging(run, client):
    execution = run("SELECT x, count(*), max(x) AS m FROM (VALUES 1, 2, 3) AS t(x) GROUP BY x ORDER BY x")
    athena, identifier = client("athena"), execution["QueryExecutionId"]
    pages = list(
        athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=identifier, PaginationConfig={"PageSize": 2}
        )
    )
    rows = [[cell["VarCharValue"] for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    assert rows == [["x", "_col1", "m"], ["1", "1", "1"], ["2", "1", "2"], ["3", "1", "3"]]
    assert len(pages) == 2
    info = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(column["Name"], column["Type"]) for column in info] == [
        ("x", "integer"), ("_col1", "bigint"), ("m", "integer"),
    ]  # fmt: skip


def test_the_csv_object_distinguishes_null_from_empty(run, client):
    execution = run("SELECT 'a \"b\"' AS q, '' AS e, CAST(NULL AS varchar) AS n, 1 AS i, true AS b")
    bucket, _, key = execution["ResultConfiguration"]["OutputLocation"][5:].partition("/")
    body = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert body == '"q","e","n","i","b"\n"a ""b""","",,"1","true"\n'
    assert key.endswith(f"{execution['QueryExecutionId']}.csv")


@pytest.mark.parametrize(
    ("sql", "message"),
    {
        "SELECT 1 +": "mismatched input '<EOF>'",
        "SELEC 1": "line 1:1: mismatched input 'SELEC'",
        "SELECT '1'::integer": "line 1:11: mismatched input '::'",
        "SELECT 1 LIMIT 1 OFFSET 1": "mismatched input 'OFFSET'",
        "SELECT order FROM t": "mismatched input",
        "SELECT 1; SELECT 2": "Only one sql statement",
    }.items(),
)
def test_syntax_errors_are_answered_by_the_start(client, results, sql, message):
    athena = client("athena")
    with pytest.raises(athena.exceptions.InvalidRequestException) as raised:
        athena.start_query_execution(QueryString=sql, ResultConfiguration={"OutputLocation": results})
    assert message in raised.value.response["Error"]["Message"]
    assert raised.value.response["AthenaErrorCode"] == "MALFORMED_QUERY"


def test_errors_of_names_and_types_fail_the_execution(run):
    failed = run("SELECT nothing FROM (VALUES 1) AS t(x)")
    assert failed["Status"]["StateChangeReason"].startswith("COLUMN_NOT_FOUND: line 1:8: Column 'nothing'")


def test_parameters_must_match_in_number(run):
    failed = run("SELECT ?, ?", ["1"])
    assert "expected 2 but found 1" in failed["Status"]["StateChangeReason"]


def test_stopping_a_query(client, results):
    athena = client("athena")
    numbers = "UNNEST(sequence(1, 200000))"
    sql = f"SELECT sum(sqrt(a * b)) FROM {numbers} AS s(a) CROSS JOIN {numbers} AS t(b)"
    started = athena.start_query_execution(QueryString=sql, ResultConfiguration={"OutputLocation": results})
    identifier = started["QueryExecutionId"]
    for _ in range(200):
        state = athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]["Status"]["State"]
        if state == "RUNNING":
            break
        time.sleep(0.02)
    time.sleep(0.3)
    athena.stop_query_execution(QueryExecutionId=identifier)
    assert athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]["Status"]["State"] == "CANCELLED"
    before = time.monotonic()
    assert identifier in athena.list_query_executions(WorkGroup="primary")["QueryExecutionIds"]
    assert time.monotonic() - before < 2


def test_invalid_requests_are_refused_at_once(client, results):
    athena = client("athena")
    with pytest.raises(athena.exceptions.InvalidRequestException, match="No output location"):
        athena.start_query_execution(QueryString="SELECT 1")
    with pytest.raises(athena.exceptions.InvalidRequestException, match="not found"):
        athena.start_query_execution(
            QueryString="SELECT 1", WorkGroup="absent", ResultConfiguration={"OutputLocation": results}
        )
    with pytest.raises(athena.exceptions.InvalidRequestException, match="was not found"):
        athena.get_query_execution(QueryExecutionId=str(uuid.uuid4()))


def test_a_request_token_starts_one_query(client, results):
    athena, token = client("athena"), uuid.uuid4().hex
    arguments = {
        "QueryString": "SELECT 1",
        "ResultConfiguration": {"OutputLocation": results},
        "ClientRequestToken": token,
    }
    first, second = athena.start_query_execution(**arguments), athena.start_query_execution(**arguments)
    assert first["QueryExecutionId"] == second["QueryExecutionId"]


def test_an_enforced_workgroup_sets_the_location_of_results(client, bucket):
    athena = client("athena")
    place = {"OutputLocation": f"s3://{bucket}/enforced/"}
    settings = {"ResultConfiguration": place, "EnforceWorkGroupConfiguration": True}
    athena.create_work_group(Name=f"g-{bucket}", Configuration=settings)
    started = athena.start_query_execution(
        QueryString="SELECT 1",
        WorkGroup=f"g-{bucket}",
        ResultConfiguration={"OutputLocation": "s3://elsewhere/"},
    )
    (found,) = athena.batch_get_query_execution(QueryExecutionIds=[started["QueryExecutionId"]])["QueryExecutions"]
    assert found["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{bucket}/enforced/")
