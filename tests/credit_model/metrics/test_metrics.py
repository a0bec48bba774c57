"""Measures against scikit-learn, scipy, hand-worked cases and brute force."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn import metrics as reference

from credit_model.metrics.calibration import (
    brier,
    calibration_errors,
    calibration_in_the_large,
    calibration_slope,
    log_loss,
    reliability,
)
from credit_model.metrics.delong import auc_difference, auc_interval
from credit_model.metrics.discrimination import gini, ks, pr_auc, roc_auc
from credit_model.metrics.logistic import fit_line, logit, sigmoid
from credit_model.metrics.stability import bin_shares, psi, quantile_edges

pytestmark = pytest.mark.slow


def sample(seed, rows=400, rate=0.2, spread=1.0):
    rng = np.random.default_rng(seed)
    outcomes = rng.random(rows) < rate
    scores = sigmoid(rng.normal(size=rows) + spread * outcomes - 1.5)
    return outcomes, np.round(scores, 2)


@st.composite
def labelled(draw):
    size = draw(st.integers(4, 40))
    outcomes = np.array([True, True, False, False, *draw(st.lists(st.booleans(), min_size=size, max_size=size))])
    levels = st.integers(1, 9).map(lambda level: level / 10)
    scores = st.lists(levels, min_size=len(outcomes), max_size=len(outcomes))
    return outcomes, np.array(draw(scores)), np.array(draw(scores))


@given(labelled())
def test_auc_is_the_share_of_well_ordered_pairs(drawn):
    outcomes, scores, _ = drawn
    assume(len(set(scores)) > 1)  # scipy has no Somers' D for a constant
    gaps = scores[outcomes][:, None] - scores[~outcomes][None, :]
    pairs = (gaps > 0).mean() + (gaps == 0).mean() / 2
    assert roc_auc(outcomes, scores) == pytest.approx(pairs)
    assert gini(outcomes, scores) == pytest.approx(stats.somersd(outcomes, scores).statistic)
    assert auc_interval(outcomes, scores).auc == pytest.approx(pairs)


@given(labelled())
def test_ks_is_scipys_two_sample_distance(drawn):
    outcomes, scores, _ = drawn
    expected = stats.ks_2samp(scores[outcomes], scores[~outcomes]).statistic
    assert ks(outcomes, scores) == pytest.approx(expected)


def test_proper_scores_by_hand():
    outcomes = np.array([True, False, False])
    pds = np.array([0.5, 0.25, 0.0])
    assert brier(outcomes, pds) == pytest.approx((0.25 + 0.0625) / 3)
    assert log_loss(outcomes, pds) == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 3)
    # One default at rank 1 of 3: precision 1 at full recall.
    assert pr_auc(outcomes, pds) == pytest.approx(1.0)
    assert pr_auc(~outcomes, pds) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_one_class_is_refused_not_nan():
    with pytest.raises(ValueError, match="all outcomes are the same"):
        roc_auc(np.zeros(3, dtype=bool), np.arange(3.0))
    with pytest.raises(ValueError, match="at least two"):
        auc_interval(np.array([True, False, False]), np.arange(3.0))


@pytest.mark.parametrize("seed", range(3))
def test_logistic_line_maximises_the_likelihood(seed):
    outcomes, scores = sample(seed)
    x = logit(np.clip(scores, 0.01, 0.99))

    def loss(weights):
        z = weights[0] * x + weights[1]
        return np.sum(np.logaddexp(0, z) - outcomes * z)

    best = optimize.minimize(loss, [0.0, 0.0], tol=1e-12)
    assert fit_line(x, outcomes.astype(float)) == pytest.approx(tuple(best.x), abs=1e-4)


def test_calibration_sees_what_was_done_to_true_pds():
    rng = np.random.default_rng(1)
    true = sigmoid(rng.normal(-3, 1.5, 400_000))
    outcomes = rng.random(true.size) < true
    assert calibration_slope(outcomes, true) == pytest.approx(1, abs=0.02)
    assert calibration_in_the_large(outcomes, true) == pytest.approx(0, abs=0.03)
    assert calibration_slope(outcomes, sigmoid(2 * logit(true))) == pytest.approx(0.5, abs=0.01)
    assert calibration_in_the_large(outcomes, sigmoid(logit(true) - 0.7)) == pytest.approx(0.7, abs=0.03)


def test_calibration_errors_are_the_scatter_of_right_pds():
    rng = np.random.default_rng(3)
    true = sigmoid(rng.normal(-2, 1.2, 3000))
    draws = [rng.random(true.size) < true for _ in range(200)]
    slopes = [calibration_slope(outcomes, true) for outcomes in draws]
    larges = [calibration_in_the_large(outcomes, true) for outcomes in draws]
    assert calibration_errors(true) == pytest.approx((np.std(slopes), np.std(larges)), rel=0.2)


def test_reliability_covers_every_row_once():
    outcomes, pds = sample(4, rows=103)
    table = reliability(outcomes, pds, bins=10)
    assert sum(rows for _, _, rows in table) == 103
    assert sum(rate * rows for _, rate, rows in table) == pytest.approx(outcomes.sum())
    assert [mean for mean, _, _ in table] == sorted(mean for mean, _, _ in table)


def test_psi_by_hand():
    # Siddiqi's form: (0.6-0.5) ln(0.6/0.5) + (0.4-0.5) ln(0.4/0.5).
    expected = 0.1 * np.log(1.2) - 0.1 * np.log(0.8)
    assert psi(np.array([0.5, 0.5]), np.array([0.6, 0.4])) == pytest.approx(expected)
    assert psi(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0
    assert np.isfinite(psi(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_bins_hold_every_known_value(values):
    array = np.array([*values, np.nan])
    shares = bin_shares(array, quantile_edges(array))
    assert shares.sum() == pytest.approx(len(values) / (len(values) + 1))


def brute_force_covariance(outcomes, scores):
    """DeLong, DeLong and Clarke-Pearson (1988) as written: structural components from every pair."""
    components = []
    for row in scores:
        gaps = row[outcomes][:, None] - row[~outcomes][None, :]
        wins = (gaps > 0) + 0.5 * (gaps == 0)
        components.append((wins.mean(axis=1), wins.mean(axis=0)))
    m, n = outcomes.sum(), (~outcomes).sum()
    return np.cov([c[0] for c in components]) / m + np.cov([c[1] for c in components]) / n


@settings(max_examples=60)
@given(labelled())
def test_delong_equals_the_definition(drawn):
    outcomes, first, second = drawn
    covariance = brute_force_covariance(outcomes, [first, second])
    result = auc_difference(outcomes, first, second)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert result.standard_error == pytest.approx(np.sqrt(max(variance, 0)), abs=1e-7)
    expected = reference.roc_auc_score(outcomes, second) - reference.roc_auc_score(outcomes, first)
    assert result.difference == pytest.approx(expected)
    assert auc_interval(outcomes, first).standard_error == pytest.approx(np.sqrt(max(covariance[0, 0], 0)), abs=1e-7)
    if result.standard_error > 1e-6:
        z = expected / result.standard_error
        assert result.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-6)


def test_delong_interval_covers_as_often_as_it_says():
    # Normal scores one deviation apart have AUC Phi(1 / sqrt 2).
    truth = stats.norm.cdf(1 / np.sqrt(2))
    hits = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        outcomes = np.arange(200) < 60
        interval = auc_interval(outcomes, rng.normal(size=200) + outcomes)
        hits += interval.low <= truth <= interval.high
    assert 0.90 <= hits / 300 <= 0.985


def test_equal_models_do_not_differ():
    outcomes, scores = sample(2)
    result = auc_difference(outcomes, scores, scores)
    assert (result.difference, result.p_value) == (0, 1)
