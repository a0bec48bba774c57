"""Derived features: the table's arithmetic equals one row's and pandas', and faulty declarations are named."""

from __future__ import annotations

from math import isnan

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_model.contract.contract import load_contract, parse_contract
from credit_model.contract.derived import Derived
from credit_model.errors import ContractError
from credit_model.features.encoder import Encoder
from credit_model.features.rows import RowReader

VALUES = st.none() | st.floats(-1e12, 1e12) | st.sampled_from([0.0, -0.0, 1.0])
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=1, max_size=20)
PLANS = st.sampled_from(
    [
        Derived.model_validate({"name": "d", "rule": rule, "of": of, "over": over, "at_least": at_least, "reason": "r"})
        for rule, of, at_least in [
            ("sum", ("a", "b", "c"), None),
            ("mean", ("a", "b", "c"), None),
            ("max", ("a", "b", "c"), None),
            ("min", ("a", "b", "c"), None),
            ("difference", ("a", "b"), None),
            ("count", ("a", "b", "c"), 0.5),
        ]
        for over in (None, "d4")
    ]
)
CONTRACT = """
name: small
title: Small
id: {source: id}
target: {source: bad}
columns:
  - {name: a, kind: numeric, nullable: true, reason: A}
  - {name: b, kind: integer, reason: B}
  - {name: s, kind: categorical, open: true, reason: S}
  - {name: p, kind: integer, protected: true}
derived:
  - {name: share, rule: sum, of: [a], over: b, reason: A against B}
"""


def columns_of(rows: list[tuple[float | None, ...]], plan: Derived) -> list[np.ndarray]:
    names = ["a", "b", "c", "d4"]
    frame = np.array([[np.nan if value is None else value for value in row] for row in rows])
    return [frame[:, names.index(name)] for name in plan.inputs]


@given(rows=ROWS, plan=PLANS)
def test_one_row_gives_the_very_number_of_the_table(rows: list[tuple[float | None, ...]], plan: Derived) -> None:
    columns = columns_of(rows, plan)
    of_table = plan.of_columns(columns)
    of_rows = [plan.of_values([float(column[row]) for column in columns]) for row in range(len(rows))]
    np.testing.assert_array_equal(of_table, of_rows)


@given(rows=ROWS, plan=PLANS)
def test_rules_are_those_of_pandas(rows: list[tuple[float | None, ...]], plan: Derived) -> None:
    frame = pd.DataFrame(np.column_stack(columns_of(rows, plan)), columns=list(plan.inputs))
    parts = frame[list(plan.of)]
    expected = {
        "sum": lambda: parts.sum(axis=1, min_count=1),
        "mean": lambda: parts.mean(axis=1),
        "max": lambda: parts.max(axis=1),
        "min": lambda: parts.min(axis=1),
        "difference": lambda: parts.iloc[:, 0] - parts.iloc[:, 1],
        "count": lambda: (parts >= plan.at_least).sum(axis=1).where(parts.notna().any(axis=1)),
    }[plan.rule]()
    if plan.over:
        expected = (expected / frame[plan.over]).replace([np.inf, -np.inf], np.nan)
    scale = max(float(parts.abs().max().max()), 1.0) if parts.notna().any().any() else 1.0
    divisor = frame[plan.over].abs().replace(0, np.nan).to_numpy() if plan.over else np.ones(len(frame))
    difference = np.abs(plan.of_columns(columns_of(rows, plan)) - expected.to_numpy(dtype=float))
    same_missing = np.isnan(plan.of_columns(columns_of(rows, plan))) == expected.isna().to_numpy()
    assert same_missing.all()
    assert np.all(np.nan_to_num(difference * divisor) <= 1e-9 * scale)


def test_a_hidden_input_reaches_both_ways_of_scoring() -> None:
    contract = parse_contract(CONTRACT)
    encoder = Encoder(contract, ("share", "s"), {"s": ("x", "y")})
    table = pa.table({"a": [1.0, None, 3.0], "b": [4, 2, 0], "s": ["y", "x", "?"]})
    rows = table.to_pylist()
    np.testing.assert_array_equal(encoder.matrix(table), [[0.25, 1], [np.nan, 0], [np.nan, np.nan]])
    np.testing.assert_array_equal(RowReader(encoder).matrix(rows), encoder.matrix(table))


def test_a_derived_feature_is_a_numeric_column_of_the_model_only() -> None:
    contract = load_contract("uci_credit_card")
    assert contract.column("worst_delay").monotone == "increasing"
    assert "worst_delay" in {column.name for column in contract.model_features}
    assert "worst_delay" not in {column.name for column in contract.features}
    assert "worst_delay" not in contract.arrow_schema().names
    assert parse_contract(contract.dump()) == contract


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: a, rule: sum, of: [b], reason: X}", "'a' is the name of another column"),
        ("{name: share, rule: sum, of: [b], reason: X}", "'share' is the name of another column"),
        ("{name: x, rule: sum, of: [nowhere], reason: X}", "'nowhere' is not a numeric or integer feature"),
        ("{name: x, rule: sum, of: [s], reason: X}", "'s' is not a numeric or integer feature"),
        ("{name: x, rule: sum, of: [p], reason: X}", "'p' is not a numeric or integer feature"),
        ("{name: x, rule: sum, of: [a], over: share, reason: X}", "'share' is not a numeric or integer feature"),
        ("{name: x, rule: count, of: [a], reason: X}", "at_least belongs to the rule count"),
        ("{name: x, rule: difference, of: [a], reason: X}", "exactly two columns"),
        ("{name: x, rule: sum, of: [a]}", "reason"),
    ],
)
def test_faulty_declarations_are_named(entry: str, message: str) -> None:
    with pytest.raises(ContractError, match="derived") as caught:
        parse_contract(f"{CONTRACT}  - {entry}\n", label="small.yaml")
    assert message in str(caught.value)


def test_numbers_too_large_become_missing_in_both_ways() -> None:
    plan = Derived(name="d", rule="sum", of=("a", "b"), reason="r")
    assert isnan(plan.of_values([1e308, 1e308]))
    assert np.isnan(plan.of_columns([np.array([1e308]), np.array([1e308])]))[0]
