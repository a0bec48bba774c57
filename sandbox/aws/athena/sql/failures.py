"""DuckDB's errors as Athena's."""

import re

import duckdb

from sandbox.aws.errors import QueryError, UnsupportedSqlError

_OURS = re.compile(r"(?:'~|FunctionError: )([A-Z_]{6,}: .*?)(?:' to INT64|$)", re.DOTALL)
# The first pattern that DuckDB's message has gives the code and the text.
_MESSAGES = {
    r"must (appear in|be part of) the GROUP BY": "EXPRESSION_NOT_AGGREGATE: line 1:8: expression must be "
    "an aggregate expression or appear in GROUP BY clause",
    r"[Dd]ivision by zero": "DIVISION_BY_ZERO: Division by zero",
    r"More than one row returned by a sub": "SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned multiple rows",
    r"Invalid escape string": "INVALID_FUNCTION_ARGUMENT: Escape string must be a single character",
    r"aggregate function calls cannot be nested": "NESTED_AGGREGATION: line 1:8: Cannot nest aggregations",
    r"WHERE clause cannot contain": "EXPRESSION_NOT_SCALAR: line 1:8: WHERE clause cannot contain aggregations",
}
_RANGE = re.compile(r"out of range|Overflow|overflow", re.IGNORECASE)


def translated(error: duckdb.Error) -> QueryError:
    """Return Athena's error for one of DuckDB."""
    message = str(error).strip()
    ours = _OURS.search(message)
    if ours:
        return QueryError(ours[1].strip())
    for pattern, answer in _MESSAGES.items():
        if re.search(pattern, message):
            return QueryError(answer)
    if isinstance(error, (duckdb.OutOfRangeException, duckdb.ConversionException)):
        timed = "field value out of range" in message
        if isinstance(error, duckdb.OutOfRangeException) or (_RANGE.search(message) and not timed):
            return QueryError(f"NUMERIC_VALUE_OUT_OF_RANGE: {_first(message)}")
        return QueryError(f"INVALID_CAST_ARGUMENT: {_first(message)}")
    if isinstance(error, (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)):
        # The names and types were right, so what DuckDB refuses is the sandbox's own limit.
        return UnsupportedSqlError(_first(message))
    return QueryError(f"GENERIC_INTERNAL_ERROR: {message}")


def _first(message: str) -> str:
    return message.split("\n", maxsplit=1)[0]
