"""DynamoDB's transactions are atomic, also against other writers, and whole items are read back unchanged."""

import contextlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.exceptions import ClientError

CONDITION = {
    "ConditionExpression": "attribute_not_exists(k) OR #v <= :v",
    "ExpressionAttributeNames": {"#v": "v"},
}


@pytest.fixture
def table(aws):
    name = f"t-{uuid.uuid4().hex[:8]}"
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def put(table, key, version, **more):
    values = {":v": {"N": str(version)}}
    item = {"k": {"S": key}, "v": {"N": str(version)}, **more}
    return {"Put": {"TableName": table, "Item": item, "ExpressionAttributeValues": values, **CONDITION}}


def write(*puts):
    boto3.client("dynamodb").transact_write_items(TransactItems=list(puts))


def versions(table):
    items = boto3.client("dynamodb").scan(TableName=table)["Items"]
    return {item["k"]["S"]: int(item["v"]["N"]) for item in items}


def test_a_transaction_is_written_completely_or_not_at_all(table):
    write(put(table, "a", 1), put(table, "b", 5))
    with pytest.raises(ClientError) as error:
        write(put(table, "a", 2), put(table, "b", 4), put(table, "c", 1))
    codes = [reason["Code"] for reason in error.value.response["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed", "None"]
    assert versions(table) == {"a": 1, "b": 5}
    write(put(table, "a", 2), put(table, "c", 1))
    assert versions(table) == {"a": 2, "b": 5, "c": 1}


def test_a_refused_item_undoes_the_items_before_it(table):
    write(put(table, "a", 1))
    with pytest.raises(ClientError):
        write(put(table, "a", 2), put(table, "b", 1), put(table, "c", 1, big={"S": "x" * 500_000}))
    assert versions(table) == {"a": 1}


@pytest.mark.parametrize(
    ("keys", "message"), [(["a", "a"], "multiple operations on one item"), ([str(n) for n in range(101)], "100")]
)
def test_invalid_transactions_are_refused(table, keys, message):
    with pytest.raises(ClientError, match=message) as error:
        write(*(put(table, key, 1) for key in keys))
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert versions(table) == {}


def test_the_newest_version_wins_over_concurrent_writers(table):
    def one(version):
        with contextlib.suppress(ClientError):  # an older version than the stored one
            write(put(table, "a", version), put(table, f"own-{version}", version))

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(one, range(40)))
    found = versions(table)
    assert found["a"] == max(found[key] for key in found if key != "a") == 39


def test_other_transactions_still_work(table):
    write(put(table, "a", 1))
    check = {"TableName": table, "Key": {"k": {"S": "a"}}, "ConditionExpression": "attribute_exists(k)"}
    write({"ConditionCheck": check}, put(table, "b", 1))
    assert versions(table) == {"a": 1, "b": 1}


def test_whole_items_are_read_back_unchanged(table):
    dynamodb = boto3.client("dynamodb")
    item = {"k": {"S": "a"}, "n": {"N": "0.1"}, "b": {"BOOL": True}, "l": {"L": [{"S": "x"}, {"M": {"y": {"N": "1"}}}]}}
    dynamodb.put_item(TableName=table, Item=item)
    found = dynamodb.batch_get_item(RequestItems={table: {"Keys": [{"k": {"S": "a"}}, {"k": {"S": "z"}}]}})
    assert found["Responses"] == {table: [item]}
    assert found["UnprocessedKeys"] == {}
    with pytest.raises(ClientError, match="not found"):
        dynamodb.batch_get_item(RequestItems={"nowhere-at-all": {"Keys": [{"k": {"S": "a"}}]}})
    with pytest.raises(ClientError, match="duplicates"):
        dynamodb.batch_get_item(RequestItems={table: {"Keys": [{"k": {"S": "a"}}] * 2}})
