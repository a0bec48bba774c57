"""Athena's API around queries: prepared statements, managed and reused results, tokens, pages and statistics."""

import uuid

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.aws.polling import await_query


@pytest.fixture
def athena(client):
    return client("athena")


@pytest.fixture
def start(athena, bucket, database):
    """Return a function that runs a statement and gives its QueryExecution."""

    def run(sql, **request):
        given = {"ResultConfiguration": {"OutputLocation": f"s3://{bucket}/results/"}, **request}
        given = {name: value for name, value in given.items() if value is not None}
        context = {"Database": database}
        started = athena.start_query_execution(QueryString=sql, QueryExecutionContext=context, **given)
        return await_query(athena, started["QueryExecutionId"])

    return run


@pytest.fixture
def group(athena):
    """Return a function that makes a workgroup."""

    def make(**configuration):
        name = f"g-{uuid.uuid4().hex[:8]}"
        athena.create_work_group(Name=name, Configuration=configuration)
        return name

    return make


def code(error):
    return error.value.response["Error"]["Code"]


def test_prepared_statements_are_kept_for_each_workgroup(athena, group):
    name, place = f"p_{uuid.uuid4().hex}", {"WorkGroup": group()}
    athena.create_prepared_statement(StatementName=name, QueryStatement="SELECT 1 AS a", Description="one", **place)
    with pytest.raises(ClientError) as twice:
        athena.create_prepared_statement(StatementName=name, QueryStatement="SELECT 2 AS a", **place)
    assert code(twice) == "InvalidRequestException"
    athena.update_prepared_statement(StatementName=name, QueryStatement="SELECT 2 AS a", **place)
    found = athena.get_prepared_statement(StatementName=name, **place)["PreparedStatement"]
    assert (found["QueryStatement"], found["Description"], found["WorkGroupName"]) == (
        "SELECT 2 AS a",
        "one",
        place["WorkGroup"],
    )
    listed = athena.list_prepared_statements(**place)["PreparedStatements"]
    assert [item["StatementName"] for item in listed] == [name]
    both = athena.batch_get_prepared_statement(PreparedStatementNames=[name, "absent"], **place)
    assert [item["StatementName"] for item in both["UnprocessedPreparedStatementNames"]] == ["absent"]
    athena.delete_prepared_statement(StatementName=name, **place)
    for action in (athena.get_prepared_statement, athena.delete_prepared_statement):
        with pytest.raises(ClientError) as gone:
            action(StatementName=name, **place)
        assert code(gone) == "ResourceNotFoundException"


def test_pages_of_prepared_statements(athena, group):
    place = {"WorkGroup": group()}
    for name in ("p_a", "p_b", "p_c"):
        athena.create_prepared_statement(StatementName=name, QueryStatement="SELECT 1 AS a", **place)
    first = athena.list_prepared_statements(MaxResults=2, **place)
    rest = athena.list_prepared_statements(MaxResults=2, NextToken=first["NextToken"], **place)
    names = [item["StatementName"] for page in (first, rest) for item in page["PreparedStatements"]]
    assert (names, "NextToken" in rest) == (["p_a", "p_b", "p_c"], False)
    with pytest.raises(ClientError) as invalid:
        athena.list_prepared_statements(NextToken="nonsense", **place)
    assert code(invalid) == "InvalidRequestException"


def test_managed_results_are_in_no_bucket(athena, start, group):
    name = group(ManagedQueryResultsConfiguration={"Enabled": True})
    found = start("SELECT 7 AS a", WorkGroup=name, ResultConfiguration=None)
    assert "ResultConfiguration" not in found
    rows = athena.get_query_results(QueryExecutionId=found["QueryExecutionId"])["ResultSet"]["Rows"]
    assert [row["Data"][0]["VarCharValue"] for row in rows] == ["a", "7"]


def test_results_are_reused_on_request(athena, start):
    sql = f"SELECT '{uuid.uuid4()}' AS a"
    reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 1}}
    first = start(sql, ResultReuseConfiguration=reuse)
    again, fresh = start(sql, ResultReuseConfiguration=reuse), start(sql)
    flags = [item["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"] for item in (first, again, fresh)]
    assert flags == [False, True, False]
    assert again["ResultReuseConfiguration"] == reuse
    results = [
        athena.get_query_results(QueryExecutionId=item["QueryExecutionId"])["ResultSet"]["Rows"]
        for item in (first, again)
    ]
    assert results[0] == results[1]


def test_a_token_stands_for_one_request(athena, start):
    token = uuid.uuid4().hex
    first = start("SELECT 1 AS a", ClientRequestToken=token)
    assert start("SELECT 1 AS a", ClientRequestToken=token)["QueryExecutionId"] == first["QueryExecutionId"]
    with pytest.raises(ClientError, match="Idempotent"):
        start("SELECT 2 AS a", ClientRequestToken=token)


def test_a_disabled_workgroup_and_an_unknown_one_run_nothing(athena, start, group):
    name = group()
    athena.update_work_group(WorkGroup=name, State="DISABLED")
    for place in (name, "absent"):
        with pytest.raises(ClientError) as refused:
            start("SELECT 1 AS a", WorkGroup=place)
        assert code(refused) == "InvalidRequestException"


@pytest.mark.parametrize(
    ("sql", "kind", "part"),
    [
        ("SELECT 1 AS a", "DML", "SELECT"),
        ("-- why\nSHOW TABLES", "UTILITY", "SHOW_TABLES"),
        ("DROP TABLE IF EXISTS absent", "DDL", "DROP_TABLE"),
        ("CREATE TABLE made AS SELECT 1 AS a", "DDL", "CREATE_TABLE_AS_SELECT"),
    ],
)
def test_kinds_of_statements(start, sql, kind, part):
    found = start(sql)
    assert (found["Status"]["State"], found["StatementType"], found["SubstatementType"]) == ("SUCCEEDED", kind, part)


def test_columns_of_ddl_are_texts_with_hive_s_names(athena, start):
    found = start("SHOW TABLES")
    metadata = athena.get_query_results(QueryExecutionId=found["QueryExecutionId"])["ResultSet"]["ResultSetMetadata"]
    assert [(item["Name"], item["Type"]) for item in metadata["ColumnInfo"]] == [("tab_name", "string")]


def test_runtime_statistics(athena, start):
    found = start("SELECT x FROM UNNEST(sequence(1, 3)) AS t(x)")
    told = athena.get_query_runtime_statistics(QueryExecutionId=found["QueryExecutionId"])["QueryRuntimeStatistics"]
    assert told["Rows"]["OutputRows"] == 3
    assert told["Timeline"].keys() >= {"TotalExecutionTimeInMillis", "EngineExecutionTimeInMillis"}


def test_an_enforcing_workgroup_takes_its_own_place(start, group, bucket):
    place = f"s3://{bucket}/enforced/"
    name = group(EnforceWorkGroupConfiguration=True, ResultConfiguration={"OutputLocation": place})
    assert start("SELECT 1 AS a", WorkGroup=name)["ResultConfiguration"]["OutputLocation"].startswith(place)
    sql = f"CREATE TABLE made WITH (external_location = 's3://{bucket}/made/') AS SELECT 1 AS a"
    assert "enforces a centralized output location" in start(sql, WorkGroup=name)["Status"]["StateChangeReason"]
