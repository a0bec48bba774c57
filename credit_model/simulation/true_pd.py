"""The simulated portfolio's true PD: the published directions of effect, some thresholds and some interactions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from credit_model.metrics.logistic import sigmoid
from credit_model.types import Floats

_INTERCEPT = -5.43
_SPREAD = 1.15
# Positions in simulation.yaml: the largest category (Diversified entertainment); a nickname, and no match at all.
_ENTERTAINMENT = 43
_UNLIKE_NAME = (2, 5)


def true_pd(columns: Mapping[str, Floats], *, month_of_year: int, drift: float, elapsed: float) -> Floats:
    """Return the PD of each application, shape (rows,).

    Args:
        columns: Value or level index of every column, NaN where missing.
        month_of_year: 0 for January; risk is a little higher around the turn of the year.
        drift: Strength of season and trend.
        elapsed: Years of trend, already scaled by the drift.
    """
    season = drift * 0.08 * np.cos(2 * np.pi * month_of_year / 12)
    return sigmoid(_INTERCEPT + season + 0.10 * elapsed + _SPREAD * risk(columns))


def risk(columns: Mapping[str, Floats]) -> Floats:
    """Return the log-odds of default up to intercept and season, shape (rows,)."""
    return _behaviour(columns) + _history(columns) + _circumstances(columns) + _interactions(columns)


def _behaviour(columns: Mapping[str, Floats]) -> Floats:
    span = np.nan_to_num(columns["avg_payment_span_0_12m"], nan=18.0)
    worst = np.nan_to_num(columns["account_worst_status_0_3m"], nan=0.2)
    earlier = np.nan_to_num(columns["account_worst_status_3_6m"], nan=0.2)
    incoming = np.nan_to_num(columns["account_incoming_debt_vs_paid_0_24m"], nan=0.3)
    return (
        0.60 * np.log1p(columns["num_unpaid_bills"])
        + 0.12 * np.log1p(columns["num_active_inv"])
        + 0.035 * np.clip(span - 15, -15, 45)
        + 0.70 * worst
        + 0.30 * earlier
        + 0.25 * np.log1p(np.minimum(incoming, 20))
    )


def _history(columns: Mapping[str, Floats]) -> Floats:
    reminder = np.nan_to_num(columns["account_days_in_rem_12_24m"], nan=0.0)
    last, worst = columns["status_last_archived_0_24m"], columns["status_max_archived_0_24_months"]
    return (
        0.12 * np.log1p(reminder)
        + 0.55 * np.maximum(last - 1, 0)
        + 0.45 * np.maximum(worst - 1, 0)
        - 0.45 * np.log1p(columns["num_arch_ok_0_12m"])
        - 0.25 * np.log1p(columns["num_arch_ok_12_24m"])
        - 0.05 * np.log1p(columns["max_paid_inv_0_24m"])
        - 0.06 * np.log1p(columns["sum_capital_paid_account_0_12m"])
    )


def _circumstances(columns: Mapping[str, Floats]) -> Floats:
    entertainment = columns["merchant_category"] == _ENTERTAINMENT
    logits: Floats = (
        -0.025 * (np.clip(columns["age"], 18, 65) - 35)
        - 0.03 * (columns["time_hours"] - 15)
        + 0.35 * entertainment
        + 0.30 * np.isin(columns["name_in_email"], _UNLIKE_NAME)
    )
    return logits


def _interactions(columns: Mapping[str, Floats]) -> Floats:
    stranger = columns["has_paid"] == 0
    young, night = columns["age"] < 25, columns["time_hours"] < 6
    logits: Floats = 0.5 * stranger * (columns["num_unpaid_bills"] > 0) + 0.4 * young * night + 0.3 * young * stranger
    return logits
