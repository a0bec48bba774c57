"""The check that no feature predicts the outcome on its own."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from credit_model.errors import TrainingError
from credit_model.features.encoder import Encoder
from credit_model.metrics.discrimination import roc_auc
from credit_model.settings import TrainSettings
from credit_model.types import Floats, Matrix, Outcomes

# A level with fewer rows than this says nothing about the outcome, however pure it is.
_LEVEL_ROWS = 30
# A feature that knows the outcome shows it in this many rows.
_LEAK_ROWS = 100_000


def check_leaks(matrix: Matrix, outcomes: Outcomes, encoder: Encoder, settings: TrainSettings) -> None:
    """Refuse a feature that predicts the outcome on its own.

    Args:
        matrix: Encoded features, shape (rows, features).
        outcomes: Shape (rows,).
        encoder: Names and kinds of the columns.
        settings: Has the limit, `leak_auc`.

    Raises:
        TrainingError: Names the feature and its AUC.
    """
    stride = -(-len(matrix) // _LEAK_ROWS)
    matrix, outcomes = matrix[::stride], outcomes[::stride]
    if outcomes.all() or not outcomes.any():
        return
    for position, column in enumerate(encoder.columns):
        values = matrix[:, position]
        risk = _level_rates(values, outcomes) if column.kind == "categorical" else np.nan_to_num(values, nan=-np.inf)
        auc = roc_auc(outcomes, rankdata(risk))  # ranks: scikit-learn refuses infinite scores
        if max(auc, 1 - auc) >= settings.leak_auc:
            raise TrainingError(
                f"column '{column.name}' alone predicts the outcome (AUC {max(auc, 1 - auc):.3f}); it is probably "
                "known only afterwards: remove it from the contract, or raise leak_auc if it is legitimate"
            )


def _level_rates(codes: Floats, outcomes: Outcomes) -> Floats:
    """Return the default rate of each row's level; the overall rate for rare levels."""
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rates = np.bincount(inverse, weights=outcomes) / counts
    shares: Floats = np.where(counts < _LEVEL_ROWS, outcomes.mean(), rates)[inverse]
    return shares
