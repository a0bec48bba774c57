"""Probes of Athena's SQL as data: a query, the answer of AWS, and where that answer is written."""

import json
from dataclasses import dataclass
from pathlib import Path

Cell = str | None
Rows = list[list[Cell]]

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class Probe:
    """One query and what Athena answers.

    Attributes:
        id: Unique in its table.
        sql: The statement.
        expected: The rows, or None if only success matters.
        error: A regular expression of the error, if Athena rejects the statement.
        any_of: Each row alone is a right answer, as for approximate functions.
        source: Where the answer is written.
        refused: Whether the sandbox says that it does not model this.
    """

    id: str
    sql: str
    source: str
    expected: Rows | None = None
    error: str | None = None
    any_of: bool = False
    refused: bool = False


def load(path: Path) -> list[Probe]:
    """Return the probes of a JSON file: objects of `id`, `sql`, `expected` and `source`.

    `expected` is the text of one value, null, a list of rows, or `["ERR", pattern]`.
    """
    return [_probe(item) for item in json.loads(path.read_text(encoding="utf-8"))]


def own() -> list[Probe]:
    """Return the probes of this repository, from `tables/*.json`."""
    return [probe for path in sorted(TABLES.glob("*.json")) for probe in load(path)]


def _probe(item: dict[str, object]) -> Probe:
    expected, sql = item["expected"], str(item["sql"])
    given: dict[str, object] = {"refused": bool(item.get("refused"))}
    if isinstance(expected, list) and expected[:1] == ["ERR"]:
        given["error"] = expected[1]
    elif isinstance(expected, list):
        given.update(expected=expected, any_of=_approximate(sql, expected))
    elif not (isinstance(expected, str) and expected.startswith(("<function", "see src"))):
        given["expected"] = [[expected]]
    return Probe(id=str(item["id"]), sql=sql, source=str(item.get("source", "")), **given)  # type: ignore[arg-type]


def _approximate(sql: str, expected: list[object]) -> bool:
    """Return whether each row alone is right: an approximate aggregate has one row and several right answers."""
    return "approx_percentile" in sql and len(expected) > 1 and "GROUP BY" not in sql.upper()
