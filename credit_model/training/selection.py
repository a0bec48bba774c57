"""Features that cannot help (empty, constant, duplicate, useless), each with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from credit_model.types import Floats, Matrix


def unfit_features(matrix: Matrix, names: Sequence[str]) -> dict[str, str]:
    """Return the features that say nothing, or nothing new, with the reason.

    Args:
        matrix: Encoded features, shape (rows, features).
        names: Their names; of two equal columns the first is kept.
    """
    first: dict[bytes, str] = {}
    found: dict[str, str] = {}
    for name, values in zip(names, matrix.T, strict=True):
        reason = _silent(values) or _repeated(values, first, name)
        if reason:
            found[name] = reason
    return found


def useless_features(gains: Floats, names: Sequence[str]) -> dict[str, str]:
    """Return the features that no fold's model uses, with the reason; none if no model splits on anything.

    Args:
        gains: Share of the gain of each feature in each fold, shape (folds, features).
        names: Their names.
    """
    highest = gains.max(axis=0)
    if not highest.any():
        return {}
    return {name: "no fold's model splits on it" for name, most in zip(names, highest, strict=True) if most == 0}


def _silent(values: Floats) -> str | None:
    missing = np.isnan(values)
    if missing.all():
        return "all values are missing"
    if not missing.any() and (values == values[0]).all():
        return "the same value everywhere"
    return None


def _repeated(values: Floats, first: dict[bytes, str], name: str) -> str | None:
    # Adding zero turns -0.0 into the 0.0 that it equals.
    digest = hashlib.sha256((np.ascontiguousarray(values) + 0.0).data).digest()
    twin = first.setdefault(digest, name)
    return None if twin == name else f"equal to '{twin}' in every row"
