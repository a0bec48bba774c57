"""`python -m benchmarks.monitor`: measure how often monitoring is wrong and print Markdown tables."""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.gate.rates import interval
from benchmarks.monitor.rates import DRIFTS, Rate, models, watch


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitor", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="portfolios without drift")
    parser.add_argument("--drifted", type=int, default=10, help="portfolios per kind of drift")
    parser.add_argument("--months", type=int, default=24, help="months per portfolio without drift")
    parser.add_argument("--models", type=int, default=5, help="models that take turns at monitoring them")
    parser.add_argument("--training", type=int, default=40_000, help="applications to train and evaluate each model")
    parser.add_argument("--first", type=int, default=0, help="first seed of portfolios and models")
    options = parser.parse_args()
    started, first = time.monotonic(), options.first
    bundles = models(options.models, rows=options.training, first=first)
    print(
        "| applications a month | months | outcomes judged | false alarms a month (95 % interval) | portfolios | by |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for rows in (500, 2_000):
        seeds = range(first, first + options.seeds)
        print(_false_alarms(rows, watch(bundles, seeds=seeds, months=options.months, rows=rows)), flush=True)
    print("\n| drift, 2,000 applications a month | seen by the right measure | alarms |\n|---|---|---|", flush=True)
    for drift in DRIFTS:
        more = {"incidents": drift.incidents, "seen_by": drift.seen_by}
        drifted = range(first, first + options.drifted)
        rate = watch(bundles, seeds=drifted, months=4, rows=2_000, **more)  # type: ignore[arg-type]
        print(
            f"| {drift.name} | {rate.seen / rate.months:.0%} of {rate.months} months | {_alarms(rate)} |",
            flush=True,
        )
    print(f"\n{options.models} models of {options.training:,} applications; {time.monotonic() - started:.0f} s")
    return 0


def _false_alarms(rows: int, rate: Rate) -> str:
    low, high = interval(rate.alarmed, rate.months)
    share = f"{rate.alarmed / rate.months:.2%} ({low:.2%} to {high:.2%})"
    portfolios = f"{rate.portfolios_alarmed} of {rate.portfolios}"
    return f"| {rows:,} | {rate.months:,} | {rate.mature:,} | {share} | {portfolios} | {_alarms(rate) or 'none'} |"


def _alarms(rate: Rate) -> str:
    return ", ".join(f"{name} {hits / rate.months:.1%}" for name, hits in rate.by_measure.most_common())


if __name__ == "__main__":
    sys.exit(main())
