"""Fairness tables against fairlearn, and the groups they are about."""

import numpy as np
import pyarrow as pa
import pytest
from fairlearn import metrics as reference

from credit_model.contract.contract import Column
from credit_model.evaluation.fairness import fairness_tables, gaps, group_table, groups_of
from credit_model.metrics.logistic import sigmoid


def sample(seed=1, rows=3000):
    rng = np.random.default_rng(seed)
    pds = sigmoid(rng.normal(-1.5, 1.2, rows))
    groups = rng.choice(["a", "b", "c"], rows, p=[0.6, 0.38, 0.02])
    return rng.random(rows) < pds, pds, groups


def test_figures_of_each_group_are_fairlearns():
    outcomes, pds, groups = sample()
    flagged = pds >= 0.2
    frame = reference.MetricFrame(
        metrics={
            "flagged": reference.selection_rate,
            "true_positive_rate": reference.true_positive_rate,
            "false_positive_rate": reference.false_positive_rate,
            "rows": reference.count,
            "observed": lambda y, _: np.mean(y),
        },
        y_true=outcomes,
        y_pred=flagged,
        sensitive_features=groups,
    )
    table = group_table(groups, outcomes=outcomes, pds=pds, approve_below=0.2)
    assert [entry["group"] for entry in table] == ["a", "b", "c"]
    for entry in table:
        expected = frame.by_group.loc[entry["group"]]
        assert entry["approved"] == pytest.approx(1 - expected["flagged"])
        for name in ("true_positive_rate", "false_positive_rate", "rows", "observed"):
            assert entry[name] == pytest.approx(expected[name])
        assert entry["mean_pd"] == pytest.approx(pds[groups == entry["group"]].mean())


def test_gaps_are_fairlearns_differences_and_leave_small_groups_out():
    outcomes, pds, groups = sample()
    large = groups != "c"
    approved = (pds < 0.2)[large]
    table = group_table(groups, outcomes=outcomes, pds=pds, approve_below=0.2)
    found = gaps(table, min_rows=100)
    parts = {"sensitive_features": groups[large]}
    ratio = reference.demographic_parity_ratio(outcomes[large], approved, **parts)
    assert found["approval_ratio"] == pytest.approx(ratio)
    spread = reference.MetricFrame(
        metrics=reference.true_positive_rate, y_true=outcomes[large], y_pred=~approved, **parts
    ).difference()
    assert found["true_positive_rate"] == pytest.approx(spread)
    assert gaps([table[0] | {"rows": 50}, table[1] | {"rows": 500}]) == {}


def test_a_rate_over_nobody_is_unknown():
    table = group_table(
        np.array(["x", "x", "y"]),
        outcomes=np.array([True, True, False]),
        pds=np.array([0.1, 0.3, 0.2]),
        approve_below=0.2,
    )
    assert table[0]["false_positive_rate"] is None
    assert table[0]["true_positive_rate"] == 0.5
    assert table[1]["true_positive_rate"] is None


def test_ages_fall_into_fixed_bands_in_order():
    age = Column(name="age", kind="integer", protected=True, nullable=True)
    groups = groups_of(pa.chunked_array([[18, 24, 25, 64, 65, 99, None]]), age)
    assert groups.tolist() == [
        "under 25",
        "under 25",
        "25 to under 35",
        "55 to under 65",
        "65 and over",
        "65 and over",
        "missing",
    ]
    table = group_table(groups, outcomes=np.arange(7) < 3, pds=np.full(7, 0.1), approve_below=0.2)
    order = ["under 25", "25 to under 35", "55 to under 65", "65 and over", "missing"]
    assert [entry["group"] for entry in table] == order


def test_other_numbers_fall_into_quarters_and_levels_stay():
    income = Column(name="income", kind="numeric", protected=True, nullable=True)
    values = np.random.default_rng(1).normal(-2, 10, 1000)
    groups = groups_of(pa.chunked_array([values]), income)
    assert sorted(np.unique(groups, return_counts=True)[1].tolist()) == [250] * 4
    assert set(groups_of(pa.chunked_array([pa.array([None, None], pa.float64())]), income)) == {"missing"}
    sex = Column(name="sex", kind="categorical", levels=("1", "2"), protected=True, nullable=True)
    assert groups_of(pa.chunked_array([["2", None, "1"]]), sex).tolist() == ["2", "missing", "1"]
    member = Column(name="member", kind="boolean", protected=True)
    assert groups_of(pa.chunked_array([[True, False]]), member).tolist() == ["True", "False"]


def test_only_protected_columns_that_are_there_are_shown(uci):
    outcomes, pds, _ = sample(rows=100)
    table = pa.table({"sex": ["1", "2"] * 50, "pay_0": [1] * 100})
    found = fairness_tables(table, uci, outcomes=outcomes, pds=pds, approve_below=0.2)
    assert list(found) == ["sex"]
    assert sum(group["rows"] for group in found["sex"]) == 100
