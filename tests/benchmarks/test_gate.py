"""The gate decides correctly in situations with a known answer: a small version of `make bench-gate`."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from benchmarks.gate.pairs import PairMaker, Portfolio, Situation
from benchmarks.gate.rates import SITUATIONS, measure, template, truth

pytestmark = pytest.mark.slow

SMALL = Portfolio("small", 6_000, 0.10, 0.80, 0.15, 0.45)
PAIRS = 40
# The maximum share of wrong decisions in clear cases; close calls are in docs/benchmarks.md.
CLEAR = 0.05
CLOSE = {"better by .005", "worse by .005", "worse by .01"}


@pytest.fixture(scope="module")
def document():
    return template()


@pytest.mark.parametrize("situation", [s for s in SITUATIONS if s.promote is not None], ids=lambda s: s.name)
def test_the_gate_is_rarely_wrong(situation, document):
    rate = measure(SMALL, situation, document, pairs=PAIRS, seed=(3,))
    allowed = 0.7 if situation.name in CLOSE else CLEAR
    assert rate.wrong <= stats.binom.ppf(0.999, PAIRS, allowed), rate


def test_the_simulated_scores_have_the_specified_auc_and_calibration(document):
    pair = PairMaker(SMALL, Situation("better", True, gain=0.02), document).draw(np.random.default_rng(4), rows=400_000)
    aucs = [roc_auc_score(pair.outcomes, model.pds) for model in (pair.champion, pair.challenger)]
    assert aucs == pytest.approx([0.80, 0.82], abs=0.004)
    for model in (pair.champion, pair.challenger):
        order = np.array_split(np.argsort(model.pds), 10)
        expected, observed = (np.array([values[part].sum() for part in order]) for values in (model.pds, pair.outcomes))
        assert stats.chi2.sf(np.sum((observed - expected) ** 2 / expected), 10) > 1e-4


def test_a_model_that_is_wrong_at_its_cutoff_can_still_rank_better(document):
    situation = next(s for s in SITUATIONS if s.reversed_band)
    auc_gain, profit_gain = truth(SMALL, situation, document)
    assert auc_gain > 0
    assert profit_gain < 0
