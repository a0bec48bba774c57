"""Incidents of a simulated portfolio: other people apply, a feature breaks, or other people default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from credit_model.metrics.logistic import logit, sigmoid
from credit_model.simulation.marginals import Marginal
from credit_model.types import Floats

# A campaign among the young who order at night: shift of the latent normals, in standard deviations.
_CAMPAIGN = {"age": -1.0, "time_hours": -0.6, "num_unpaid_bills": 0.8, "num_arch_ok_0_12m": -0.8, "has_paid": -0.8}


@dataclass(frozen=True)
class PopulationShift:
    """Other people apply; the same rules decide who defaults.

    Attributes:
        since: First month, `YYYY-MM`.
        strength: 1 moves the ages by a standard deviation.
    """

    since: str
    strength: float = 1.0

    def of_latent(self, latent: Floats, marginals: tuple[Marginal, ...]) -> Floats:
        """Return the latent normals of such people, shape (rows, columns)."""
        return latent + self.strength * np.array([_CAMPAIGN.get(marginal.name, 0.0) for marginal in marginals])


@dataclass(frozen=True)
class BrokenFeature:
    """The feed delivers a column wrongly; applicants and outcomes do not change.

    Attributes:
        since: First month, `YYYY-MM`.
        column: A column of the contract.
        factor: Factor of its numbers, as after a change of unit.
        missing: Share of its values that is lost.
    """

    since: str
    column: str
    factor: float = 1.0
    missing: float = 0.0

    def of_columns(self, columns: dict[str, Floats], draw: Floats) -> dict[str, Floats]:
        """Return the columns as delivered; `draw`, uniform with shape (rows,), decides whose value is lost."""
        values = np.where(draw < self.missing, np.nan, columns[self.column] * self.factor)
        return columns | {self.column: values}


@dataclass(frozen=True)
class ChangedRelationship:
    """The same people apply, but others of them default, as in a recession.

    Attributes:
        since: First month, `YYYY-MM`.
        strength: 1 adds 2 to all log-odds of default and halves their spread.
    """

    since: str
    strength: float = 1.0

    def of_pds(self, pds: Floats) -> Floats:
        """Return their new PDs, same shape."""
        odds = logit(pds)
        middle = odds.mean()
        return sigmoid(middle + (1 - 0.5 * self.strength) * (odds - middle) + 2 * self.strength)


Incident = PopulationShift | BrokenFeature | ChangedRelationship
