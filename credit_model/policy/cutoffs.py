"""Approve, refer or decline by the bundle's cutoffs."""

from __future__ import annotations

import numpy as np

from credit_model.bundle.document import Cutoffs
from credit_model.types import Floats, Integers

DECISIONS = ("approve", "refer", "decline")


def decisions(pds: Floats, cutoffs: Cutoffs) -> Integers:
    """Return the index into `DECISIONS` for each PD, shape (n,).

    >>> decisions(np.array([0.01, 0.05, 0.2]), Cutoffs(approve_below=0.05, decline_from=0.1)).tolist()
    [0, 1, 2]
    """
    return np.where(pds >= cutoffs.decline_from, 2, np.where(pds >= cutoffs.approve_below, 1, 0))
