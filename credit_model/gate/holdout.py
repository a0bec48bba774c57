"""The holdout rows on which two models with different contracts can be compared."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from credit_model.bundle.bundle import Bundle
from credit_model.contract.contract import ID, TARGET, Contract
from credit_model.data.coercion import coerce, flat
from credit_model.data.conform import found_columns
from credit_model.data.labelled import known_outcomes
from credit_model.gate.compare import compare
from credit_model.gate.verdict import Check, GateLimits, Verdict

# DeLong's test needs two defaults and two non-defaults.
_MIN_EACH = 2


def compare_contracts(
    champion: Bundle | None,
    challenger: Bundle,
    holdout: pa.Table,
    limits: GateLimits | None = None,
    *,
    champion_holdout: pa.Table | None = None,
) -> Verdict:
    """Compare two models on the applicants that both can read, where their contracts differ.

    The champion cannot read an applicant whose row breaks its contract: a column that it requires is missing, or a
    value is out of its bounds. Where too few applicants remain, the challenger is refused: the check
    `champion_reads_holdout` fails and says what is wrong. A column that the champion's contract allows to be missing
    counts as missing.

    Args:
        champion: Model in production; None before the first release.
        challenger: Model that may replace it.
        holdout: Canonical labelled table under the challenger's contract; neither model was trained on it.
        limits: What the challenger must reach; the defaults when absent.
        champion_holdout: The applicants under the champion's contract, in any order; `holdout` when absent. Applicants
            of one table only are left out.

    Raises:
        TrainingError: The holdout has no outcomes, repeated ids or one class only.
        InputError: A holdout row breaks the challenger's contract.
    """
    if champion is None or champion.contract.digest() == challenger.contract.digest():
        return compare(champion, challenger, holdout, limits)
    own, fault = readable_rows(holdout if champion_holdout is None else champion_holdout, champion.contract)
    shared = _rows_in(holdout, own)
    if _fewest(shared) < _MIN_EACH:
        return _refusal(champion, compare(None, challenger, holdout, limits), shared.num_rows, fault)
    return compare(champion, challenger, shared, limits, champion_holdout=_rows_in(own, holdout))


def readable_rows(table: pa.Table, contract: Contract) -> tuple[pa.Table, str]:
    """Return the rows of a canonical table that keep a contract, and the first reason why a row does not.

    Levels that the contract does not list are no reason, except for an ordinal column: a model scores them as missing.
    """
    found, keep, reason = found_columns(table, contract), np.ones(table.num_rows, dtype=np.bool_), ""
    for column in contract.features:
        if column.name not in found:
            if not column.nullable:
                return table.slice(0, 0), f"column '{column.name}' is missing"
            continue
        faults = coerce(flat(table.column(found[column.name])), column.rule, closed=False).faults
        keep[[fault.row for fault in faults]] = False
        reason = reason or next((f"column '{column.name}': {fault.reason}" for fault in faults), "")
    return table.filter(pa.array(keep)), reason


def _rows_in(table: pa.Table, other: pa.Table) -> pa.Table:
    return table.filter(pc.is_in(table.column(ID), value_set=flat(other.column(ID))))


def _fewest(table: pa.Table) -> int:
    """Return the number of defaults or of non-defaults, whichever is smaller."""
    if TARGET not in table.column_names:
        return _MIN_EACH  # `compare` says that the outcomes are missing
    known = known_outcomes(table, "holdout")
    defaults = pc.sum(known).as_py() or 0
    return int(min(defaults, len(known) - known.null_count - defaults))


def _refusal(champion: Bundle, alone: Verdict, rows: int, fault: str) -> Verdict:
    detail = f"the champion can read {rows:,} of {alone.rows:,} applicants, with at most one default or non-default"
    detail += f" ({fault})" if fault else ""
    check = Check(
        name="champion_reads_holdout",
        value=float(rows),
        limit="two defaults and two non-defaults",
        passed=False,
        detail=f"{detail}; deliver what contract '{champion.contract.name}' of the champion asks for, or have a person "
        "approve the challenger",
    )
    return alone.model_copy(
        update={"promoted": False, "champion": champion.version, "checks": (*alone.checks, check)},
    )
