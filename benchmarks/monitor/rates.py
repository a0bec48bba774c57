"""Simulated months checked against models: how often each measure raises an alarm, with and without drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from credit_model.bundle.bundle import Bundle
from credit_model.contract.contract import load_contract
from credit_model.monitoring.monitor import monitor
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.simulation.incidents import BrokenFeature, ChangedRelationship, Incident, PopulationShift
from credit_model.simulation.simulate import simulate
from credit_model.training.train import train

START = "2026-01"
SETTINGS = TrainSettings(folds=5, max_rounds=150, early_stopping_rounds=20, learning_rate=0.1, studies=False)


@dataclass(frozen=True)
class Drift:
    """A kind of drift from the first month on, and the measures that should detect it."""

    name: str
    incidents: tuple[Incident, ...]
    seen_by: tuple[str, ...]


DRIFTS = (
    Drift("other people apply", (PopulationShift(START),), ("score_psi", "feature_psi")),
    Drift("half as different people apply", (PopulationShift(START, 0.5),), ("score_psi", "feature_psi")),
    Drift("a unit changes", (BrokenFeature(START, "sum_paid_inv_0_12m", factor=100),), ("feature_psi",)),
    Drift("a feature is constant", (BrokenFeature(START, "num_unpaid_bills", factor=0),), ("feature_psi",)),
    Drift("a fifth of a feature is lost", (BrokenFeature(START, "avg_payment_span_0_12m", missing=0.2),), ("missing",)),
    Drift("other people default", (ChangedRelationship(START),), ("roc_auc", "calibration_in_the_large", "grade")),
)


@dataclass
class Rate:
    """Months monitored, months with an alarm, months in which the right measure raised it, and alarms by measure."""

    months: int = 0
    alarmed: int = 0
    mature: int = 0
    seen: int = 0
    portfolios: int = 0
    portfolios_alarmed: int = 0
    by_measure: Counter[str] = field(default_factory=Counter)


def models(number: int, *, rows: int, first: int = 0) -> list[Bundle]:
    """Train each model on its own portfolio without drift, and hold out the last fifth of it."""
    made = []
    for seed in range(first, first + number):
        table = simulate(rows, months=10, start="2025-01", seed=1_000 + seed, drift=0).applications
        border = rows * 4 // 5
        made.append(train(table.slice(0, border), load_contract("case"), SETTINGS, holdout=table.slice(border)))
    return made


def watch(
    bundles: Sequence[Bundle],
    *,
    seeds: range,
    months: int,
    rows: int,
    incidents: tuple[Incident, ...] = (),
    seen_by: tuple[str, ...] = (),
) -> Rate:
    """Monitor one portfolio per seed with one model: `months` months of `rows` applications, all outcomes known."""
    rate, scorers = Rate(), [Scorer(bundle) for bundle in bundles]
    for seed in seeds:
        place = seed % len(bundles)
        before = rate.alarmed
        for table in _months(seed, months=months, rows=rows, incidents=incidents):
            outcomes = table["defaulted"].combine_chunks()
            report = monitor(bundles[place].document, table, scorers[place].pd_of_table(table), outcomes)
            names = {alarm.name for alarm in report.alarms}
            rate.months += 1
            rate.mature += report.mature
            rate.alarmed += bool(names)
            rate.seen += bool(names & set(seen_by))
            rate.by_measure.update(names)
        rate.portfolios += 1
        rate.portfolios_alarmed += rate.alarmed > before
    return rate


def _months(seed: int, *, months: int, rows: int, incidents: tuple[Incident, ...]) -> Iterator[pa.Table]:
    table = simulate(months * rows, months=months, start=START, seed=seed, drift=0, incidents=incidents).applications
    for month in range(months):
        yield table.slice(month * rows, rows)
