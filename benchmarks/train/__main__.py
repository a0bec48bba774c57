"""`python -m benchmarks.train`: compare time and peak memory with bare LightGBM."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from credit_model.settings import TrainSettings

_TITLES = {
    "ours": "credit_model.train",
    "protocol": "bare LightGBM, same protocol",
    "single": "bare LightGBM, one fit only",
}
_GOALS = "goal against the same protocol: time at most 1.25 x, peak memory at most 2 x"


def main() -> int:
    """Run the benchmark and return the exit code: 1 if it misses a goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a training setting")
    parser.add_argument("--repeat", type=int, default=1, help="rounds; the fastest counts")
    options = parser.parse_args()
    settings = TrainSettings.from_hyperparameters(dict(text.split("=", 1) for text in options.set))
    with tempfile.TemporaryDirectory(prefix="bench-train-") as folder:
        prepared = _run("prepare", folder, settings, options.rows)
        print(f"{prepared['rows']:,} rows x {prepared['features']} features, {options.threads} threads", flush=True)
        found = _measure(folder, settings, options.threads, options.repeat)
    _show(found)
    time_ratio, memory_ratio = (found["ours"][k] / found["protocol"][k] for k in ("seconds", "peak_mib"))
    return int(time_ratio > 1.25 or memory_ratio > 2)


def _measure(folder: str, settings: TrainSettings, threads: int, repeat: int) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for _ in range(repeat):
        # Take turns, so that a busy moment of the machine does not hit only one of them.
        for piece in _TITLES:
            more = (found["protocol"]["rounds"],) if piece == "single" else ()
            result = _run(piece, folder, settings, threads, *more)
            print(f"{piece}: {json.dumps(result)}", file=sys.stderr, flush=True)
            if piece not in found or result["seconds"] < found[piece]["seconds"]:
                found[piece] = result
    return found


def _run(piece: str, folder: str, settings: TrainSettings, *numbers: int) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.train.work", piece, folder, settings.model_dump_json()]
    output = subprocess.run([*words, *map(str, numbers)], check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def _show(found: dict[str, dict[str, Any]]) -> None:
    base = found["protocol"]
    print(f"\n| {'':28} | rounds | wall s | cpu s | peak MiB | time ratio | memory ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for piece, title in _TITLES.items():
        row = found[piece]
        times, memory = row["seconds"] / base["seconds"], row["peak_mib"] / base["peak_mib"]
        numbers = f"{row['rounds']} | {row['seconds']:.1f} | {row['cpu_seconds']:.1f} | {row['peak_mib']:,.0f}"
        print(f"| {title:28} | {numbers} | {times:.2f} | {memory:.2f} |")
    print(f"\n{_GOALS}")


if __name__ == "__main__":
    sys.exit(main())
