"""`python -m benchmarks.quality`: compare models on UCI and the simulated case, and print Markdown tables."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.quality.data import Portfolio, case, uci
from benchmarks.quality.measure import Result, cross_validate, measure_true_pd
from benchmarks.quality.models import Model, candidates
from credit_model.errors import CreditModelError

_LIBRARIES = ("lightgbm", "scikit-learn", "xgboost-cpu", "catboost")


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--rows", type=int, default=90_000, help="rows of the simulated case, and the most rows of UCI")
    parser.add_argument("--portfolio", choices=("uci_credit_card", "case"), help="only this portfolio")
    parser.add_argument(
        "--model", action="append", default=[], help="only models whose name contains this; the first is the reference"
    )
    options = parser.parse_args()
    try:
        from benchmarks.quality.rivals import rivals  # noqa: PLC0415
    except ModuleNotFoundError as error:
        print(f"{error.name} is missing: the dependency group 'bench' is not installed; use make bench-quality")
        return 2
    models = [model for model in (*candidates(), *rivals()) if not options.model or _named(model, options.model)]
    try:
        for portfolio in _portfolios(options.portfolio, options.rows):
            _compare(portfolio, models)
    except CreditModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\nSettings:\n" + "\n".join(f"- {model.name}: {model.settings}" for model in models))
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    print(f"\nPython {platform.python_version()}, {libraries}")
    return 0


def _named(model: Model, parts: list[str]) -> bool:
    return any(part in model.name for part in parts)


def _portfolios(only: str | None, rows: int) -> list[Portfolio]:
    found = []
    path = os.environ.get("UCI_CSV")
    if path and only in {None, "uci_credit_card"}:
        found.append(uci(Path(path), rows))
    elif only != "case":
        print("UCI skipped: set UCI_CSV to the path of 'default of credit card clients'", file=sys.stderr)
    return [*found, case(rows)] if only in {None, "case"} else found


def _compare(portfolio: Portfolio, models: list[Model]) -> None:
    outcomes = portfolio.outcomes
    print(f"\n{portfolio.name}: {len(outcomes):,} rows, {outcomes.mean():.2%} default\n")
    print("| model | ROC AUC (spread of folds) | ratio | PR AUC | Brier | log loss | CPU seconds | ratio |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    if portfolio.true_pd is not None:
        ceiling = measure_true_pd(portfolio, portfolio.true_pd)
        print(_line(ceiling, None), flush=True)
    ours: Result | None = None
    for model in models:
        result = cross_validate(portfolio, model)
        ours = ours or result
        print(_line(result, ours), flush=True)


def _line(result: Result, ours: Result | None) -> str:
    quality = f"{result.pr_auc:.4f} | {result.brier:.5f} | {result.log_loss:.5f}"
    auc = f"| {result.name} | {result.auc:.4f} ({result.auc_spread:.4f})"
    if ours is None:
        return f"{auc} | | {quality} | | |"
    compared = f"{auc} | {result.auc / ours.auc:.3f} | {quality}"
    return f"{compared} | {result.seconds:.0f} | {result.seconds / ours.seconds:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
