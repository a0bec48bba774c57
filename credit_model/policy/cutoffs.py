"""Approve, refer or decline by the bundle's cutoffs."""

from __future__ import annotations

import numpy as np

from credit_model.bundle.document import Cutoffs
from credit_model.types import Floats, Integers

DECISIONS = ("approve", "refer", "decline")


def decisions(pds: Floats, cutoffs: Cutoffs) -> Integers:
    """Index into `DECISIONS` for each PD."""
    return np.where(pds >= cutoffs.decline_from, 2, np.where(pds >= cutoffs.approve_below, 1, 0))
