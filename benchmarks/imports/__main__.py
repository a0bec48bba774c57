"""`python -m benchmarks.imports`: time the import of each flow in new processes, against prefect plus awswrangler."""

import argparse
import re
import statistics
import subprocess
import sys

FLOOR = "prefect, awswrangler"
FLOWS = ("flows.ingest", "flows.train", "flows.score", "flows.release", "flows.monitor")
LIMIT = 1.5
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| ")


def seconds(modules: str) -> float:
    """Return the import time in a new process: the sum of the modules' own times from `-X importtime`."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {modules}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sum(int(own) for own in _LINE.findall(done.stderr)) / 1e6


def main() -> int:
    """Measure in turns, so that a busy moment affects all flows alike; return 1 if a flow exceeds the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="new processes per flow; the median counts")
    options = parser.parse_args()
    turns = [{modules: seconds(modules) for modules in (FLOOR, *FLOWS)} for _ in range(options.rounds + 1)]
    medians = {modules: statistics.median(turn[modules] for turn in turns[1:]) for modules in (FLOOR, *FLOWS)}
    print(f"| import | seconds (median of {options.rounds}) | ratio | limit |\n|---|---|---|---|")
    for modules, found in medians.items():
        print(f"| {modules} | {found:.2f} | {found / medians[FLOOR]:.2f} | {LIMIT} |")
    return int(any(found > LIMIT * medians[FLOOR] for found in medians.values()))


if __name__ == "__main__":
    sys.exit(main())
