"""Decisions and PDs of the groups of protected attributes, which the model never sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from credit_model.bundle.evidence import GroupFigures
from credit_model.contract.contract import Column, Contract
from credit_model.data.coercion import flat
from credit_model.types import Floats, Outcomes

Groups = npt.NDArray[np.str_]

MISSING = "missing"
# Fixed bands, so that tables of different models and years can be compared.
_AGE_BANDS = (25, 35, 45, 55, 65)
_QUARTERS = (0.25, 0.5, 0.75)


def fairness_tables(
    table: pa.Table, contract: Contract, *, outcomes: Outcomes, pds: Floats, approve_below: float
) -> dict[str, tuple[GroupFigures, ...]]:
    """Return a table of each protected attribute that the rows have.

    Args:
        table: Has the protected columns, one row for each PD.
        contract: Says which columns are protected.
        outcomes: True for a default, shape (rows,).
        pds: Predicted PDs, shape (rows,).
        approve_below: PD below which applicants are approved.

    Returns:
        The groups of each attribute; attributes in alphabetical order, as in bundle.json.
    """
    return {
        column.name: group_table(
            groups_of(table.column(column.name), column), outcomes=outcomes, pds=pds, approve_below=approve_below
        )
        for column in sorted(contract.protected, key=lambda column: column.name)
        if column.name in table.column_names
    }


def group_table(groups: Groups, *, outcomes: Outcomes, pds: Floats, approve_below: float) -> tuple[GroupFigures, ...]:
    """Return the figures of each group, sorted by label; a rate over an empty group is None.

    Args:
        groups: Group of each row, shape (rows,).
        outcomes: True for a default, shape (rows,).
        pds: Predicted PDs, shape (rows,).
        approve_below: PD below which applicants are approved.
    """
    flagged = pds >= approve_below
    labels = sorted(set(groups.tolist()), key=_rank)
    return tuple(_group(label, groups == label, flagged, outcomes, pds) for label in labels)


def gaps(table: Sequence[GroupFigures], *, min_rows: int = 100) -> dict[str, float]:
    """Return the largest differences between groups of at least `min_rows` rows.

    Returns:
        approval_ratio (lowest approval rate over the highest), and the ranges of true_positive_rate,
        false_positive_rate and of the distance mean_pd - observed (calibration); empty below two such groups.
    """
    large = [group for group in table if group.rows >= min_rows]
    if len(large) < 2:
        return {}
    approved = [group.approved for group in large]
    return {
        "approval_ratio": min(approved) / max(approved) if max(approved) > 0 else 1.0,
        "true_positive_rate": _range(group.true_positive_rate for group in large),
        "false_positive_rate": _range(group.false_positive_rate for group in large),
        "calibration": _range(group.mean_pd - group.observed for group in large),
    }


def _range(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return max(known) - min(known) if known else 0.0


def groups_of(values: pa.ChunkedArray, column: Column) -> Groups:
    """Return the group label of each value: its level, or the band of a number (fixed for `age`, else quarters)."""
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
    """Return a sort key: "under" first, then by the number that a label starts with, missing values last."""
    head = label.removeprefix("under ").split(" ")[0]
    number = float(head) if head.replace(".", "", 1).replace("-", "", 1).isdigit() else float("inf")
    return label == MISSING, not label.startswith("under "), number, label


def _group(label: str, inside: Outcomes, flagged: Outcomes, outcomes: Outcomes, pds: Floats) -> GroupFigures:
    defaults = outcomes[inside]
    return GroupFigures(
        group=label,
        rows=int(inside.sum()),
        defaults=int(defaults.sum()),
        approved=1 - float(flagged[inside].mean()),
        true_positive_rate=_mean(flagged[inside][defaults]),
        false_positive_rate=_mean(flagged[inside][~defaults]),
        mean_pd=float(pds[inside].mean()),
        observed=float(defaults.mean()),
    )


def _mean(flags: Outcomes) -> float | None:
    return float(flags.mean()) if flags.size else None
