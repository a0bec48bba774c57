"""Labelled tables, checked before training: enough of both outcomes, unique ids."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from credit_model.contract.contract import ID, TARGET, Contract
from credit_model.data.coercion import flat, to_boolean
from credit_model.data.conform import conform
from credit_model.errors import InputError, TrainingError
from credit_model.settings import TrainSettings
from credit_model.types import Outcomes


@dataclass(frozen=True)
class LabelledTable:
    """A table ready to train or measure on, sorted by id.

    Attributes:
        features: Id and features, canonical.
        outcomes: True for a default, shape (rows,).
        names: Features to use.
        dropped: Features left out, with the reason.
        rows: The same rows with every column of the table, protected attributes among them.
    """

    features: pa.Table
    outcomes: Outcomes
    names: tuple[str, ...]
    dropped: dict[str, str]
    rows: pa.Table


def check_table(
    table: pa.Table,
    contract: Contract,
    settings: TrainSettings | None = None,
    *,
    role: str = "training table",
) -> LabelledTable:
    """Return the rows with a known outcome, canonical and sorted by id.

    Args:
        table: Canonical table with `application_id` and `defaulted`.
        contract: The feature contract.
        settings: Fewest rows and defaults to train on; when absent, as many as it takes to measure a model.
        role: What the table is, for messages.

    Raises:
        TrainingError: The table cannot be used; says why.
        InputError: A value breaks the contract.
    """
    labelled = _labelled(table, role)
    features = _conformed(labelled, contract)
    outcomes: Outcomes = flat(labelled.column(TARGET)).to_numpy(zero_copy_only=False)
    _check_counts(outcomes, settings, role)
    names = tuple(column.name for column in contract.model_features)
    return LabelledTable(features, outcomes, names, {}, labelled)


def _labelled(table: pa.Table, role: str) -> pa.Table:
    for name in (ID, TARGET):
        if name not in table.column_names:
            raise TrainingError(f"{role}: column '{name}' is missing; join the outcomes before training")
    known = known_outcomes(table, role)
    table = table.set_column(table.column_names.index(TARGET), TARGET, known)
    labelled = table.filter(pc.is_valid(known)) if known.null_count else table
    ids = labelled.column(ID)
    if ids.null_count or pc.count_distinct(ids).as_py() != len(ids):
        raise TrainingError(f"{role}: an application_id is missing or repeated; keep one row for each application")
    order = pc.sort_indices(ids)
    columns = [flat(column).take(order) for column in labelled.columns]
    return pa.table(columns, schema=labelled.schema)


def known_outcomes(table: pa.Table, role: str) -> pa.Array:
    """Return the target as booleans, null where it is not known.

    Raises:
        TrainingError: A value is neither true nor false.
    """
    coerced = to_boolean(flat(table.column(TARGET)))
    if coerced.faults:
        first = min(coerced.faults, key=lambda fault: fault.row)
        raise TrainingError(f"{role}: column '{TARGET}' row {first.row}: {first.reason}; send true, false or nothing")
    return coerced.values


def _conformed(labelled: pa.Table, contract: Contract) -> pa.Table:
    """Return the features; a fault names the application too, because the rows are not in the caller's order."""
    try:
        return conform(labelled, contract)
    except InputError as error:
        application = labelled.column(ID)[error.index].as_py()
        reason = f"{error.reason} (application {application}; rows are counted in the order of the ids)"
        raise InputError(index=error.index, column=error.column, value=error.value, reason=reason) from error


def _check_counts(outcomes: Outcomes, settings: TrainSettings | None, role: str) -> None:
    rows, defaults = len(outcomes), int(outcomes.sum())
    # To measure a model takes two of each outcome, for an interval. The gate asks for more.
    min_rows, min_each = (settings.min_rows, settings.min_defaults) if settings else (4, 2)
    if rows < min_rows:
        raise TrainingError(f"{role}: {rows} labelled rows, at least {min_rows} are needed; add rows or outcomes")
    if defaults in {0, rows}:
        kind = "default" if defaults else "non-default"
        raise TrainingError(f"{role}: every outcome is a {kind}; check the target column and the outcome delay")
    if min(defaults, rows - defaults) < min_each:
        raise TrainingError(f"{role}: {defaults} defaults in {rows} rows, at least {min_each} of each are needed")
