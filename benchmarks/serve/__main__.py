"""`python -m benchmarks.serve`: measure each server under each load, and print our ratios to the others."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.serve.bodies import ROWS, prepare
from benchmarks.serve.measure import Figures, load, start_server

CONNECTIONS = (1, 16)
KINDS = {
    "ours": ("names", "tensors", "binary"),
    # The stock server's matrix is one tensor, its cheapest input; its columns are one tensor each, like ours.
    "stock": ("names", "columns", "tensors", "binary"),
    "fastapi": ("names",),
    "floor": ("names",),
    "hello": ("names",),
}
TITLES = {
    "ours": "images.serve",
    "stock": "KServe's LightGBM server",
    "fastapi": "FastAPI, pydantic, pandas",
    "floor": "bare ASGI (floor)",
    "hello": "hello world",
}
Load = tuple[str, str, int, int]
# The server to compare with, the kind of request for us and for it, the rows, and the minimum ratio.
RATE_BARS = (
    ("stock", "names", "names", 1, 12.0),
    ("floor", "names", "names", 1, 0.60),
    ("stock", "tensors", "columns", 1, 8.0),
    ("stock", "tensors", "tensors", 1, 8.0),
    ("stock", "names", "names", 100, 30.0),
    ("floor", "names", "names", 100, 0.85),
)


def main() -> int:
    """Run the benchmark and return the exit code: 1 if it misses a goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds per load")
    parser.add_argument("--rounds", type=int, default=500, help="approximate number of trees")
    parser.add_argument("--only", choices=list(KINDS), nargs="+", default=list(KINDS), help="servers")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        print("wrk is needed: apt-get install wrk", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as name:
        folder = Path(name)
        scorer = prepare(folder, rounds=options.rounds)
        rounds = (folder / "model.bst").read_text().count("\nTree=")
        print(f"{len(scorer.features)} features, {rounds} trees; server on core 0, wrk on core 1\n", flush=True)
        found = _measure(folder, options.only, options.seconds)
    return _ratios(found)


def _measure(folder: Path, names: list[str], seconds: float) -> dict[Load, Figures]:
    print("| server | start s | request | rows | connections | requests/s | p50 ms | p99 ms | CPU us/request | MiB |")
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    found = {}
    for name in names:
        with start_server(name, folder, core=0) as server:
            for kind in KINDS[name]:
                for rows in ROWS if name != "hello" else ROWS[:1]:
                    body = folder / f"{'stock-' if name == 'stock' else ''}{kind}-{rows}"
                    for connections in CONNECTIONS:
                        one = load(server, body, kind, connections=connections, seconds=seconds, core=1)
                        found[name, kind, rows, connections] = one
                        title = f"| {TITLES[name]} | {server.start_seconds:.1f} | {kind} | {rows} | {connections} "
                        numbers = f"| {one.rate:,.0f} | {one.p50:.2f} | {one.p99:.2f} | {one.cpu:,.0f} "
                        print(f"{title}{numbers}| {server.peak_mib():.0f} |", flush=True)
    return found


def _ratios(found: dict[Load, Figures]) -> int:
    """Print the goals and whether each is met at 16 connections, with CPU ratios, which other load disturbs least."""
    print("\n| 16 connections | against | requests/s ratio | bar | CPU ratio | met |")
    print("|---|---|---:|---:|---:|---|")
    missed = 0
    for peer, kind, theirs, rows, bar in RATE_BARS:
        ours, other = found.get(("ours", kind, rows, 16)), found.get((peer, theirs, rows, 16))
        if ours and other:
            ratio = ours.rate / other.rate
            missed += ratio < bar
            against = TITLES[peer] if theirs == kind == "names" else f"{TITLES[peer]}, {theirs}"
            label = f"| {rows} by {kind} | {against} | {ratio:.2f} | {bar:.2f} | {other.cpu / ours.cpu:.2f} "
            print(f"{label}| {'yes' if ratio >= bar else 'NO'} |")
    ours, stock = found.get(("ours", "names", 1, 16)), found.get(("stock", "names", 1, 16))
    if ours and stock:
        ratio = ours.p99 / stock.p99
        missed += ratio > 0.2
        print(
            f"| p99, 1 by names | {TITLES['stock']} | {ratio:.3f} | at most 0.2 | | {'yes' if ratio <= 0.2 else 'NO'} |"
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
