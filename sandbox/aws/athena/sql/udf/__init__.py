"""Functions of DuckDB that are written in Python, where no function of DuckDB has Trino's result."""

from collections.abc import Callable
from typing import Any

import duckdb

from sandbox.aws.athena.sql.udf import documents, formats, numbers, patterns, texts, times

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
        connection.create_function(f"athena_{name}", kept, types, result, null_handling="special")  # type: ignore[arg-type]


def _strict(function: Callable[..., Any], arity: int) -> Callable[..., Any]:
    """Return NULL if an argument is NULL; DuckDB's own such handling forbids other NULLs."""

    def call(*arguments: Any) -> Any:  # noqa: ANN401 - values of any type
        return None if None in arguments else function(*arguments)

    # DuckDB counts the parameters of what it is given.
    shapes: dict[int, Callable[..., Any]] = {
        1: lambda a: call(a),
        2: lambda a, b: call(a, b),
        3: lambda a, b, c: call(a, b, c),
        4: lambda a, b, c, d: call(a, b, c, d),
    }
    return shapes[arity]
