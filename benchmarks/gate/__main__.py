"""`python -m benchmarks.gate`: measure the gate's error rates and print them as a Markdown table."""

from __future__ import annotations

import argparse
import platform
import sys
import time

from benchmarks.gate.rates import PORTFOLIOS, SITUATIONS, Rate, interval, measure, template, truth


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--pairs", type=int, default=400, help="pairs per situation")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started, document = time.monotonic(), template()
    for place, portfolio in enumerate(PORTFOLIOS):
        print(
            f"\n{portfolio.name}: {portfolio.rows:,} applications, {portfolio.default_rate:.1%} default, AUC of the "
            f"champion {portfolio.auc}, margin {portfolio.margin:.0%}, loss given default "
            f"{portfolio.loss_given_default:.0%}\n"
        )
        print("| challenger | AUC gain | profit gain | right answer | promoted | wrong (95 % interval) | stopped by |")
        print("|---|---|---|---|---|---|---|", flush=True)
        for number, situation in enumerate(SITUATIONS):
            rate = measure(portfolio, situation, document, pairs=options.pairs, seed=(options.seed, place, number))
            print(_line(rate, *truth(portfolio, situation, document)), flush=True)
    took = time.monotonic() - started
    print(f"\n{options.pairs} pairs each, seed {options.seed}; {took:.0f} s on Python {platform.python_version()}")
    return 0


def _line(rate: Rate, auc_gain: float, profit_gain: float) -> str:
    answer = {True: "promote", False: "refuse", None: "either"}[rate.situation.promote]
    wrong = "not judged"
    if rate.wrong is not None:
        low, high = interval(rate.wrong, rate.pairs)
        wrong = f"{rate.wrong / rate.pairs:.1%} ({low:.1%} to {high:.1%})"
    stopped = ", ".join(f"{name} {hits / rate.pairs:.0%}" for name, hits in rate.stopped_by[:3])
    facts = f"{auc_gain:+.3f} | {profit_gain:+.4f} | {answer} | {rate.promoted / rate.pairs:.1%}"
    return f"| {rate.situation.name} | {facts} | {wrong} | {stopped or 'nothing'} |"


if __name__ == "__main__":
    sys.exit(main())
