"""Cross-validation of a whole way of training, not of one model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.model_selection import StratifiedKFold

from credit_model.bundle.measurements import Measurements
from credit_model.contract.contract import TARGET, Contract
from credit_model.data.labelled import known_outcomes
from credit_model.errors import TrainingError
from credit_model.evaluation.measures import evaluate
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.training.train import train_bare
from credit_model.types import Floats, Outcomes


@dataclass(frozen=True)
class CrossValidation:
    """Result of a cross-validation.

    Attributes:
        folds: Measures of each fold, without intervals and curves.
        outcomes: True for a default, shape (labelled rows,).
        pds: PD of each labelled row, by the model that has not seen it, shape (labelled rows,).
        fold_of: Fold that scored each row, shape (labelled rows,).
    """

    folds: tuple[Measurements, ...]
    outcomes: Outcomes
    pds: Floats
    fold_of: npt.NDArray[np.int64]

    def mean(self, measure: str) -> float:
        """Return the mean of a measure over the folds, such as `roc_auc` or `brier`."""
        return float(np.mean([getattr(fold, measure) for fold in self.folds]))


def cross_validate(
    table: pa.Table, contract: Contract, settings: TrainSettings | None = None, *, folds: int = 5, seed: int = 42
) -> CrossValidation:
    """Train on all folds but one and score that one, in turn, stratified by the outcome.

    Everything that training does (early stopping, selection, search, calibration) happens within the training folds.

    Args:
        table: Canonical table with `defaulted`; rows without an outcome are left out.
        contract: The feature contract.
        settings: How to train; the defaults when absent.
        folds: Number of folds.
        seed: Seed of the folds (scikit-learn's `StratifiedKFold` on the labelled rows in their order).

    Raises:
        TrainingError: A training part cannot be trained on.
        InputError: A value breaks the contract.

    Example:
        >>> from credit_model import load_contract, simulate
        >>> table = simulate(4000, months=1, seed=1).applications
        >>> settings = TrainSettings(folds=2, max_rounds=5)
        >>> found = cross_validate(table, load_contract("case"), settings, folds=2)
        >>> len(found.folds), 0.5 < found.mean("roc_auc") < 1
        (2, True)
    """
    if TARGET not in table.column_names:
        raise TrainingError(f"column '{TARGET}' is missing; join the outcomes before cross-validation")
    labelled = table.filter(pc.is_valid(table.column(TARGET)))
    outcomes: Outcomes = known_outcomes(labelled, "table").to_numpy(zero_copy_only=False)
    if min(outcomes.sum(), (~outcomes).sum()) < folds:
        raise TrainingError(f"{folds} folds need {folds} defaults and non-defaults at least; take fewer folds")
    pds, fold_of, measured = np.empty(len(outcomes)), np.empty(len(outcomes), dtype=np.int64), []
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for fold, (train, test) in enumerate(splitter.split(outcomes, outcomes)):
        bundle = train_bare(labelled.take(pa.array(train)), contract, settings or TrainSettings())
        pds[test], fold_of[test] = Scorer(bundle).pd_of_table(labelled.take(pa.array(test))), fold
        measured.append(evaluate(outcomes[test], pds[test], curves=False))
    return CrossValidation(tuple(measured), outcomes, pds, fold_of)
