"""The command line: simulate, validate, train, score and compare on a laptop.

Exit codes: 0 done, 1 unusable data or model, 2 wrong usage, 3 bad rows, 4 refused by `compare`, 130 stopped by Ctrl-C,
143 stopped by SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from credit_model.bundle.archive import write_archive
from credit_model.bundle.bundle import Bundle
from credit_model.bundle.document import Lineage
from credit_model.cli.assignments import assigned
from credit_model.cli.compare import add_compare
from credit_model.contract.contract import ID, load_contract
from credit_model.data.outputs import file_target, new_file_target, new_folder_target
from credit_model.data.reading import ReadResult, read_applications
from credit_model.data.split import part
from credit_model.errors import CreditModelError, DataError
from credit_model.scoring.files import score_files
from credit_model.scoring.scorer import Scorer
from credit_model.settings import TrainSettings
from credit_model.simulation.simulate import changed_since, simulate, write_raw_csv

_BAD_ROWS = 3
_BAR_WIDTH = 28


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Command line without the program; that of the process when absent.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except CreditModelError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        print(f"error: {what}; check the path and the free space on the disk", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m credit_model", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_simulate(commands.add_parser("simulate", help="write a simulated raw CSV of the case portfolio"))
    _add_validate(commands.add_parser("validate", help="check a raw file against a contract"))
    _add_train(commands.add_parser("train", help="train a bundle on a labelled raw file"))
    _add_score(commands.add_parser("score", help="score a raw file with a bundle"))
    add_compare(commands.add_parser("compare", help="ask the gate whether a challenger may replace a champion"))
    return parser


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, help="CSV to write (.csv or .csv.gz)")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--start", default="2025-01", help="first month, YYYY-MM")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as-of", help="time up to which outcomes are known (ISO 8601)")
    parser.add_argument("--changed-since", help="only rows made, or whose outcome became known, since this time")
    parser.add_argument("--true-pd", type=Path, help="CSV to write application_id and true_pd of all rows to")
    parser.set_defaults(command=_simulate)


def _add_validate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, help="CSV or Parquet")
    parser.add_argument("--contract", required=True, help="name of a shipped contract, or the path of one")
    parser.add_argument("--rejected", type=Path, help="CSV to write the faults to")
    parser.set_defaults(command=_validate)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, help="labelled CSV or Parquet")
    parser.add_argument("output", type=Path, help="new folder for the bundle")
    parser.add_argument("--contract", required=True, help="name of a shipped contract, or the path of one")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a training setting")
    parser.add_argument("--archive", type=Path, help="also write the bundle as this model.tar.gz")
    parser.set_defaults(command=_train)


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", required=True, type=Path, help="folder of a bundle")
    parser.add_argument("--input", required=True, type=Path, help="CSV or Parquet file, or a folder of them")
    parser.add_argument("--output", required=True, type=Path, help="scores, .csv or .parquet")
    parser.add_argument(
        "--reasons", action="store_true", help="add the reason codes of applicants who are not approved"
    )
    parser.add_argument("--rejected", type=Path, help="CSV to write the faults of rows left out to")
    parser.set_defaults(command=_score)


def _check_targets(check: Callable[[Path], Path], *paths: Path | None) -> None:
    """Check where to write before any work is done."""
    for path in paths:
        if path is not None:
            check(path)


def _simulate(options: argparse.Namespace) -> int:
    _check_targets(file_target, options.output, options.true_pd)
    simulation = simulate(
        options.rows, months=options.months, start=options.start, seed=options.seed, as_of=options.as_of
    )
    applications = simulation.applications
    if options.changed_since:
        applications = changed_since(applications, options.changed_since)
    path = write_raw_csv(applications, load_contract("case"), options.output)
    if options.true_pd:
        pacsv.write_csv(pa.table({ID: simulation.applications[ID], "true_pd": simulation.true_pd}), options.true_pd)
    print(f"{applications.num_rows:,} applications in {path}")
    return 0


def _validate(options: argparse.Namespace) -> int:
    _check_targets(file_target, options.rejected)
    result = read_applications(options.input, load_contract(options.contract))
    print(f"{result.accepted.num_rows:,} of {result.rows:,} rows keep the contract")
    if result.ignored_columns:
        print(f"ignored columns: {', '.join(result.ignored_columns)}")
    _show_rejected(result, options.input)
    if options.rejected:
        pacsv.write_csv(result.rejected, options.rejected)
    return _BAD_ROWS if result.rejected.num_rows else 0


def _train(options: argparse.Namespace) -> int:
    # LightGBM and scikit-learn take a second to import; the other commands should not wait for them.
    from credit_model.training.train import train  # noqa: PLC0415

    contract = load_contract(options.contract)
    settings = _settings(options.set)
    _check_targets(new_folder_target, options.output)
    _check_archive(options.archive, options.output)
    result = read_applications(options.input, contract)
    _show_rejected(result, options.input)
    parted = part(result.accepted, settings)
    print(f"holdout: {parted.kind}", file=sys.stderr)
    lineage = Lineage(extra={"holdout": parted.kind})
    bundle = train(parted.training, contract, settings, holdout=parted.holdout, lineage=lineage, progress=_bar)
    bundle.save(options.output)
    if options.archive:
        write_archive(options.output, options.archive)
    _show_metrics(bundle)
    print(f"bundle {bundle.version} in {options.output}; read {options.output / 'report.html'}")
    return 0


def _settings(assignments: Sequence[str]) -> TrainSettings:
    values = assigned(assignments, TrainSettings, "setting", example="learning_rate=0.03")
    return TrainSettings.from_hyperparameters(values)


def _check_archive(archive: Path | None, output: Path) -> None:
    _check_targets(new_file_target, archive)
    if archive and archive.resolve().is_relative_to(output.resolve()):
        raise DataError(
            f"{archive}: is inside the bundle's own folder, which may hold nothing else; choose another path"
        )


def _score(options: argparse.Namespace) -> int:
    _check_targets(file_target, options.output, options.rejected)
    found = score_files(
        Scorer(Bundle.load(options.bundle)),
        options.input,
        options.output,
        reasons=options.reasons,
        rejected=options.rejected,
        progress=_Steps(),
    )
    for path in found.passed_over:
        print(f"{path}: skipped, because it is neither CSV nor Parquet", file=sys.stderr)
    if found.rejected:
        print(f"{options.input}: {found.rejected:,} rows left out:", file=sys.stderr)
    for fault in found.examples.slice(0, 5).to_pylist():
        print(f"  {fault['file']} column '{fault['column']}' row {fault['row']}: {fault['reason']}", file=sys.stderr)
    if found.rejected and not options.rejected:
        print("  add --rejected FILE to write all of them to a file", file=sys.stderr)
    print(f"{found.rows:,} scores in {options.output}")
    return _BAD_ROWS if found.rejected else 0


class _Steps:
    """The progress of scoring: every hundredth on a terminal, every tenth in a log."""

    def __init__(self) -> None:
        self._every = 0.01 if sys.stderr.isatty() else 0.1
        self._next, self._began = self._every, time.monotonic()

    def __call__(self, share: float, rows: int) -> None:
        if share >= min(self._next, 1):
            self._next = share + self._every
            speed = rows / max(time.monotonic() - self._began, 1e-9)
            _bar("score", share, f"{rows:,} rows, {speed:,.0f} rows/s")


def _show_rejected(result: ReadResult, path: Path) -> None:
    bad = pc.count_distinct(result.rejected.column("row")).as_py()
    if not bad:
        return
    print(f"{path}: {bad:,} rows left out:", file=sys.stderr)
    for fault in result.rejected.slice(0, 5).to_pylist():
        print(f"  column '{fault['column']}' row {fault['row']}: {fault['reason']}", file=sys.stderr)
    if result.rejected.num_rows > 5:
        print(f"  and {result.rejected.num_rows - 5:,} more; see validate --rejected", file=sys.stderr)


def _show_metrics(bundle: Bundle) -> None:
    parts = bundle.metrics.model_dump(mode="json").items()
    numbers = {part: {k: v for k, v in measured.items() if isinstance(v, int | float)} for part, measured in parts}
    print(json.dumps(numbers, indent=1))


def _bar(stage: str, fraction: float, message: str) -> None:
    done = round(_BAR_WIDTH * fraction)
    line = f"[{'#' * done}{'.' * (_BAR_WIDTH - done)}] {stage}: {message}"
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="\n" if fraction >= 1 else "", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr)


class _Termination(BaseException):
    """SIGTERM as an exception, so that partial files are cleaned up."""


def _terminate(_signal: int, _frame: object) -> None:
    raise _Termination


def process() -> int:
    """Run the command of this process; a signal to stop ends it with one line."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return main()
    except KeyboardInterrupt:
        word, code = "Ctrl-C", 130
    except _Termination:
        word, code = "SIGTERM", 143
    print(f"\nstopped by {word}" if sys.stderr.isatty() else f"stopped by {word}", file=sys.stderr, flush=True)
    # An ordinary exit would wait for threads whose work nobody needs any more.
    os._exit(code)
