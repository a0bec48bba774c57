"""Pieces of DuckDB's SQL that the readers share."""

from pathlib import Path


def quote(name: str) -> str:
    """Return a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text literal."""
    return "'" + value.replace("'", "''") + "'"


def files(paths: list[Path]) -> str:
    """Return a list of files."""
    return "[" + ", ".join(text(str(path)) for path in paths) + "]"


def milliseconds(value: str) -> str:
    """Return a timestamp as Athena reads it: rounded to milliseconds."""
    return f"date_trunc('milliseconds', {value} + INTERVAL 500 MICROSECOND)"
