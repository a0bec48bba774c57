"""Grades, cutoffs and profits against brute force and scikit-learn."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from credit_model.errors import TrainingError
from credit_model.evaluation.evidence import economics_of
from credit_model.metrics.logistic import sigmoid
from credit_model.policy.decisions import (
    Economics,
    at_cutoff,
    choose_cutoffs,
    cutoff_table,
    grade_edges,
    grade_table,
    hard_labels,
    profit_cutoffs,
)
from credit_model.settings import TrainSettings


def sample(seed, rows=4000, level=-2.0):
    rng = np.random.default_rng(seed)
    pds = sigmoid(rng.normal(level, 1.2, rows))
    return rng.random(rows) < pds, pds


def economics(rows, margin=0.1, loss=0.45, seed=0):
    return Economics(margin, loss, np.random.default_rng(seed).uniform(100, 900, rows))


@given(margin=st.floats(0.01, 0.5), loss=st.floats(0.05, 1.0), seed=st.integers(0, 5))
def test_no_cutoff_is_expected_to_earn_more_than_break_even(margin, loss, seed):
    _, pds = sample(seed, rows=300)
    money = economics(300, margin, loss)
    cutoffs = profit_cutoffs(margin=margin, loss_given_default=loss, min_return=0.0)
    best = max(money.expected(pds)[pds < cutoff].sum() for cutoff in [*pds, 1.0])
    assert money.expected(pds)[pds < cutoffs.decline_from].sum() == pytest.approx(best)
    assert cutoffs.approve_below == pytest.approx(money.break_even)


def test_the_refer_band_holds_returns_between_zero_and_the_wanted_one():
    _, pds = sample(1)
    cutoffs = profit_cutoffs(margin=0.1, loss_given_default=0.45, min_return=0.02)
    returns = 0.1 * (1 - pds) - 0.45 * pds
    assert np.array_equal(pds < cutoffs.approve_below, returns > 0.02)
    assert np.array_equal(pds >= cutoffs.decline_from, returns <= 0)


def test_the_rule_of_the_settings_is_followed_and_given_cutoffs_stand():
    _, pds = sample(2)
    by_rate = choose_cutoffs(pds, TrainSettings(target_approval_rate=0.6, decline_share=0.1))
    assert np.mean(pds < by_rate.approve_below) == pytest.approx(0.6, abs=0.001)
    assert np.mean(pds >= by_rate.decline_from) == pytest.approx(0.1, abs=0.001)
    by_profit = choose_cutoffs(pds, TrainSettings(cutoff_rule="expected_profit", margin=0.2, loss_given_default=0.6))
    assert by_profit.decline_from == pytest.approx(0.25)
    given_one = choose_cutoffs(pds, TrainSettings(decline_from=0.01))
    assert (given_one.approve_below, given_one.decline_from) == (0.01, 0.01)


@pytest.mark.parametrize("seed", range(4))
def test_figures_of_a_cutoff_are_scikit_learns(seed):
    outcomes, pds = sample(seed, rows=500)
    money = economics(500)
    for cutoff in (0.05, 0.2, 0.5):
        found, labels = at_cutoff(outcomes, pds, cutoff, money), pds >= cutoff
        assert found["precision"] == pytest.approx(reference.precision_score(outcomes, labels))
        assert found["recall"] == pytest.approx(reference.recall_score(outcomes, labels))
        assert found["f1"] == pytest.approx(reference.f1_score(outcomes, labels))
        assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(outcomes, labels))
        assert found["accuracy"] == pytest.approx(reference.accuracy_score(outcomes, labels))
        assert found["bad_rate"] == pytest.approx(outcomes[~labels].mean())
        repaid = money.amounts[~labels & ~outcomes].sum() * 0.1 - money.amounts[~labels & outcomes].sum() * 0.45
        assert found["realised_profit"] == pytest.approx(repaid)


def test_nobody_approved_or_flagged_divides_by_nothing():
    outcomes, pds = sample(3, rows=50)
    money = economics(50)
    nobody, everybody = at_cutoff(outcomes, pds, 0.0, money), at_cutoff(outcomes, pds, 1.0, money)
    assert (nobody["approved"], nobody["bad_rate"], nobody["expected_profit"]) == (0, 0, 0)
    assert (everybody["precision"], everybody["recall"], everybody["f1"]) == (0, 0, 0)
    table = cutoff_table(outcomes, pds, money)
    assert [entry["cutoff"] for entry in table] == sorted(entry["cutoff"] for entry in table)
    assert any(entry["cutoff"] == pytest.approx(money.break_even) for entry in table)


def test_balanced_labels_are_those_of_a_reweighted_model():
    outcomes, pds = sample(4)
    rate = outcomes.mean()
    reweighted = pds * (1 - rate) / (pds * (1 - rate) + (1 - pds) * rate)
    found = hard_labels(outcomes, pds, economics(len(pds)))
    assert found["balanced"]["recall"] == pytest.approx(reference.recall_score(outcomes, reweighted >= 0.5))
    assert found["half"]["recall"] == pytest.approx(reference.recall_score(outcomes, pds >= 0.5))


@pytest.mark.parametrize(("seed", "rows", "level"), [(1, 4000, -2.0), (2, 20_000, -4.0), (3, 600, -3.0), (4, 90, -1.0)])
def test_grades_rise_and_hold_enough_defaults(seed, rows, level):
    outcomes, pds = sample(seed, rows, level)
    edges = grade_edges(outcomes, pds)
    assert list(edges) == sorted(set(edges))
    table = grade_table(outcomes, pds, grades=tuple("ABCDEFG"[: len(edges) + 1]), edges=edges)
    assert all(grade["defaults"] >= 10 for grade in table)
    for better, worse in pairwise(table):
        assert better["observed"] < worse["observed"]
        assert better["mean_pd"] < worse["mean_pd"]
    assert sum(grade["rows"] for grade in table) == rows


def test_grades_are_the_most_likely_of_all_monotone_ways():
    outcomes, pds = sample(5, 1000)
    levels = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.6])
    coarse = levels[np.argmin(np.abs(pds[:, None] - levels), axis=1)]

    def likelihood(edges):
        place, value = np.searchsorted(edges, coarse, side="right"), 0.0
        rates = []
        for grade in range(len(edges) + 1):
            inside = outcomes[place == grade]
            if inside.sum() < 10 or inside.all():
                return -np.inf
            rates.append(inside.mean())
            value += inside.sum() * np.log(rates[-1]) + (~inside).sum() * np.log(1 - rates[-1])
        return value if rates == sorted(rates) else -np.inf

    every = [edges for count in range(3) for edges in combinations(levels[1:], count)]
    best = max(every, key=likelihood)
    found = grade_edges(outcomes, coarse, grades=3)
    assert likelihood(found) == pytest.approx(likelihood(best))


def test_too_few_defaults_give_one_grade_and_equal_pds_too():
    outcomes, pds = sample(6, 200)
    assert grade_edges(np.arange(200) < 5, pds) == ()
    assert grade_edges(outcomes, np.full(200, 0.1)) == ()


def test_amounts_come_from_the_contract_column_named(portfolio, case):
    table = portfolio.training
    constant = economics_of(table, case, TrainSettings(amount=500))
    assert np.all(constant.amounts == 500)
    column = economics_of(table, case, TrainSettings(amount_column="max_paid_inv_0_24m"))
    assert column.amounts.tolist() == table.column("max_paid_inv_0_24m").to_pylist()
    partly = economics_of(table, case, TrainSettings(amount=7, amount_column="avg_payment_span_0_12m"))
    expected = [7 if value is None else value for value in table.column("avg_payment_span_0_12m").to_pylist()]
    assert partly.amounts.tolist() == expected
    with pytest.raises(TrainingError, match="'has_paid' is not a numeric column"):
        economics_of(table, case, TrainSettings(amount_column="has_paid"))


@pytest.mark.parametrize(
    ("pds", "approved", "declined"),
    [
        ([0.1] * 100, 1.0, 0.0),
        ([0.1] * 50 + [0.3] * 50, 1.0, 0.0),
        ([0.1] * 75 + [0.3] * 21 + [0.6] * 4, 0.75, 0.04),
    ],
)
def test_applicants_with_one_pd_are_treated_alike_as_near_the_target_as_can_be(pds, approved, declined):
    values = np.array(pds)
    cutoffs = choose_cutoffs(values, TrainSettings(target_approval_rate=0.8, decline_share=0.05))
    assert np.mean(values < cutoffs.approve_below) == approved
    assert np.mean(values >= cutoffs.decline_from) == declined


def test_a_cutoff_that_is_given_stands():
    _, pds = sample(2)
    assert choose_cutoffs(pds, TrainSettings(approve_below=0.9)).approve_below == 0.9
    assert choose_cutoffs(pds, TrainSettings(decline_from=0.001)).decline_from == 0.001
