"""How hosts share one training: the rows of each, and LightGBM's parameters for distributed learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Share:
    """The part of one host.

    Every host holds all rows, learns the same bins from them, and builds the histograms of its own rows; LightGBM's
    data-parallel learner adds these up, so every host grows the same trees. The network between the hosts must be up
    (`LGBM_NetworkInit`) in the thread that trains.

    Attributes:
        rank: Position of this host, from 0.
        hosts: Number of hosts.
    """

    rank: int = 0
    hosts: int = 1

    @property
    def alone(self) -> bool:
        """Whether there is no other host."""
        return self.hosts == 1

    def of(self, rows: Rows) -> Rows:
        """Return this host's part of some rows: every `hosts`-th."""
        return rows[self.rank :: self.hosts]

    @property
    def parameters(self) -> dict[str, object]:
        """LightGBM parameters in addition to the usual ones; none for a host alone."""
        return {} if self.alone else {"tree_learner": "data", "num_machines": self.hosts}
