"""Simulated pairs of models: binormal scores, whose AUC and calibration are known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from credit_model.bundle.document import Cutoffs, Document
from credit_model.evaluation.drift import reference_of
from credit_model.gate.checks import Contender
from credit_model.metrics.logistic import logit, sigmoid
from credit_model.policy.decisions import Economics, share_cutoffs
from credit_model.policy.points import points
from credit_model.types import Floats, Outcomes

_APPROVAL, _DECLINE = 0.80, 0.05
_TRAINING_ROWS = 50_000


@dataclass(frozen=True)
class Portfolio:
    """Applicants of a holdout and what their loans earn.

    Attributes:
        name: For the table.
        rows: Applicants.
        default_rate: Share that defaults.
        auc: AUC of the champion.
        margin: Earned on a loan that is repaid.
        loss_given_default: Lost on one that defaults.
    """

    name: str
    rows: int
    default_rate: float
    auc: float
    margin: float
    loss_given_default: float

    def economics(self, rows: int) -> Economics:
        """Margin and loss with amounts of 1."""
        return Economics(self.margin, self.loss_given_default, np.ones(rows))


@dataclass(frozen=True)
class Situation:
    """How a challenger differs from the champion.

    Attributes:
        name: For the table.
        promote: The right answer; None where either will do.
        gain: AUC of the challenger less the champion's, before what follows.
        agreement: Correlation of the two scores among applicants of the same outcome.
        shift: Added to the log-odds of its PDs.
        stretch: Its log-odds are this many times too far from their mean.
        moved: Log-odds by which its training population was riskier than the holdout.
        reversed_band: Half-width, in standard deviations of its score, of a band around its approve cutoff in which it
            ranks the wrong way round.
        approval: Share it approves.
    """

    name: str
    promote: bool | None
    gain: float = 0.0
    agreement: float = 0.9
    shift: float = 0.0
    stretch: float = 1.0
    moved: float = 0.0
    reversed_band: float = 0.0
    approval: float = _APPROVAL


@dataclass(frozen=True)
class Pair:
    """One draw: applicants with their outcomes, and both models on them."""

    outcomes: Outcomes
    champion: Contender
    challenger: Contender


class PairMaker:
    """Draws pairs of one situation in one portfolio.

    Given the outcome y, a score is normal with mean d * y and variance 1: its AUC is Phi(d / sqrt 2), and the posterior
    log-odds are log(rate / (1 - rate)) + d * score - d^2 / 2, so that PDs are exactly right until they are bent.
    """

    def __init__(self, portfolio: Portfolio, situation: Situation, template: Document) -> None:
        self._portfolio, self._situation, self._template = portfolio, situation, template
        self._separation = (_separation(portfolio.auc), _separation(portfolio.auc + situation.gain))
        self._cut = 0.0
        # Cutoffs and the points' distribution come from rows of their own, as they do in training.
        _, champion, challenger = self._scores(_TRAINING_ROWS, np.random.default_rng(1))
        self._cut = float(np.quantile(challenger, situation.approval))
        rival = self._bent(self._reversed(challenger))
        self._champion = self._document(self._pds(champion, 0), approval=_APPROVAL)
        self._challenger = self._document(rival, approval=situation.approval, moved=situation.moved)

    def draw(self, random: np.random.Generator, *, rows: int | None = None) -> Pair:
        """A holdout of the portfolio's size, or of `rows` applicants, and what both models say of it."""
        outcomes, champion, challenger = self._scores(rows or self._portfolio.rows, random)
        pds = self._pds(champion, 0)
        rival = pds if self._situation.agreement == 1 else self._bent(self._reversed(challenger))
        return Pair(
            outcomes,
            Contender("champion", self._champion, pds),
            Contender("challenger", self._challenger, rival),
        )

    def _scores(self, rows: int, random: np.random.Generator) -> tuple[Outcomes, Floats, Floats]:
        outcomes = random.random(rows) < self._portfolio.default_rate
        first, other = random.standard_normal((2, rows))
        agreement = self._situation.agreement
        second = agreement * first + np.sqrt(1 - agreement**2) * other
        return outcomes, first + self._separation[0] * outcomes, second + self._separation[1] * outcomes

    def _pds(self, scores: Floats, model: int) -> Floats:
        d = self._separation[model]
        return sigmoid(_log_odds(self._portfolio.default_rate) + d * scores - d * d / 2)

    def _bent(self, scores: Floats) -> Floats:
        logits = logit(self._pds(scores, 1))
        middle = _log_odds(self._portfolio.default_rate)
        return sigmoid(middle + self._situation.stretch * (logits - middle) + self._situation.shift)

    def _reversed(self, scores: Floats) -> Floats:
        inside = np.abs(scores - self._cut) < self._situation.reversed_band
        return np.where(inside, 2 * self._cut - scores, scores)

    def _document(self, pds: Floats, *, approval: float, moved: float = 0.0) -> Document:
        cutoffs: Cutoffs = share_cutoffs(pds, approval_rate=approval, decline_share=_DECLINE)
        seen = points(sigmoid(logit(pds) + moved), self._template.scale).astype(np.float64)
        return self._template.model_copy(update={"cutoffs": cutoffs, "score_reference": reference_of(seen)})


def _separation(auc: float) -> float:
    return float(np.sqrt(2) * NormalDist().inv_cdf(auc))


def _log_odds(rate: float) -> float:
    return float(np.log(rate / (1 - rate)))
