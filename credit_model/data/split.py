"""Training and holdout parts of a labelled table: the holdout is the latest fifth, or any fifth without a time axis."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.contract import APPLIED_AT, ID, TARGET, TIMESTAMP_TYPE
from credit_model.errors import DataError
from credit_model.settings import TrainSettings

_SHARE = 0.2
# With a smaller share of the rows on either side, the border says more about gaps in time than about the model.
_LEAST = 0.1
# A holdout needs this many of each outcome for an interval.
_EACH = 2


@dataclass(frozen=True)
class Partition:
    """A labelled table in two parts.

    Attributes:
        training: Rows to learn from.
        holdout: Rows to measure on.
        kind: How they were split, for a report.
    """

    training: pa.Table
    holdout: pa.Table
    kind: str


def part(table: pa.Table, settings: TrainSettings) -> Partition:
    """Split the rows whose outcome is known.

    Args:
        table: Canonical table with `defaulted`.
        settings: Fewest rows and defaults that training needs.

    Raises:
        DataError: The table has no outcomes.
    """
    if TARGET not in table.column_names:
        raise DataError("the file has no target column, so there is nothing to learn; deliver a labelled file")
    labelled = table.filter(pc.is_valid(table.column(TARGET)))
    late, border, doubt = _latest(labelled, settings)
    if not doubt:
        return _parted(labelled, late, f"the latest months, from {border}")
    random = np.array([_hash_share(key) < _SHARE for key in labelled.column(ID).to_pylist()], dtype=np.bool_)
    return _parted(labelled, random, f"every fifth application at random, as {doubt}")


def _latest(labelled: pa.Table, settings: TrainSettings) -> tuple[npt.NDArray[np.bool_], str, str]:
    """Return a mask of the latest fifth, the day it begins, and what speaks against it (empty where nothing does)."""
    times, nothing = labelled.column(APPLIED_AT), np.zeros(labelled.num_rows, dtype=np.bool_)
    if times.null_count == len(times):
        return nothing, "", "there is no time of application"
    if times.null_count:
        return nothing, "", f"{times.null_count:,} of {len(times):,} applications have no time"
    if pc.count_distinct(times).as_py() == 1:
        return nothing, "", "all have the same time of application"
    moments = times.cast(pa.int64())
    border = pc.quantile(moments, q=1 - _SHARE, interpolation="lower")[0]
    late = np.asarray(pc.greater_equal(moments, border))
    day = border.cast(TIMESTAMP_TYPE).as_py().date().isoformat()
    outcomes = np.asarray(labelled.column(TARGET).combine_chunks().to_numpy(zero_copy_only=False), dtype=np.bool_)
    return late, day, _doubt(outcomes, late, settings, day)


def _doubt(outcomes: npt.NDArray[np.bool_], late: npt.NDArray[np.bool_], settings: TrainSettings, border: str) -> str:
    early, latest = outcomes[~late], outcomes[late]
    for side, when, least in ((early, "before", settings.min_defaults), (latest, "from", _EACH)):
        where = f"{when} {border} there are"
        if len(side) < _LEAST * len(outcomes):
            return f"{where} only {len(side):,} of {len(outcomes):,} applications"
        if len(side) - side.sum() < least or side.sum() < least:
            return f"{where} {side.sum():,} defaults in {len(side):,} applications"
    if len(early) < settings.min_rows:
        return f"before {border} there are only {len(early):,} applications to train on"
    return ""


def _hash_share(key: str) -> float:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


def _parted(labelled: pa.Table, late: npt.NDArray[np.bool_], kind: str) -> Partition:
    return Partition(labelled.filter(pa.array(~late)), labelled.filter(pa.array(late)), kind)
