"""Functions of DuckDB that are written in Python, where no function of DuckDB has Trino's result."""

from collections.abc import Callable
from typing import Any

import duckdb

from sandbox.aws.athena.sql.udf import documents, formats, numbers, patterns, texts, times

_SPECIAL: Any = "special"
Function = tuple[Callable[..., Any], list[str], str]
_ALL: dict[str, Function] = {
    **documents.FUNCTIONS,
    **formats.FUNCTIONS,
    **numbers.FUNCTIONS,
    **patterns.FUNCTIONS,
    **texts.FUNCTIONS,
    **times.FUNCTIONS,
}


def install(connection: duckdb.DuckDBPyConnection) -> None:
    """Register the functions; each returns NULL if an argument is NULL."""
    for name, (function, parameters, result) in _ALL.items():
        types: Any = parameters
        kept: Any = _strict(function, len(parameters))
        connection.create_function(f"athena_{name}", kept, types, result, null_handling=_SPECIAL)


def _strict(function: Callable[..., Any], arity: int) -> Callable[..., Any]:
    """Return NULL if an argument is NULL; DuckDB's own such handling forbids other NULLs."""

    # ruff: noqa: ANN401 - values of any type
    def one(a: Any) -> Any:
        return None if a is None else function(a)

    def two(a: Any, b: Any) -> Any:
        return None if a is None or b is None else function(a, b)

    def three(a: Any, b: Any, c: Any) -> Any:
        return None if a is None or b is None or c is None else function(a, b, c)

    def four(a: Any, b: Any, c: Any, d: Any) -> Any:
        return None if None in (a, b, c, d) else function(a, b, c, d)

    # DuckDB counts the parameters of what it is given.
    shapes: list[Callable[..., Any]] = [one, two, three, four]
    return shapes[arity - 1]
