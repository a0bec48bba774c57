"""`python -m benchmarks.batch`: print what batch scoring costs and how it compares with `Booster.predict` alone."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

Numbers = dict[str, Any]
_TITLES = {
    "predict": "Booster.predict alone on a ready array",
    "command parquet": "`credit_model score`, Parquet",
    "command csv": "`credit_model score`, CSV",
    "http parquet": "POST /invocations, Parquet",
    "http csv": "POST /invocations, CSV",
    "pandas parquet": "pandas and LightGBM's scikit-learn wrapper, Parquet",
    "pandas csv": "pandas and LightGBM's scikit-learn wrapper, CSV",
    "polars parquet": "polars and Booster.predict, Parquet",
    "polars csv": "polars and Booster.predict, CSV",
}
# The minimum share of the limit's speed (in processor time), and the maximum growth of memory for ten times the rows.
_GOALS = {"command parquet": 0.85, "http parquet": 0.85, "command csv": 0.70, "http csv": 0.70}
_MEMORY_GOAL = 1.2


def main() -> int:
    """Run the benchmark and return the exit code: 1 if it misses a goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=2, help="rounds; the least processor time counts")
    parser.add_argument("--long", action="store_true", help="also score ten times the rows to measure memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as folder:
        model = _run("prepare", folder, options.rows)
        print(f"{options.rows:,} rows, {len(os.sched_getaffinity(0))} cores, {model['model']}", flush=True)
        found: dict[str, Numbers] = {}
        for _ in range(options.repeat):
            # Take turns, so that a busy moment of the machine does not hit only one of them.
            for piece in _TITLES:
                result = _run(*piece.split(), folder, options.rows)
                if piece not in found or result["cpu_seconds"] < found[piece]["cpu_seconds"]:
                    found[piece] = result
        memory = _memory(folder, options.rows) if options.long else {}
    return _show(found, memory, options.rows)


def _memory(folder: str, rows: int) -> dict[str, float]:
    """Return the peak memory for ten times the rows divided by the peak memory for the rows."""
    _run("lengthen", folder, rows)
    peaks = {}
    for kind in ("parquet", "csv"):
        short, long = (_run(piece, kind, folder, rows)["peak_mib"] for piece in ("command", "long"))
        peaks[kind] = long / short
    return peaks


def _run(*words: object) -> Numbers:
    # polars is installed only for the benchmarks.
    python = os.environ.get("BENCH_PYTHON", sys.executable) if words[0] == "polars" else sys.executable
    command = [python, "-m", "benchmarks.batch.work", *map(str, words)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: Numbers = json.loads(output.splitlines()[-1])
    print(f"{' '.join(map(str, words[:-2]))}: {json.dumps(result)}", file=sys.stderr, flush=True)
    return result


def _show(found: dict[str, Numbers], memory: dict[str, float], rows: int) -> int:
    limit = found["predict"]
    print(f"\n| {'':51} | rows/s | cpu µs a row | share of the limit (cpu) | (wall) | peak MiB |")
    print("|---|---:|---:|---:|---:|---:|")
    for piece, title in _TITLES.items():
        row = found[piece]
        speed, cost = rows / row["seconds"], row["cpu_seconds"] / rows * 1e6
        cpu, wall = (limit[key] / row[key] for key in ("cpu_seconds", "seconds"))
        print(f"| {title:51} | {speed:,.0f} | {cost:.2f} | {cpu:.0%} | {wall:.0%} | {row['peak_mib']:,.0f} |")
    for kind, ratio in memory.items():
        print(f"\npeak memory of ten times the rows, {kind}: {ratio:.2f} x (goal: at most {_MEMORY_GOAL} x)")
    missed = [piece for piece, goal in _GOALS.items() if limit["cpu_seconds"] / found[piece]["cpu_seconds"] < goal]
    print(f"\ngoals (share of the limit, cpu): Parquet 85%, CSV 70%; missed: {', '.join(missed) or 'none'}")
    return int(bool(missed) or any(ratio > _MEMORY_GOAL for ratio in memory.values()))


if __name__ == "__main__":
    sys.exit(main())
