"""Small portfolios for tests: files as somebody would deliver them."""

import csv
import uuid
from collections.abc import Iterable
from io import StringIO
from typing import Any

import boto3

from sandbox import estate

UCI_ROW = {
    "ID": "1", "LIMIT_BAL": "20000", "SEX": "2", "EDUCATION": "2", "MARRIAGE": "1", "AGE": "24",
    "PAY_0": "2", "PAY_2": "2", "PAY_3": "-1", "PAY_4": "-1", "PAY_5": "-2", "PAY_6": "-2",
    **{f"BILL_AMT{n}": str(100 * n) for n in range(1, 7)},
    **{f"PAY_AMT{n}": str(10 * n) for n in range(1, 7)},
    "default.payment.next.month": "1",
}  # fmt: skip


def uci_rows(number: int, **changed: Any) -> list[dict[str, str]]:
    """Rows in the UCI file's own form; every third applicant defaults."""
    rows = [UCI_ROW | {"ID": str(n), "default.payment.next.month": str(int(n % 3 == 0))} for n in range(1, number + 1)]
    return [row | {key: str(value) for key, value in changed.items()} for row in rows]


def as_csv(rows: Iterable[dict[str, str]]) -> bytes:
    """CSV with a header."""
    rows, out = list(rows), StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def deliver(content: bytes, *, table: str = "applications", name: str | None = None) -> str:
    """Put a file where ingest is asked to read it (not under landing/, whose rule would call Prefect)."""
    key = f"import/uci_credit_card/{table}/{name or uuid.uuid4().hex}.csv"
    boto3.client("s3").put_object(Bucket=estate.BUCKET, Key=key, Body=content)
    return f"s3://{estate.BUCKET}/{key}"
