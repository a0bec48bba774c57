"""The situations, and how often the gate promotes in each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.gate.pairs import PairMaker, Portfolio, Situation
from credit_model.bundle.document import Document
from credit_model.contract.contract import load_contract
from credit_model.gate.checks import judge
from credit_model.gate.verdict import GateLimits
from credit_model.metrics.discrimination import roc_auc
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train

PORTFOLIOS = (
    Portfolio("few defaults", 18_000, 0.014, 0.85, 0.10, 0.45),
    Portfolio("many defaults", 6_000, 0.22, 0.78, 0.30, 0.45),
)
SITUATIONS = (
    Situation("the same model again", True, agreement=1.0),
    Situation("an equal model", None),
    Situation("better by .005", True, gain=0.005),
    Situation("better by .02", True, gain=0.02),
    Situation("better by .02, PDs a tenth too high", True, gain=0.02, shift=0.1),
    Situation("worse by .005", False, gain=-0.005),
    Situation("worse by .01", False, gain=-0.01),
    Situation("worse by .03", False, gain=-0.03),
    Situation("better by .02, PDs twice too high", False, gain=0.02, shift=0.7),
    Situation("better by .02, PDs far too extreme", False, gain=0.02, stretch=1.7),
    Situation("better by .02, learnt on riskier applicants", False, gain=0.02, moved=1.2),
    Situation("wrong way round at the cutoff, better elsewhere", False, gain=0.08, reversed_band=0.8),
    Situation("better by .02, approves half as many", False, gain=0.02, approval=0.4),
)
_TRUTH_ROWS = 500_000


@dataclass(frozen=True)
class Rate:
    """How the gate judged the pairs of one situation.

    Attributes:
        portfolio: Where.
        situation: Which.
        pairs: Pairs judged.
        promoted: Of them promoted.
        stopped_by: How many pairs each check stopped, most first.
    """

    portfolio: Portfolio
    situation: Situation
    pairs: int
    promoted: int
    stopped_by: tuple[tuple[str, int], ...]

    @property
    def wrong(self) -> int | None:
        """Pairs judged wrongly; None where either answer will do."""
        if self.situation.promote is None:
            return None
        return self.pairs - self.promoted if self.situation.promote else self.promoted


def interval(hits: int, pairs: int) -> tuple[float, float]:
    """95 % interval of a rate (Clopper and Pearson 1934)."""
    found = stats.binomtest(hits, pairs).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


def template() -> Document:
    """Document of a small trained model, for what a binormal score does not have: contract and scale."""
    settings = TrainSettings(folds=2, max_rounds=5, min_data_in_leaf=20)
    return train(simulate(3000, months=1).applications, load_contract("case"), settings).document


def measure(portfolio: Portfolio, situation: Situation, document: Document, *, pairs: int, seed: Sequence[int]) -> Rate:
    """Judges `pairs` simulated pairs with the default limits."""
    maker = PairMaker(portfolio, situation, document)
    random, limits = np.random.default_rng(list(seed)), GateLimits()
    promoted, stopped = 0, Counter[str]()
    for _ in range(pairs):
        pair = maker.draw(random)
        verdict = judge(
            pair.outcomes,
            pair.challenger,
            pair.champion,
            economics=portfolio.economics(portfolio.rows),
            limits=limits,
        )
        promoted += verdict.promoted
        stopped.update(check.name for check in verdict.checks if not check.passed)
    return Rate(portfolio, situation, pairs, promoted, tuple(stopped.most_common()))


def truth(portfolio: Portfolio, situation: Situation, document: Document) -> tuple[float, float]:
    """What the challenger really gains: AUC, and profit per application of a large draw.

    The AUC is exact unless the scores are reversed somewhere; bending PDs leaves the ranks alone.
    """
    pair = PairMaker(portfolio, situation, document).draw(np.random.default_rng(2), rows=_TRUTH_ROWS)
    earned = portfolio.economics(_TRUTH_ROWS).realised(pair.outcomes)
    before, after = (
        float((earned * (model.pds < model.document.cutoffs.approve_below)).mean())
        for model in (pair.champion, pair.challenger)
    )
    if not situation.reversed_band:
        return situation.gain, after - before
    auc_gain = roc_auc(pair.outcomes, pair.challenger.pds) - roc_auc(pair.outcomes, pair.champion.pds)
    return auc_gain, after - before
