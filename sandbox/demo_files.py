"""The two files of the demo, one to start with and one that arrives later: simulated, or a real file split in two."""

import gzip
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

ROWS_A_MONTH = 5_000
MONTHS = 12
HISTORY_ENDS, A_MONTH_LATER = "2026-01-01", "2026-02-01"
FIRST_SHARE = 0.8
GZIP_MAGIC, PARQUET_MAGIC = b"\x1f\x8b", b"PAR1"


class DemoFileError(RuntimeError):
    """The demo's files cannot be created."""


@dataclass(frozen=True)
class DemoFiles:
    """The files that the demo brings to the lake.

    Attributes:
        portfolio: Portfolio of the applications.
        first: The file that the lake starts with.
        second: The file that arrives later; None if the first cannot be split (ingest then reports its faults).
        true_pd: CSV of application_id and true PD, for a simulated portfolio.
    """

    portfolio: str
    first: Path
    second: Path | None
    true_pd: Path | None = None


def simulate_files(folder: Path) -> DemoFiles:
    """Simulate twelve months of applications, and an extract one month later with new applications and outcomes."""
    folder.mkdir(parents=True, exist_ok=True)
    first, second, true_pd = folder / "history.csv", folder / "a-month-later.csv", folder / "true_pd.csv"
    _simulate(first, MONTHS, HISTORY_ENDS)
    _simulate(second, MONTHS + 1, A_MONTH_LATER, "--changed-since", HISTORY_ENDS, "--true-pd", str(true_pd))
    return DemoFiles("case", first, second, true_pd)


def _simulate(output: Path, months: int, as_of: str, *further: str) -> None:
    size = ["--rows", str(ROWS_A_MONTH * months), "--months", str(months), "--as-of", as_of]
    command = [sys.executable, "-m", "credit_model", "simulate", str(output), *size, *further]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoFileError(f"the simulator failed: {done.stderr.strip()}")


def check_file(path: Path, portfolio: str) -> None:
    """Refuse a file that ingest would reject as a whole, before any server starts.

    Raises:
        DemoFileError: The file cannot be read under the portfolio's contract.
    """
    if not path.is_file():
        raise DemoFileError(f"{path} is not a file: give DATA=path to a CSV or Parquet file of applications")
    command = [sys.executable, "-m", "credit_model", "validate", str(path), "--contract", portfolio]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 1:
        raise DemoFileError(done.stderr.strip().removeprefix("error: "))


def split_file(path: Path, portfolio: str, folder: Path) -> DemoFiles:
    """Split a file in two: four fifths of its rows to start with, the rest to arrive later."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("rb") as file:
            cut = _cut_parquet if file.read(4) == PARQUET_MAGIC else _cut_csv
        first, second = cut(path, folder)
    except (OSError, EOFError, ValueError):
        return DemoFiles(portfolio, path, None)
    return DemoFiles(portfolio, first, second)


def _cut_parquet(path: Path, folder: Path) -> tuple[Path, Path]:
    table = pq.read_table(path)
    edge = int(table.num_rows * FIRST_SHARE)
    parts = folder / f"{path.stem}-1.parquet", folder / f"{path.stem}-2.parquet"
    pq.write_table(table.slice(0, edge), parts[0])
    pq.write_table(table.slice(edge), parts[1])
    return parts


def _cut_csv(path: Path, folder: Path) -> tuple[Path, Path]:
    """Split at a line: the parts keep the file's own bytes, so ingest sees exactly what the user wrote."""
    content = path.read_bytes()
    if content.startswith(GZIP_MAGIC):
        content = gzip.decompress(content)
    header, *lines = content.splitlines(keepends=True)
    edge = _row_start(lines, int(len(lines) * FIRST_SHARE))
    if not 0 < edge < len(lines):
        raise ValueError("too few lines to split")
    parts = {"1": lines[:edge], "2": lines[edge:]}
    first, second = (_write(folder / f"{path.stem}-{name}.csv", header, part) for name, part in parts.items())
    return first, second


def _row_start(lines: list[bytes], edge: int) -> int:
    """Return the first line from `edge` on that starts a row: quoted fields may contain line breaks."""
    quotes = sum(line.count(b'"') for line in lines[:edge])
    while quotes % 2 and edge < len(lines):
        quotes += lines[edge].count(b'"')
        edge += 1
    return edge


def _write(path: Path, header: bytes, lines: list[bytes]) -> Path:
    path.write_bytes(header + b"".join(lines))
    return path
