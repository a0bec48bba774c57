"""The online table: what a file brings is there by id, late old rows change nothing, a failed run is run again."""

import math
import uuid
from datetime import timedelta
from io import BytesIO

import boto3
import pyarrow as pa
import pytest
from botocore.awsrequest import AWSResponse
from prefect.logging import disable_run_logger

from credit_model.contract.contract import load_contract, parse_contract
from tasks.errors import OnlineError
from tasks.lake import online_table
from tasks.lake.ingest import IngestReport, find_landed, publish
from tasks.settings import settings
from tests.tasks.portfolios import as_csv, deliver, uci_rows

pytestmark = [pytest.mark.usefixtures("platform", "own_table"), pytest.mark.xdist_group("platform")]


@pytest.fixture
def own_table(platform, monkeypatch):
    """A table of the test's own."""
    monkeypatch.setenv("CREDIT_ONLINE_TABLES", f"online-{uuid.uuid4().hex[:8]}")
    settings.cache_clear()
    online_table.client.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def delete(name):
    """Delete a table as a person would, who first lifts its protection."""
    client = boto3.client("dynamodb")
    with pytest.raises(client.exceptions.ClientError, match=r"(?i)deletion ?protection"):
        client.delete_table(TableName=name)
    client.update_table(TableName=name, DeletionProtectionEnabled=False)
    client.delete_table(TableName=name)


def ingest(rows, *, table="applications", later=0) -> IngestReport:
    """Ingest a file that landed so many minutes later than it did."""
    with disable_run_logger():
        landed = find_landed.fn(deliver(as_csv(rows), table=table), None)
        return publish.fn(landed.model_copy(update={"landed_at": landed.landed_at + timedelta(minutes=later)}))


def keep(report: IngestReport) -> int:
    with disable_run_logger():
        return online_table.keep_online.fn(report)


def item(key: str) -> dict | None:
    name = online_table.table_name("uci_credit_card")
    table = boto3.resource("dynamodb").Table(name)
    return table.get_item(Key={"application_id": key}, ConsistentRead=True).get("Item")


def test_applicants_are_there_by_id_with_typed_features_and_nothing_protected():
    assert keep(ingest(uci_rows(250))) == 250
    found = item("207")
    contract = load_contract("uci_credit_card")
    assert set(found) == {"application_id", "_version"} | {column.name for column in contract.features}
    assert (found["limit_bal"], found["education"], found["bill_amt6"]) == (20000, "2", 600)
    described = boto3.client("dynamodb").describe_table(TableName=online_table.table_name("uci_credit_card"))["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_the_row_that_arrived_last_stays_whatever_the_order_of_writing():
    new = ingest(uci_rows(3, LIMIT_BAL=30000), later=5)
    old = ingest(uci_rows(5, LIMIT_BAL=10000))
    assert keep(new) == 3
    assert keep(old) == 2
    assert [item(key)["limit_bal"] for key in "12345"] == [30000, 30000, 30000, 10000, 10000]


def test_a_file_is_written_once_and_a_table_made_anew_is_filled_anew():
    report = ingest(uci_rows(4))
    assert [keep(report), keep(report)] == [4, 0]
    delete(online_table.table_name("uci_credit_card"))
    assert keep(report) == 4
    assert item("4") is not None


def test_outcomes_alone_bring_nothing():
    outcomes = [{"ID": "1", "default.payment.next.month": "1"}]
    assert keep(ingest(outcomes, table="outcomes")) == 0


def test_without_the_setting_nothing_is_written(monkeypatch):
    monkeypatch.setenv("CREDIT_ONLINE_TABLES", "")
    settings.cache_clear()
    assert keep(ingest(uci_rows(2))) == 0


class Answers:
    """Stands between the client and DynamoDB: the first so many writes get another answer."""

    def __init__(self, times: int, status: int, body: str) -> None:
        self.times, self.status, self.body = times, status, body
        online_table.client().meta.events.register("before-send.dynamodb.TransactWriteItems", self)

    def __call__(self, request, **_):
        if self.times == 0:
            return None
        self.times -= 1
        answer = AWSResponse(request.url, self.status, {"content-type": "application/x-amz-json-1.0"}, BytesIO())
        answer._content = self.body.encode()
        return answer


def cancelled(*codes: str) -> str:
    reasons = ", ".join(f'{{"Code": "{code}"}}' for code in codes)
    return f'{{"__type": "x#TransactionCanceledException", "message": "m", "CancellationReasons": [{reasons}]}}'


def test_a_busy_table_is_asked_again(monkeypatch):
    monkeypatch.setattr(online_table, "PAUSE_SECONDS", 0.001)
    report = ingest(uci_rows(3))
    Answers(3, 400, cancelled("None", "TransactionConflict", "None"))
    assert keep(report) == 3
    assert item("3") is not None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (cancelled("None", "ValidationError", "None"), "refuses application 2: ValidationError"),
        (cancelled("None", "TransactionConflict", "None"), "keeps refusing 3 rows"),
        ('{"__type": "x#AccessDeniedException", "message": "no"}', "AccessDeniedException.*run ingest for this file"),
    ],
    ids=["faulty", "busy", "forbidden"],
)
def test_a_table_that_cannot_be_written_is_told_and_the_next_run_repairs_it(monkeypatch, answer, told):
    monkeypatch.setattr(online_table, "PAUSE_SECONDS", 0.001)
    report = ingest(uci_rows(3))
    refusing = Answers(-1, 400, answer)
    with pytest.raises(OnlineError, match=told):
        keep(report)
    refusing.times = 0
    assert keep(report) == 3


def test_a_table_of_another_key_is_refused():
    boto3.client("dynamodb").create_table(
        TableName=online_table.table_name("uci_credit_card"),
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(OnlineError, match="has the key other and not application_id"):
        keep(ingest(uci_rows(2)))


CONTRACT = parse_contract(
    """
name: small
title: Small
id: {source: ID}
target: {source: Y}
columns:
  - {name: amount, kind: numeric, nullable: true, reason: the amount}
  - {name: member, kind: boolean, nullable: true, reason: the membership}
""",
    label="test",
)


def rows(*amounts: float | None) -> pa.RecordBatch:
    ids, members = [str(n) for n in range(len(amounts))], [True] * len(amounts)
    return pa.record_batch({"application_id": ids, "amount": pa.array(amounts, pa.float64()), "member": members})


def test_numbers_come_back_exactly_and_missing_values_are_left_out():
    amounts = [0.1, 1 / 3, math.pi * 1e100, -5e-324 * 2**900, 2**53 - 1.0, -0.0]
    found = online_table.items(rows(*amounts, None), CONTRACT, version="v")
    assert [float(one["amount"]["N"]) for one in found[:-1]] == amounts
    assert set(found[-1]) == {"application_id", "_version", "member"}
    assert found[0]["member"] == {"BOOL": True}


@pytest.mark.parametrize("beyond", [1e-131, -1e126, 5e-324])
def test_a_number_that_dynamodb_cannot_hold_is_named(beyond):
    with pytest.raises(OnlineError, match="application 1 column 'amount'"):
        online_table.items(rows(1.0, beyond), CONTRACT, version="v")


def test_a_row_written_before_the_contract_grew_lacks_the_new_column():
    old = rows(1.0).drop_columns(["member"])
    assert set(online_table.items(old, CONTRACT, version="v")[0]) == {"application_id", "_version", "amount"}
