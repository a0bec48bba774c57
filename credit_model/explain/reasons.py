"""Adverse reasons: which of an applicant's values raise the PD most, in the contract's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from credit_model.contract.contract import Contract
from credit_model.types import Matrix

MOST_REASONS = 4


class ReasonBook(BaseModel):
    """Baseline and groups that reasons are measured by; part of a bundle.

    Attributes:
        baseline_of: Whose mean contribution the baseline is.
        baseline: Mean contribution of each feature, in log-odds before calibration.
        groups: Features that tell the same story; each group gives at most one reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    baseline_of: str = "approved applicants of the training data"
    baseline: dict[str, float]
    groups: tuple[tuple[str, ...], ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an applicant's PD is higher than that of the baseline.

    Attributes:
        code: Feature that raises the PD most within its group.
        text: The contract's words for it.
        contribution: Log-odds before calibration that the whole group adds against the baseline.
    """

    code: str
    text: str
    contribution: float


class Explainer:
    """Finds reasons from exact additive contributions in margin space."""

    def __init__(self, book: ReasonBook, contract: Contract, names: Sequence[str]) -> None:
        """Prepare the lookup.

        Args:
            book: Baseline and groups.
            contract: Has the wording of the reasons.
            names: Features in the order of the contributions.
        """
        self._names = tuple(names)
        self._texts = {column.name: column.reason for column in contract.model_features}
        self._baseline = np.array([book.baseline[name] for name in names])
        places = {name: position for position, name in enumerate(names)}
        self._groups = [np.array([places[name] for name in group]) for group in book.groups]

    def explain(self, contributions: Matrix) -> list[tuple[Reason, ...]]:
        """Return up to four reasons for each applicant, the strongest first; none if nothing raises the PD.

        Args:
            contributions: Shape (rows, features + 1) as `Booster.contributions` gives it; the base is not used.
        """
        excess = contributions[:, : len(self._names)] - self._baseline
        return [self._of_one(row) for row in excess]

    def _of_one(self, excess: Matrix) -> tuple[Reason, ...]:
        found = [(float(excess[group].sum()), group[int(np.argmax(excess[group]))]) for group in self._groups]
        raising = sorted((total, -place) for total, place in found if total > 0)[::-1][:MOST_REASONS]
        named = [(self._names[-place], total) for total, place in raising]
        return tuple(Reason(name, self._texts[name], total) for name, total in named)
