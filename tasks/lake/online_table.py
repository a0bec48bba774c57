"""The online tables: every applicant's newest features by id, in one DynamoDB table per portfolio.

As in the lake, the newest row is the one that arrived last. Every write is conditional on that, so files may be written
in any order and more than once.
"""

import math
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError
from prefect import get_run_logger

from credit_model.contract.contract import ID, Column, Contract, load_contract
from tasks import layout, s3
from tasks.errors import OnlineError
from tasks.lake import tables
from tasks.lake.ingest import IngestReport
from tasks.naming import dashed
from tasks.settings import settings
from tasks.steps import step

VERSION = "_version"  # no column has a name that begins with an underscore
TRANSACTION = 100  # most items of one TransactWriteItems
WRITERS = 8
BLOCK = TRANSACTION * WRITERS * 4
ATTEMPTS = 8
PAUSE_SECONDS = 0.1
STALE = "ConditionalCheckFailed"
PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
# Smallest and largest magnitude of a DynamoDB number besides zero.
SMALLEST, LARGEST = 1e-130, 9.9e125

Item = dict[str, dict[str, Any]]


@lru_cache(maxsize=1)
def client() -> Any:  # noqa: ANN401 - boto3 builds its clients at run time
    """Return this process's DynamoDB client, which slows down when the table throttles."""
    retries = {"mode": "adaptive", "total_max_attempts": 10}
    # Validating every attribute against the API's model would take longer than sending them.
    lean = Config(retries=retries, max_pool_connections=WRITERS, parameter_validation=False)
    return boto3.client("dynamodb", config=lean)


def table_name(portfolio: str) -> str | None:
    """Return the name of a portfolio's table, None if the platform keeps no online tables."""
    prefix = settings().online_tables
    return f"{prefix}-{dashed(portfolio)}" if prefix else None


@step
def keep_online(report: IngestReport) -> int:
    """Write a file's applicants from the lake to the online table; return how many rows were the newest.

    Safe to repeat: a file that is already in this table is skipped, a partly written one is written again.

    Raises:
        OnlineError: the table cannot be created or written; run the flow again.
    """
    landed = report.source
    name = table_name(landed.portfolio)
    if name is None or landed.table != "applications":
        return 0
    try:
        return _keep(report, name)
    except ClientError as error:
        reason = f"{error.operation_name} answered {error.response['Error']['Code']}"
        raise OnlineError(
            f"{landed.uri} is in the lake but not in the online table {name}: {reason}; "
            "check this role's permissions on the table, then run ingest for this file again"
        ) from error


def _keep(report: IngestReport, name: str) -> int:
    landed = report.source
    done_uri = layout.online(name, ensure(name), report.ingest_id)
    done = s3.read_json(done_uri)
    if done is not None:
        get_run_logger().info("%s: already in the online table %s", landed.uri, name)
        return 0
    newest = sum(write(name, items) for items in _items(report))
    s3.write_json(done_uri, {"rows": report.accepted, "newest": newest, "uri": landed.uri})
    older = report.accepted - newest
    get_run_logger().info(
        "%s: %d rows written to online table %s; %d were older than its own", landed.uri, newest, name, older
    )
    return newest


def ensure(name: str) -> str:
    """Create the table, billed per request, if it does not exist; return its creation time.

    Raises:
        OnlineError: it has another key, or does not become active.
    """
    try:
        described = client().describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        described = _create(name)
    key = [part["AttributeName"] for part in described["KeySchema"]]
    if key != [ID]:
        raise OnlineError(
            f"table {name} has the key {', '.join(key)} and not {ID}; give CREDIT_ONLINE_TABLES another prefix"
        )
    return f"{described['CreationDateTime'].timestamp():.3f}"


def _encryption() -> dict[str, Any]:
    """Return the stage's key as an argument of CreateTable, nothing if the stage has none."""
    key = settings().data_key
    return {"SSESpecification": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}} if key else {}


def _create(name: str) -> dict[str, Any]:
    try:
        client().create_table(
            TableName=name,
            KeySchema=[{"AttributeName": ID, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": ID, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=True,
            **_encryption(),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":  # another run created it first
            raise
    try:
        client().get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 2, "MaxAttempts": 60})
    except WaiterError as error:
        raise OnlineError(f"table {name} does not become active: {error}; run ingest again") from error
    described: dict[str, Any] = client().describe_table(TableName=name)["Table"]
    return described


def _items(report: IngestReport) -> Iterator[list[Item]]:
    """Yield a file's rows from the lake as items, a bounded number at a time."""
    contract = load_contract(report.source.portfolio)
    lake_table = tables.applications(contract)
    for month in report.months:
        with tempfile.TemporaryDirectory() as folder:
            uri = f"{lake_table.location([month, report.ingest_id])}part-0.parquet"
            path = s3.download(uri, Path(folder) / "part.parquet")
            names = [ID, *(column.name for column in contract.features)]
            for batch in pq.ParquetFile(path).iter_batches(BLOCK, columns=names):
                yield items(batch, contract, version=_version(report))


def _version(report: IngestReport) -> str:
    """Return text that sorts as the lake orders arrivals: by landing time, then by the file's identity."""
    return f"{report.source.landed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}#{report.ingest_id}"


def items(rows: pa.RecordBatch, contract: Contract, *, version: str) -> list[Item]:
    """Return rows of the lake as items: the id, the features with a value, and the version.

    Raises:
        OnlineError: DynamoDB cannot hold a number.
    """
    ids: list[str] = rows.column(ID).to_pylist()
    found: list[Item] = [{ID: {"S": key}, VERSION: {"S": version}} for key in ids]
    for column in contract.features:
        if column.name not in rows.schema.names:  # the contract has gained this column since
            continue
        for item, value in zip(found, rows.column(column.name).to_pylist(), strict=True):
            if value is not None:
                item[column.name] = _attribute(value, column, item[ID]["S"])
    return found


def _attribute(value: bool | str | float, column: Column, key: str) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if value and not SMALLEST <= math.fabs(value) <= LARGEST:
        raise OnlineError(
            f"application {key} column '{column.name}': DynamoDB cannot hold {value}; "
            "give the column min and max in the contract and correct the applicant's value"
        )
    return {"N": repr(value)}


def write(name: str, rows: Sequence[Item]) -> int:
    """Write the items that are not older than the table's own; return how many there were.

    Raises:
        OnlineError: the table keeps refusing.
        ClientError: the table cannot be written at all.
    """
    with ThreadPoolExecutor(WRITERS) as writers:
        chunks = [rows[start : start + TRANSACTION] for start in range(0, len(rows), TRANSACTION)]
        return sum(writers.map(partial(_write_together, name), chunks))


def _write_together(name: str, rows: Sequence[Item]) -> int:
    """Write up to 100 items in transactions; a batch write has no conditions and could overwrite newer rows."""
    left, codes = list(rows), [""]
    for attempt in range(ATTEMPTS):
        codes = _try(name, left)
        if not codes:
            return len(left)
        _refuse_faulty(name, left, codes)
        left = [item for item, code in zip(left, codes, strict=True) if code != STALE]
        if not left:
            return 0
        if STALE not in codes:
            time.sleep(random.uniform(0.5, 1) * PAUSE_SECONDS * 2**attempt)  # noqa: S311 - not a secret
    raise OnlineError(
        f"table {name} keeps refusing {len(left)} rows ({', '.join(sorted(set(codes)))}); "
        "run ingest for this file again"
    )


def _try(name: str, rows: Sequence[Item]) -> list[str]:
    """Write all rows or none; return each row's code if the transaction was cancelled, else an empty list."""
    try:
        client().transact_write_items(TransactItems=[_put(name, item) for item in rows])
    except ClientError as error:
        if error.response["Error"]["Code"] != "TransactionCanceledException":
            raise
        return [reason.get("Code", "None") for reason in error.response["CancellationReasons"]]
    return []


def _refuse_faulty(name: str, rows: Sequence[Item], codes: Sequence[str]) -> None:
    for item, code in zip(rows, codes, strict=True):
        if code not in {"None", STALE, *PASSING}:
            raise OnlineError(f"table {name} refuses application {item[ID]['S']}: {code}")


def _put(name: str, item: Item) -> dict[str, Any]:
    return {
        "Put": {
            "TableName": name,
            "Item": item,
            "ConditionExpression": f"attribute_not_exists({ID}) OR #version <= :version",
            "ExpressionAttributeNames": {"#version": VERSION},
            "ExpressionAttributeValues": {":version": item[VERSION]},
        }
    }
