"""Command line: run foreign suites against one sandbox AWS, and print a row for each and a line for each failure."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.sandbox.fidelity.suites.junit import Result, results
from tests.sandbox.fidelity.suites.listing import SUITES, Suite
from tests.sandbox.fidelity.suites.world import sandbox

_PLUGINS = Path(__file__).parent / "plugins"


@dataclass(frozen=True)
class Row:
    """What came of one suite: how many of its counted tests passed, and the errors of those that failed."""

    suite: str
    passed: int
    total: int
    failures: dict[str, str]
    uncounted: dict[str, str]


def main(argv: list[str] | None = None) -> int:
    """Run the suites that are there; return 0 if every counted test passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.fidelity.suites", description=__doc__)
    parser.add_argument("folder", type=Path, help="holds the projects' sources: aws-sdk-pandas/, moto/, prefect/")
    parser.add_argument("--only", default="", help="comma-separated names of suites")
    parser.add_argument("--tests", default="", help="a pytest -k expression")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args(argv)
    wanted = set(filter(None, arguments.only.split(","))) or {suite.name for suite in SUITES}
    rows = []
    with tempfile.TemporaryDirectory(prefix="suites-") as state, sandbox(Path(state)) as variables:
        for suite in SUITES:
            if suite.name in wanted and (arguments.folder / suite.project).is_dir():
                rows.append(_run(suite, arguments.folder.resolve(), arguments.tests, variables, Path(state)))
                print(_shown(rows[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    return 0 if rows and not any(row.failures for row in rows) else 1


def _run(suite: Suite, folder: Path, tests: str, variables: dict[str, str], state: Path) -> Row:
    report = state / f"{suite.name}.xml"
    project = folder / suite.project
    files = [str(path.relative_to(project)) for path in _files(suite, project)]
    command = [sys.executable, "-P", "-m", "pytest", *files, "-p", suite.plugin, "-p", "no:cacheprovider", "--quiet"]
    command += [f"--junitxml={report}", "-m", suite.selected, "-k", tests, "--override-ini=addopts="]
    command += ["--continue-on-collection-errors", *(["--import-mode=importlib"] if suite.installed else [])]
    paths = [str(_PLUGINS), *([] if suite.installed else [str(project)])]
    environment = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(paths)}
    with (state / f"{suite.name}.log").open("wb") as log:
        subprocess.run(
            command,
            cwd=project,
            env={**environment, "WR_ATHENA_QUERY_WAIT_POLLING_DELAY": "0.05"},
            stdout=log,
            stderr=log,
            check=False,
        )
    if not report.exists():
        raise SystemExit(f"{suite.name}: pytest wrote no report:\n{(state / f'{suite.name}.log').read_text()[-2000:]}")
    return _row(suite, results(report))


def _files(suite: Suite, project: Path) -> list[Path]:
    """Return a suite's test files that are there, and only those in which a selected test can be."""
    found: list[Path] = []
    for name in suite.files:
        place = project / name
        found += sorted(place.rglob("test_*.py")) if place.is_dir() else [place] if place.exists() else []
    return [path for path in found if not suite.selected or suite.selected in path.read_text(encoding="utf-8")]


def _row(suite: Suite, found: list[Result]) -> Row:
    uncounted = {item.test: why for item in found if (why := _not_counted(suite, item)) is not None}
    counted = [item for item in found if item.test not in uncounted]
    failures = {item.test: item.error for item in counted if item.error is not None}
    return Row(suite.name, len(counted) - len(failures), len(counted), failures, uncounted)


def _not_counted(suite: Suite, item: Result) -> str | None:
    """Return why a test does not count: the suite's own list, it is skipped, or its file needs a missing package."""
    missing = item.error if (item.error or "").startswith("ModuleNotFoundError") else None
    skipped = None if item.skipped is None else item.skipped or "skipped"
    return suite.reason(item.test) or skipped or missing


def _shown(row: Row) -> str:
    lines = [f"{row.suite:<12} {row.passed:>4} / {row.total}"]
    lines += [f"  not counted: {test}: {why}" for test, why in row.uncounted.items()]
    lines += [f"  {test}: {error}" for test, error in row.failures.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
