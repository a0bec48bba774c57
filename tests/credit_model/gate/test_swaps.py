"""Swap sets and profit differences against counts by hand, scipy and published intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from credit_model.gate.swaps import profit_difference, rate_difference, swap_set
from credit_model.policy.decisions import Economics

APPROVE, REFER, DECLINE = 0, 1, 2
SIX = np.array([APPROVE, APPROVE, REFER, REFER, DECLINE, DECLINE])
SIX_LATER = np.array([APPROVE, DECLINE, APPROVE, REFER, APPROVE, REFER])
OUTCOMES = np.array([False, True, False, True, True, False])


@pytest.mark.parametrize(
    ("counts", "ends"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 20), (0.6791, 1.0)),
        ((10, 10, 0, 10), (0.6075, 1.0)),
    ],
)
def test_intervals_are_those_of_newcombes_table_two(counts, ends):
    assert rate_difference(*counts) == pytest.approx(ends, abs=5e-5)


@given(st.integers(0, 40), st.integers(1, 40), st.floats(0.5, 0.999))
def test_against_nobody_the_interval_starts_from_scipys_wilson(hits, misses, confidence):
    rows = hits + misses
    wilson = stats.binomtest(hits, rows).proportion_ci(confidence, method="wilson")
    other = stats.binomtest(0, 50).proportion_ci(confidence, method="wilson")
    low, high = rate_difference(hits, rows, 0, 50, confidence=confidence)
    rate = hits / rows
    assert low == pytest.approx(rate - np.hypot(rate - wilson.low, other.high), abs=1e-9)
    assert high == pytest.approx(wilson.high, abs=1e-9)


def test_the_swap_set_counts_every_move():
    found = swap_set(OUTCOMES, SIX, SIX_LATER)
    moves = {(move.champion, move.challenger): (move.rows, move.defaults) for move in found.moves}
    assert len(moves) == 9
    assert {pair: counts for pair, counts in moves.items() if counts[0]} == {
        ("approve", "approve"): (1, 0),
        ("approve", "decline"): (1, 1),
        ("refer", "approve"): (1, 0),
        ("refer", "refer"): (1, 1),
        ("decline", "approve"): (1, 1),
        ("decline", "refer"): (1, 0),
    }
    assert found.changed == pytest.approx(4 / 6)
    assert (found.swap_ins.rows, found.swap_ins.bad_rate) == (2, 0.5)
    assert (found.swap_outs.rows, found.swap_outs.bad_rate) == (1, 1.0)
    assert found.excess == -0.5


def test_where_nobody_swaps_there_is_no_excess():
    found = swap_set(OUTCOMES, SIX, SIX)
    assert (found.changed, found.excess, found.low, found.high) == (0.0, None, None, None)
    assert found.swap_ins.bad_rate is None


def test_profit_is_that_of_the_approved_loans():
    economics = Economics(0.1, 0.5, np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) * 100)
    pds = np.array([0.01, 0.9, 0.02, 0.3, 0.03, 0.2])
    found = profit_difference(OUTCOMES, SIX, SIX_LATER, pds=pds, economics=economics)
    # Champion: 100 repaid, 200 lost. Challenger: 100 and 300 repaid, 500 lost.
    assert found.champion == pytest.approx((10 - 100) / 6)
    assert found.challenger == pytest.approx((10 + 30 - 250) / 6)
    gained = [0, 100, 30, 0, -250, 0]
    test = stats.ttest_1samp(gained, 0.0)
    assert found.difference == pytest.approx(np.mean(gained))
    assert found.standard_error == pytest.approx(np.mean(gained) / test.statistic)
    promised = -(0.1 * 0.1 - 0.5 * 0.9) * 200 + (0.1 * 0.98 - 0.5 * 0.02) * 300 + (0.1 * 0.97 - 0.5 * 0.03) * 500
    assert found.expected == pytest.approx(promised / 6)
    # As many as the champion's two: the first and the third.
    assert found.equal_approvals == pytest.approx((10 + 30 - (10 - 100)) / 6)


def test_the_profit_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(5)
    economics = Economics(0.1, 0.45, np.ones(2000))
    covered = 0
    for _ in range(300):
        pds = random.beta(1, 9, 2000)
        rival = np.clip(pds * np.exp(random.normal(0, 0.5, 2000)), 0, 1)
        first, second = (np.where(score < 0.12, APPROVE, DECLINE) for score in (rival, pds))
        found = profit_difference(random.random(2000) < pds, first, second, pds=pds, economics=economics)
        covered += found.low <= found.expected <= found.high
    assert covered >= stats.binom.ppf(0.001, 300, 0.95)
