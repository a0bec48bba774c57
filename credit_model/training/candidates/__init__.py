"""The kinds of model: boosted trees, a random forest and a points scorecard, behind one interface."""

from __future__ import annotations

from credit_model.settings import TrainSettings
from credit_model.training.candidates.base import Candidate
from credit_model.training.candidates.boosting import Boosting
from credit_model.training.candidates.fitted_once import SingleFit, learn_forest, learn_scorecard


def candidate_of(settings: TrainSettings) -> Candidate:
    """Return the candidate that the settings name."""
    candidates: dict[str, Candidate] = {
        "lightgbm": Boosting(),
        "random_forest": SingleFit(learn_forest),
        "scorecard": SingleFit(learn_scorecard),
    }
    return candidates[settings.candidate]
