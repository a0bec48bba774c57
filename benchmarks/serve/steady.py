"""`python -m benchmarks.serve.steady`: measure cold starts, and one minute at nine tenths of capacity with logging."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.processes import REGION, ServerProcess, aws
from benchmarks.serve.bodies import prepare
from benchmarks.serve.measure import V1, start_server, wrk

SHARE = 0.9
CONNECTIONS = 64
STARTS = 5
# Maximum memory growth after the server has warmed up.
GROWTH = 0.02
BUCKET = "bench-predictions"


def main() -> int:
    """Run the benchmark and return the exit code: 1 if a request fails, memory grows or a prediction is lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve.steady", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    if not shutil.which("wrk"):
        print("wrk is needed: apt-get install wrk", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="bench-steady-") as name, _storage(Path(name)):
        folder = Path(name)
        prepare(folder, rounds=500)
        print(f"cold start to the first correct answer: median {_cold_start(folder):.2f} s of {STARTS}", flush=True)
        with start_server("ours", folder, core=0) as server:
            return _run_steadily(server, folder / "names-1", options.seconds)


def _cold_start(folder: Path) -> float:
    starts = []
    for _ in range(STARTS):
        with start_server("ours", folder, core=0) as server:
            starts.append(server.start_seconds)
    return median(starts)


def _run_steadily(server: ServerProcess, body: Path, seconds: int) -> int:
    url = f"http://127.0.0.1:{server.port}{V1}"
    full = wrk(url, body, connections=CONNECTIONS, seconds=5, core=1)
    wanted = SHARE * full["requests"] / full["seconds"]
    pause = _pause(url, body, wanted)
    before, logged = server.memory_mib(), _metrics(server)
    found = wrk(url, body, connections=CONNECTIONS, seconds=seconds, core=1, pause_ms=pause)
    growth = server.memory_mib() / before - 1
    time.sleep(8)
    kept, dropped = (now - then for now, then in zip(_metrics(server), logged, strict=True))
    rate = found["requests"] / found["seconds"]
    share = f"{rate * SHARE / wanted:.0%} of {wanted / SHARE:,.0f}"
    print(f"{rate:,.0f} requests/s ({share}) for {seconds} s, {found['errors']:.0f} of them failed")
    print(f"p50 {found['p50']:.2f} ms, p99 {found['p99']:.2f} ms")
    print(f"memory {before:.0f} MiB, {growth:+.1%}; predictions logged {kept:,.0f}, dropped {dropped:,.0f}")
    return int(found["errors"] > 0 or growth > GROWTH or dropped > 0)


def _pause(url: str, body: Path, wanted: float) -> int:
    """Return the milliseconds that each connection pauses between requests to reach about the wanted rate."""
    rates = {}
    for pause in range(1, 40):
        found = wrk(url, body, connections=CONNECTIONS, seconds=2, core=1, pause_ms=pause)
        rates[pause] = found["requests"] / found["seconds"]
        if rates[pause] < wanted:
            break
    return min(rates, key=lambda pause: abs(rates[pause] - wanted))


def _metrics(server: ServerProcess) -> tuple[float, float]:
    """Return the numbers of predictions logged and dropped so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    values = {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}
    logged, dropped = (values[f"credit_serve_predictions_{what}_total"] for what in ("logged", "dropped"))
    return logged, dropped


@contextmanager
def _storage(folder: Path) -> Iterator[None]:
    """Run S3 on loopback for the server's prediction log."""
    with aws(folder):
        import boto3  # noqa: PLC0415 - reads the environment

        boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        os.environ |= {"CREDIT_PREDICTION_LOG": f"s3://{BUCKET}/predictions", "CREDIT_PREDICTION_LOG_SECONDS": "5"}
        yield


if __name__ == "__main__":
    sys.exit(main())
