"""Importance, partial dependence, learning curve, single features and evidence against scikit-learn and scipy."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from sklearn import inspection
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from credit_model.data.conform import conform
from credit_model.evaluation.drift import feature_shifts
from credit_model.evaluation.univariate import describe_features
from credit_model.explain.importance import (
    contribution_importance,
    learning_curve,
    partial_dependence,
    permutation_importance,
)
from credit_model.metrics.logistic import sigmoid
from credit_model.metrics.stability import psi
from credit_model.training.train import train


@pytest.fixture(scope="module")
def linear():
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(6000, 4))
    outcomes = rng.random(6000) < sigmoid(-2.5 + matrix @ np.array([1.2, -0.6, 0.2, 0.0]))
    return matrix, outcomes, LogisticRegression().fit(matrix, outcomes)


def predicting(model):
    return lambda matrix: model.predict_proba(matrix)[:, 1]


def test_permutation_agrees_with_scikit_learn(linear):
    matrix, outcomes, model = linear
    found = permutation_importance(
        matrix, outcomes, predicting(model), features=range(4), seed=1, per_class=2000, repeats=5
    )
    expected = inspection.permutation_importance(
        model, matrix, outcomes, scoring="roc_auc", n_repeats=5, random_state=1
    ).importances_mean
    assert [found[place][0] for place in range(4)] == pytest.approx(expected, abs=0.02)
    assert abs(found[3][0]) < 0.005


def test_partial_dependence_is_scikit_learns(linear):
    matrix, _, model = linear
    curve = np.array(partial_dependence(matrix[:300], predicting(model), 1))
    expected = inspection.partial_dependence(
        model, matrix[:300], [1], custom_values={1: curve[:, 0]}, method="brute", kind="average"
    )
    assert curve[:, 1] == pytest.approx(expected["average"][0])
    assert partial_dependence(np.full((5, 1), np.nan), lambda m: m[:, 0], 0) == []


def test_contribution_importance_tells_strength_and_direction(linear):
    matrix, _, model = linear
    contributions = np.column_stack([matrix * model.coef_[0], np.zeros(len(matrix))])
    found = contribution_importance(matrix, contributions)
    for place, (strength, direction) in enumerate(found[:3]):
        assert strength == pytest.approx(np.mean(np.abs(contributions[:, place])))
        assert direction == pytest.approx(np.sign(model.coef_[0][place]))
    gaps = matrix.copy()
    gaps[::3, 0] = np.nan
    rng = np.random.default_rng(1)
    pushes = np.column_stack([np.round(rng.normal(size=6000) + np.nan_to_num(gaps[:, 0]), 1), np.zeros(6000)])
    known = ~np.isnan(gaps[:, 0])
    expected = stats.spearmanr(gaps[known, 0], pushes[known, 0]).statistic
    assert contribution_importance(gaps[:, :1], pushes)[0][1] == pytest.approx(expected)
    assert contribution_importance(matrix[:, :1], np.zeros((6000, 2))) == [(0.0, 0.0)]


def test_learning_curve_grows_on_rows_apart_from_the_test(linear):
    matrix, outcomes, _ = linear
    seen = []

    def fit(rows, test):
        seen.append((set(rows.tolist()), set(test.tolist())))
        return LogisticRegression().fit(matrix[rows], outcomes[rows]).predict_proba(matrix[test])[:, 1]

    curve = learning_curve(outcomes, fit, seed=1)
    assert [rows for rows, _ in curve] == [480, 1200, 2400, 4800]
    for (smaller, test), (larger, same) in pairwise(seen):
        assert smaller < larger
        assert test == same
        assert not larger & test
    rates = [outcomes[list(rows)].mean() for rows, _ in seen]
    assert rates == pytest.approx([outcomes.mean()] * 4, abs=0.005)
    model = LogisticRegression().fit(matrix[list(seen[-1][0])], outcomes[list(seen[-1][0])])
    test = sorted(seen[0][1])
    expected = roc_auc_score(outcomes[test], model.predict_proba(matrix[test])[:, 1])
    assert curve[-1][1] == pytest.approx(expected, abs=1e-3)


def test_single_features_agree_with_scipy(bundle, portfolio):
    table = portfolio.training
    outcomes = np.array(table.column("defaulted").to_pylist(), dtype=bool)
    matrix = bundle.document.encoder.matrix(conform(table, bundle.contract))
    found = describe_features(matrix, outcomes, bundle.document.encoder)
    span = np.array(table.column("avg_payment_span_0_12m").to_pylist(), dtype=float)
    known = ~np.isnan(span)
    expected = stats.ks_2samp(span[outcomes & known], span[~outcomes & known], method="asymp")
    entry = found["avg_payment_span_0_12m"]
    assert (entry.statistic, entry.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert entry.bad == pytest.approx(np.nanquantile(span[outcomes], (0.25, 0.5, 0.75)))
    assert entry.missing_bad == pytest.approx(np.mean(~known[outcomes]))
    groups = np.array(table.column("merchant_group").to_pylist())
    counts = np.array([[np.sum(groups[kind] == g) for g in sorted(set(groups))] for kind in (outcomes, ~outcomes)])
    expected = stats.chi2_contingency(counts, correction=False)
    entry = found["merchant_group"]
    assert (entry.statistic, entry.p_value) == pytest.approx((expected.statistic, expected.pvalue))


def psis(matrix, document):
    shifts = feature_shifts(matrix, document.reference, document.encoder)
    return {name: shift.psi for name, shift in shifts.items()}


def test_drift_of_numbers_and_levels(bundle, portfolio):
    document, table = bundle.document, portfolio.training
    matrix = document.encoder.matrix(conform(table, bundle.contract))
    same = psis(matrix, document)
    assert set(same) == set(document.features)
    assert max(same.values()) < 1e-9
    names = list(document.features)
    moved = matrix.copy()
    moved[:, names.index("age")] += 30
    moved[:, names.index("merchant_group")] = np.nan
    changed = psis(moved, document)
    assert changed["age"] > 0.25
    shares = np.array([*document.reference["merchant_group"].shares, 0.0])
    assert changed["merchant_group"] == pytest.approx(psi(shares, np.array([0.0] * (len(shares) - 1) + [1.0])))
    assert all(changed[name] == same[name] for name in names if name not in {"age", "merchant_group"})


def test_evidence_is_json_and_judges_the_holdout(bundle, portfolio):
    evidence = bundle.document.evidence
    assert type(evidence).model_validate_json(json.dumps(evidence.model_dump(mode="json"), allow_nan=False)) == evidence
    assert evidence.basis == "holdout"
    assert sum(grade.rows for grade in evidence.grades["holdout"]) == portfolio.holdout.num_rows
    assert sum(grade.rows for grade in evidence.grades["cross_validation"]) == portfolio.training.num_rows
    chosen = evidence.decisions.rules.chosen.approve_below
    assert chosen.cutoff == pytest.approx(bundle.document.cutoffs.approve_below, rel=1e-5)
    known = set(bundle.document.features)
    assert {name for name, *_ in evidence.influence.contribution} <= known
    assert set(evidence.features) == known


def test_without_holdout_evidence_is_out_of_fold(portfolio, case, quick):
    evidence = train(portfolio.training, case, quick).document.evidence
    assert (evidence.basis, evidence.drift, evidence.fairness) == ("cross_validation", None, {})
