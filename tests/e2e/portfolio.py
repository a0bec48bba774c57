"""A small portfolio in the format of the UCI file, with a known relation between columns and default."""

import csv
import gzip
from dataclasses import dataclass
from io import StringIO

import numpy as np

NAME = "uci_credit_card"
PAYS = ["PAY_0", *(f"PAY_{n}" for n in range(2, 7))]
TARGET = "default.payment.next.month"
Row = dict[str, int]


@dataclass(frozen=True)
class Relation:
    """What drives default besides late payment: the log-odds that education level 3 adds."""

    education: float = 0.0


def applicants(number: int, *, first_id: int, seed: int, relation: Relation | None = None) -> list[Row]:
    """Draw applicants; about a quarter of them default."""
    rng = np.random.default_rng(seed)
    risk = rng.standard_normal(number)
    columns = {
        "ID": np.arange(first_id, first_id + number),
        "LIMIT_BAL": 10_000 * np.clip(np.rint(np.exp(2.6 - 0.5 * risk + 0.6 * rng.standard_normal(number))), 1, 80),
        "SEX": rng.integers(1, 3, number),
        "EDUCATION": rng.integers(1, 4, number),
        "MARRIAGE": rng.integers(1, 4, number),
        "AGE": rng.integers(21, 70, number),
    }
    for name in PAYS:
        columns[name] = np.clip(np.rint(1.2 * risk + 0.8 * rng.standard_normal(number)), -2, 8)
    for n in range(1, 7):
        columns[f"BILL_AMT{n}"] = np.rint(columns["LIMIT_BAL"] * rng.uniform(-0.05, 0.9, number))
        columns[f"PAY_AMT{n}"] = np.rint(columns["LIMIT_BAL"] * rng.uniform(0, 0.2, number))
    learnt = (relation or Relation()).education * (columns["EDUCATION"] == 3)
    odds = -1.5 + 0.7 * columns["PAY_0"] + 0.3 * columns["PAY_2"] + learnt
    columns[TARGET] = rng.random(number) < 1 / (1 + np.exp(-odds))
    return [dict(zip(columns, map(int, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def as_csv(rows: list[Row] | list[dict[str, str]]) -> bytes:
    """Return rows in the format of the UCI file: comma separated, with one header line."""
    out = StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def truncated_gzip(content: bytes) -> bytes:
    """Compress content and drop the last quarter, like an interrupted upload."""
    packed = gzip.compress(content)
    return packed[: 3 * len(packed) // 4]
