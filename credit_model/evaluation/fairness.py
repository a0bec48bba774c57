"""How decisions and PDs fall out for groups of protected attributes, which the model never sees."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from credit_model.contract.contract import Column, Contract
from credit_model.data.coercion import flat
from credit_model.types import Floats, Outcomes

Groups = npt.NDArray[np.str_]

MISSING = "missing"
# Fixed bands, so that tables of different models and years can be laid side by side.
_AGE_BANDS = (25, 35, 45, 55, 65)
_QUARTERS = (0.25, 0.5, 0.75)


def fairness_tables(
    table: pa.Table, contract: Contract, *, outcomes: Outcomes, pds: Floats, approve_below: float
) -> dict[str, list[dict[str, Any]]]:
    """Table of each protected attribute the rows have.

    Args:
        table: Has the protected columns, one row for each PD.
        contract: Says which columns are protected.
        outcomes: True for a default, shape (rows,).
        pds: Predicted PDs, shape (rows,).
        approve_below: PD below which applicants are approved.

    Returns:
        By attribute in alphabetical order, as bundle.json keeps it, the groups as `group_table` describes them.
    """
    return {
        column.name: group_table(
            groups_of(table.column(column.name), column), outcomes=outcomes, pds=pds, approve_below=approve_below
        )
        for column in sorted(contract.protected, key=lambda column: column.name)
        if column.name in table.column_names
    }


def group_table(groups: Groups, *, outcomes: Outcomes, pds: Floats, approve_below: float) -> list[dict[str, Any]]:
    """Figures of each group, sorted by its label.

    Args:
        groups: Group of each row, shape (rows,).
        outcomes: True for a default, shape (rows,).
        pds: Predicted PDs, shape (rows,).
        approve_below: PD below which applicants are approved.

    Returns:
        For each group: rows, defaults, approved (share), true_positive_rate (share of its defaults that are not
        approved), false_positive_rate (share of its non-defaults that are not approved), mean_pd, observed (default
        rate). A rate over nobody is None.
    """
    flagged = pds >= approve_below
    return [_group(label, groups == label, flagged, outcomes, pds) for label in sorted(set(groups.tolist()), key=_rank)]


def gaps(table: list[dict[str, Any]], *, min_rows: int = 100) -> dict[str, float]:
    """Largest differences between groups of at least `min_rows` rows.

    Returns:
        approval_ratio (lowest approval rate over the highest), and the ranges of true_positive_rate,
        false_positive_rate and of the distance mean_pd - observed (calibration); empty below two such groups.
    """
    large = [group for group in table if group["rows"] >= min_rows]
    if len(large) < 2:
        return {}
    approved = [group["approved"] for group in large]
    found = {"approval_ratio": min(approved) / max(approved) if max(approved) > 0 else 1.0}
    for name in ("true_positive_rate", "false_positive_rate"):
        known = [group[name] for group in large if group[name] is not None]
        found[name] = max(known) - min(known) if known else 0.0
    errors = [group["mean_pd"] - group["observed"] for group in large]
    return found | {"calibration": max(errors) - min(errors)}


def groups_of(values: pa.ChunkedArray, column: Column) -> Groups:
    """Group label of each value: the level, or the band of a number (fixed for `age`, else quarters)."""
    if column.kind not in {"numeric", "integer"}:
        labels = [MISSING if value is None else str(value) for value in flat(values).to_pylist()]
        return np.array(labels, dtype=np.str_)
    numbers: Floats = flat(values).cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = numbers[~np.isnan(numbers)]
    if column.name == "age":
        edges = np.array(_AGE_BANDS, dtype=np.float64)
    else:
        edges = np.unique(np.quantile(known, _QUARTERS)) if known.size else np.empty(0)
    bands: Groups = np.array([*_band_labels(edges), MISSING], dtype=np.str_)
    return bands[np.where(np.isnan(numbers), len(bands) - 1, np.searchsorted(edges, numbers, side="right"))]


def _band_labels(edges: Floats) -> list[str]:
    if not edges.size:
        return ["all"]
    inner = [f"{low:g} to under {high:g}" for low, high in pairwise(edges.tolist())]
    return [f"under {edges[0]:g}", *inner, f"{edges[-1]:g} and over"]


def _rank(label: str) -> tuple[bool, bool, float, str]:
    """Sorts "under" first, then by the number a label starts with, and missing values last."""
    head = label.removeprefix("under ").split(" ")[0]
    number = float(head) if head.replace(".", "", 1).replace("-", "", 1).isdigit() else float("inf")
    return label == MISSING, not label.startswith("under "), number, label


def _group(label: str, inside: Outcomes, flagged: Outcomes, outcomes: Outcomes, pds: Floats) -> dict[str, Any]:
    defaults = outcomes[inside]
    return {
        "group": label,
        "rows": int(inside.sum()),
        "defaults": int(defaults.sum()),
        "approved": 1 - float(flagged[inside].mean()),
        "true_positive_rate": _mean(flagged[inside][defaults]),
        "false_positive_rate": _mean(flagged[inside][~defaults]),
        "mean_pd": float(pds[inside].mean()),
        "observed": float(defaults.mean()),
    }


def _mean(flags: Outcomes) -> float | None:
    return float(flags.mean()) if flags.size else None
