"""The command `compare`: the gate's verdict on two bundles and a labelled file, as a table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from credit_model.bundle.bundle import Bundle
from credit_model.cli.assignments import assigned
from credit_model.contract.contract import TARGET, Contract
from credit_model.data.outputs import file_target
from credit_model.data.raw_file import open_raw
from credit_model.data.reading import read_applications
from credit_model.errors import DataError
from credit_model.gate.verdict import GateLimits, Verdict

_REFUSED = 4


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to a parser."""
    parser.add_argument("champion", type=Path, help="folder of the bundle in production")
    parser.add_argument("challenger", type=Path, help="folder of the bundle that may replace it")
    parser.add_argument("holdout", type=Path, help="labelled CSV or Parquet that neither was trained on")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a limit of the gate")
    parser.add_argument("--report", type=Path, help="also write the challenger's report with the comparison on top")
    parser.add_argument("--json", type=Path, help="also write the verdict as JSON")
    parser.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> int:
    # scikit-learn takes a second to import; the other commands should not wait for it.
    from credit_model.gate.holdout import compare_contracts  # noqa: PLC0415
    from credit_model.report.model_report import render_report  # noqa: PLC0415

    limits = _limits(options.set)
    for path in filter(None, (options.report, options.json)):
        file_target(path)
    champion, challenger = Bundle.load(options.champion), Bundle.load(options.challenger)
    holdout = _labelled(options.holdout, challenger.contract)
    # One canonical name may stand for another column of the file under the other contract, so each model reads its own.
    same = champion.contract.digest() == challenger.contract.digest()
    own = None if same else _labelled(options.holdout, _delivered(champion.contract, options.holdout))
    verdict = compare_contracts(champion, challenger, holdout, limits, champion_holdout=own)
    print("\n".join(_lines(verdict)))
    if options.report:
        html = render_report(challenger.document, comparison=verdict.model_dump(mode="json"))
        options.report.write_text(html, "utf-8")
        print(f"report in {options.report}")
    if options.json:
        options.json.write_text(verdict.model_dump_json(indent=1) + "\n", "utf-8")
    return 0 if verdict.promoted else _REFUSED


def _limits(assignments: Sequence[str]) -> GateLimits:
    values = assigned(assignments, GateLimits, "limit", example="margin=0.005")
    try:
        return GateLimits.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise DataError(f"limit '{name}': {first['msg']}; correct it") from error


def _delivered(contract: Contract, path: Path) -> Contract:
    """Return the champion's contract without the columns that a file lacks: the gate says what follows from that."""
    headers = {header.strip().lower() for header in open_raw(path, label=str(path)).headers}
    found = {name for header, name in contract.by_header.items() if header in headers}
    columns = tuple(column for column in contract.columns if column.name in found)
    return contract.model_copy(update={"columns": columns, "derived": ()})


def _labelled(path: Path, contract: Contract) -> pa.Table:
    result = read_applications(path, contract)
    if TARGET not in result.accepted.column_names:
        raise DataError(f"{path}: has no target column '{contract.target.source}'; the gate needs outcomes")
    bad = pc.count_distinct(result.rejected.column("row")).as_py()
    if bad:
        print(f"{path}: {bad:,} rows break contract '{contract.name}' and are left out", file=sys.stderr)
    return result.accepted.filter(pc.is_valid(result.accepted.column(TARGET)))


def _lines(verdict: Verdict) -> list[str]:
    """Return the checks as a table, and the decision."""
    head = f"{'check':<26}{'value':>10}{'limit':>19}  "
    lines = [head]
    for check in verdict.checks:
        value, limit = (v if isinstance(v, str) else f"{v:.4f}" for v in (check.value, check.limit))
        mark = "ok " if check.passed else "NOT"
        lines.append(f"{check.name:<26}{value:>10}{limit:>19}  {mark} {check.detail}")
    word = "may replace" if verdict.promoted else "may not replace"
    return [*lines, f"{verdict.challenger} {word} {verdict.champion} ({verdict.rows:,} applications)"]
