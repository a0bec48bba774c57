"""Simulated applications of the credit default case, from its published aggregates; no real row is used."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import yaml

from credit_model.contract.contract import APPLIED_AT, ID, OBSERVED_AT, TARGET, TIMESTAMP_TYPE, Contract, load_contract
from credit_model.errors import CreditModelError
from credit_model.simulation.incidents import BrokenFeature, ChangedRelationship, Incident, PopulationShift
from credit_model.simulation.marginals import Marginal
from credit_model.simulation.true_pd import true_pd
from credit_model.types import Floats

_ORIGIN = np.datetime64("2025-01", "M")
# Drift stops after two years, so that later months stay plausible.
_DRIFT_MONTHS = 24


class SimulationError(CreditModelError):
    """A request that the simulation cannot fulfil."""


@dataclass(frozen=True)
class Simulation:
    """Simulated applications.

    Attributes:
        applications: Canonical table of the `case` contract with `defaulted` and `observed_at`, both null where the
            outcome was not known yet; in order of month.
        true_pd: PD that each outcome was drawn with, shape (rows,); no model can beat it.
    """

    applications: pa.Table
    true_pd: Floats


@dataclass(frozen=True)
class _Facts:
    """Content of simulation.yaml, ready to sample from."""

    marginals: tuple[Marginal, ...]
    factor: Floats
    groups: dict[str, str]

    @property
    def names(self) -> list[str]:
        return [marginal.name for marginal in self.marginals]


def simulate(
    rows: int,
    *,
    months: int = 12,
    start: str = "2025-01",
    seed: int = 1,
    as_of: str | dt.datetime | None = None,
    outcome_delay_months: int = 3,
    drift: float = 1.0,
    incidents: Sequence[Incident] = (),
) -> Simulation:
    """Draw applications with outcomes.

    The first n rows of a month depend on the seed and the month only, so a later call can add a month, or deliver
    the outcomes of earlier months that have become known since.

    Args:
        rows: Applications in all, spread evenly over the months.
        months: Number of months.
        start: First month, `YYYY-MM`.
        seed: Seed; another seed is another portfolio.
        as_of: Time (ISO 8601, UTC) up to which outcomes are known; all are known when absent.
        outcome_delay_months: Months from an application to its outcome.
        drift: Strength of the drift over the months; 0 for none, 1 for mild.
        incidents: What happens to the portfolio; earlier months do not change.

    Raises:
        SimulationError: Fewer rows than months, a negative seed, or a month that is not `YYYY-MM`.

    Example:
        >>> simulate(1000, seed=7).applications.num_rows
        1000
    """
    first = _month(start)
    if seed < 0:
        raise SimulationError(f"seed {seed} is negative; give 0 or more")
    if months < 1 or rows < months:
        raise SimulationError(f"{rows} rows over {months} months: ask for at least one month, and one row for each")
    sizes = [rows // months + (position < rows % months) for position in range(months)]
    happened = [(_month(incident.since), incident) for incident in incidents]
    parts = []
    for month, size in zip(first + np.arange(months), sizes, strict=True):
        now = [incident for since, incident in happened if since <= month]
        parts.append(_simulate_month(month, size, seed, drift, now))
    applications = pa.concat_tables(part for part, _, _ in parts).combine_chunks()
    pds, defaults = (np.concatenate([part[index] for part in parts]) for index in (1, 2))
    applications = _with_outcomes(applications, defaults, outcome_delay_months, as_of)
    return Simulation(applications, pds)


def changed_since(applications: pa.Table, time: str) -> pa.Table:
    """Return a later extract of the portfolio: rows that are new since `time` (ISO 8601), or whose outcome is.

    Raises:
        SimulationError: `time` is not a time.
    """
    since = pa.scalar(_moment(time), pa.timestamp("s")).cast(TIMESTAMP_TYPE)
    observed = pc.fill_null(pc.greater(applications[OBSERVED_AT], since), False)
    return applications.filter(pc.or_(pc.greater_equal(applications[APPLIED_AT], since), observed))


def write_raw_csv(table: pa.Table, contract: Contract, path: str | Path, *, outcome: bool = True) -> Path:
    """Write a canonical table as a raw file, with the portfolio's own headers, separated by semicolons.

    Args:
        table: Canonical table.
        contract: Says which header each column has in raw files.
        path: File to write; gzipped when it ends in `.gz`.
        outcome: Whether to write target and observation time where the table has them.

    Returns:
        The path; `read_applications` reads the file back equal.
    """
    headers = {name: special.source for name, special in contract.special.items()}
    headers |= {column.name: column.header for column in contract.columns}
    left_out = set() if outcome else {TARGET, OBSERVED_AT}
    names = [name for name in table.column_names if name in headers and name not in left_out]
    columns = [_writable(table.column(name)) for name in names]
    raw = pa.table(columns, names=[headers[name] for name in names])
    with pa.output_stream(str(path), compression="detect") as stream:
        pacsv.write_csv(raw, stream, pacsv.WriteOptions(delimiter=";"))
    return Path(path)


def _writable(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(values.type):
        return pc.strftime(values, format="%Y-%m-%dT%H:%M:%SZ")
    return values


@cache
def _facts() -> _Facts:
    text = (resources.files("credit_model") / "simulation.yaml").read_text("utf-8")
    facts: dict[str, Any] = yaml.safe_load(text)
    levels = np.asarray(facts["quantile_levels"])
    marginals = tuple(Marginal.parse(name, spec, levels) for name, spec in facts["columns"].items())
    size = len(marginals)
    correlation: Floats = np.eye(size)
    correlation[np.tril_indices(size, -1)] = [value for row in facts["latent_correlation"] for value in row]
    correlation = np.tril(correlation) + np.tril(correlation, -1).T
    factor: Floats = np.linalg.cholesky(correlation).astype(np.float64)
    return _Facts(marginals, factor, facts["merchant_groups"])


def _month(text: str) -> np.datetime64:
    try:
        return np.datetime64(dt.datetime.strptime(text, "%Y-%m").strftime("%Y-%m"), "M")
    except ValueError as error:
        raise SimulationError(f"start '{text}' is not a month; write it as 2025-01") from error


def _simulate_month(
    month: np.datetime64, rows: int, seed: int, drift: float, incidents: Sequence[Incident]
) -> tuple[pa.Table, Floats, Floats]:
    facts = _facts()
    index = int((month - _ORIGIN).astype(int))
    # One stream for each purpose: the first rows of a month stay the same if more are drawn.
    streams = [np.random.default_rng([seed, index + 10_000, purpose]) for purpose in range(5)]
    latent = streams[0].standard_normal((rows, len(facts.marginals))) @ facts.factor.T
    for incident in incidents:
        if isinstance(incident, PopulationShift):
            latent = incident.of_latent(latent, facts.marginals)
    elapsed = drift * min(max(index, 0), _DRIFT_MONTHS) / 12
    columns = _columns(facts, latent, elapsed)
    pds = true_pd(columns, month_of_year=index % 12, drift=drift, elapsed=elapsed)
    for incident in incidents:
        if isinstance(incident, ChangedRelationship):
            pds = incident.of_pds(pds)
    defaults = streams[1].random(rows) < pds
    identifiers = [f"{high:016x}{low:016x}" for high, low in streams[2].integers(0, 2**63, (rows, 2)).tolist()]
    days = (month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")
    offset = np.floor(streams[3].random(rows) * days.astype(int)) * 86_400 + np.floor(columns["time_hours"] * 3600)
    applied = month.astype("datetime64[s]") + offset.astype("timedelta64[s]")
    for incident in incidents:
        if isinstance(incident, BrokenFeature):
            columns = incident.of_columns(columns, streams[4].random(rows))
    return _table(facts, columns, identifiers, applied), pds, defaults.astype(np.float64)


def _columns(facts: _Facts, latent: Floats, elapsed: float) -> dict[str, Floats]:
    """Return the value or level index of every column, NaN where missing."""
    columns: dict[str, Floats] = {}
    for position, marginal in enumerate(facts.marginals):
        columns[marginal.name] = marginal.values(_normal_cdf(latent[:, position] + marginal.drift * elapsed))
    _make_consistent(columns)
    return columns


_NORMAL_GRID = np.linspace(-6, 6, 4801)
_NORMAL_CDF = np.array([0.5 * (1 + erf(z / 2**0.5)) for z in _NORMAL_GRID])


def _normal_cdf(values: Floats) -> Floats:
    ranks: Floats = np.interp(values, _NORMAL_GRID, _NORMAL_CDF)
    return ranks


def _make_consistent(columns: dict[str, Floats]) -> None:
    """Make columns that describe one thing agree; the copula alone only correlates them."""
    for leader, members in _MISSING_TOGETHER.items():
        absent = np.isnan(columns[leader])
        for member, lowest in members.items():
            columns[member] = np.where(absent, np.nan, np.nan_to_num(columns[member], nan=lowest))
    idle = columns["num_active_inv"] == 0
    status = columns["worst_status_active_inv"]
    columns["worst_status_active_inv"] = np.where(idle, np.nan, np.nan_to_num(status, nan=0.0))
    _empty_archive(columns)
    _late_payments(columns)
    for shorter, longer in _WITHIN:
        columns[longer] = np.maximum(columns[longer], columns[shorter])
    unpaid = columns["max_paid_inv_0_12m"] == 0
    total = np.maximum(columns["sum_paid_inv_0_12m"], columns["max_paid_inv_0_12m"])
    columns["sum_paid_inv_0_12m"] = np.where(unpaid, 0.0, total)


def _late_payments(columns: dict[str, Floats]) -> None:
    """Show archived reminders (status 2) and debt collections (3) of the last year in its worst status."""
    reminded = np.where(columns["num_arch_rem_0_12m"] > 0, 2.0, 0.0)
    collected = np.where(columns["num_arch_dc_0_12m"] > 0, 3.0, 0.0)
    worst = "status_max_archived_0_12_months"
    columns[worst] = np.maximum(columns[worst], np.maximum(reminded, collected))


def _empty_archive(columns: dict[str, Floats]) -> None:
    """Clear status, payments and payment span of applicants without archived invoices."""
    absent = np.isnan(columns["num_arch_written_off_0_12m"])
    columns["has_paid"] = np.where(absent, columns["has_paid"], 1.0)
    for name in _OF_ARCHIVE:
        columns[name] = np.where(absent, np.nan if name in _NO_MEAN else 0.0, columns[name])
    unpaid = np.isnan(columns["num_active_div_by_paid_inv_0_12m"])
    columns["avg_payment_span_0_12m"] = np.where(unpaid, np.nan, columns["avg_payment_span_0_12m"])


_NO_MEAN = ("avg_payment_span_0_12m", "avg_payment_span_0_3m", "num_active_div_by_paid_inv_0_12m")
_OF_ARCHIVE = (
    *_NO_MEAN,
    *(f"status_{which}_archived_0_24m" for which in ("last", "2nd_last", "3rd_last")),
    *(f"status_max_archived_0_{months}_months" for months in (6, 12, 24)),
    *(f"num_arch_{kind}" for kind in ("dc_0_12m", "dc_12_24m", "ok_0_12m", "ok_12_24m", "rem_0_12m")),
)
# Columns that are always missing together, each with its value if only the copula draws it missing.
_MISSING_TOGETHER: dict[str, dict[str, float]] = {
    "account_days_in_rem_12_24m": {"account_days_in_dc_12_24m": 0.0, "account_days_in_term_12_24m": 0.0},
    "account_worst_status_0_3m": {"account_status": 0.0},
    "num_arch_written_off_0_12m": {"num_arch_written_off_12_24m": 0.0},
}
# A maximum over a longer time is at least the one over a shorter time.
_WITHIN = (
    ("status_max_archived_0_6_months", "status_max_archived_0_12_months"),
    ("status_last_archived_0_24m", "status_max_archived_0_24_months"),
    ("status_max_archived_0_12_months", "status_max_archived_0_24_months"),
    ("max_paid_inv_0_12m", "max_paid_inv_0_24m"),
)


def _table(
    facts: _Facts, columns: dict[str, Floats], identifiers: list[str], applied: np.ndarray[Any, Any]
) -> pa.Table:
    contract = load_contract("case")
    arrays: dict[str, pa.Array] = {
        ID: pa.array(identifiers, pa.string()),
        APPLIED_AT: pa.array(applied).cast(pa.timestamp("us")).cast(TIMESTAMP_TYPE),
    }
    for marginal in facts.marginals:
        arrays[marginal.name] = marginal.array(columns[marginal.name])
    group = [facts.groups[category] for category in arrays["merchant_category"].dictionary.to_pylist()]
    arrays["merchant_group"] = pa.array(group).take(arrays["merchant_category"].indices)
    schema = contract.arrow_schema()
    return pa.table([arrays[name].cast(schema.field(name).type) for name in schema.names], schema=schema)


def _with_outcomes(
    applications: pa.Table, defaults: Floats, delay_months: int, as_of: str | dt.datetime | None
) -> pa.Table:
    applied = applications.column(APPLIED_AT).to_numpy().astype("datetime64[s]")
    month = applied.astype("datetime64[M]")
    observed = (month + delay_months).astype("datetime64[s]") + (applied - month.astype("datetime64[s]"))
    known = np.ones(len(applied), dtype=np.bool_) if as_of is None else observed <= _moment(as_of)
    outcome = pa.array(defaults == 1.0, mask=~known)
    time = pa.array(observed, mask=~known).cast(pa.timestamp("us")).cast(TIMESTAMP_TYPE)
    return applications.append_column(TARGET, outcome).append_column(OBSERVED_AT, time)


def _moment(value: str | dt.datetime) -> np.datetime64:
    try:
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise SimulationError(f"time '{value}' is not an ISO 8601 time; write it as 2026-01-01") from error
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    return np.datetime64(moment, "s")
