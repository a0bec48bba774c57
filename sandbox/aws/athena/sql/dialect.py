"""Translation from Athena's SQL to DuckDB's: every name and type is bound as Trino does, or the query is refused."""

import re
from dataclasses import dataclass

from sqlglot import exp

from sandbox.aws.athena.sql import grammar, kinds
from sandbox.aws.athena.sql.binding.queries import QueryBinder
from sandbox.aws.athena.sql.kinds import Kind
from sandbox.aws.errors import QueryError, UnsupportedSqlError

# Statements that change Iceberg tables alone.
_CHANGES = ("DELETE", "MERGE", "UPDATE")


@dataclass(frozen=True)
class Translation:
    """A translated query.

    Attributes:
        sql: The DuckDB text.
        tree: The query as parsed, with the source of each column, and with `*` spelt out.
        columns: Names and Trino's types of the result.
    """

    sql: str
    tree: exp.Query
    columns: list[tuple[str, Kind]]


def parse_query(sql: str) -> exp.Query:
    """Parse one SELECT-like statement.

    Raises:
        QueryError: It is not valid SQL.
        UnsupportedSqlError: It is not a query.
    """
    word = (sql.split(maxsplit=1) or [""])[0].upper()
    if word in _CHANGES:
        raise UnsupportedSqlError(f"statement {word}")
    tree = grammar.parse(sql)
    if isinstance(tree, exp.Values):
        return exp.select("*").from_(tree.copy())
    if not isinstance(tree, exp.Query):
        raise UnsupportedSqlError(f"statement {sql.strip().split(maxsplit=1)[0].upper()}")
    return tree


def substitute(sql: str, parameters: list[str]) -> str:
    """Replace the `?` marks of a statement with the execution parameters, from left to right.

    Quoted text, quoted names and comments do not change. A string parameter includes its own single quotes.

    Raises:
        QueryError: The numbers of marks and parameters differ.

    Example:
        >>> substitute("SELECT '?' WHERE dt = ?", ["'2024-02'"])
        "SELECT '?' WHERE dt = ('2024-02')"
    """
    pattern = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|\?", re.DOTALL)
    marks = sum(found[0] == "?" for found in pattern.finditer(sql))
    if marks != len(parameters):
        raise QueryError(
            f"INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected {marks} "
            f"but found {len(parameters)}"
        )
    values = iter(parameters)
    return pattern.sub(lambda found: f"({next(values)})" if found[0] == "?" else found[0], sql)


def translate(tree: exp.Query, schema: dict[str, dict[str, dict[str, str]]], database: str | None) -> Translation:
    """Translate a parsed query.

    Args:
        tree: The result of `parse_query`; changed in place.
        schema: {database: {table: {column: Glue type}}} of all tables that the query reads.
        database: The database of unqualified tables.

    Raises:
        QueryError: A name means nothing or types do not match; the message is Athena's.
        UnsupportedSqlError: The sandbox cannot reproduce a part of it.
    """
    sql, found = QueryBinder(schema, database).query(tree, None)
    columns = [(name or f"_col{position}", kind) for position, (name, kind) in enumerate(found)]
    shown = ", ".join(
        f"{_result(f's.c{position}', kind)} AS {_quoted(name)}" for position, (name, kind) in enumerate(columns)
    )
    return Translation(f"SELECT {shown} FROM ({sql}) AS s", tree, columns)  # noqa: S608 - SQL is what is translated here


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _result(sql: str, kind: Kind) -> str:
    """Return a column of the result; types that DuckDB lacks become their text."""
    if kind.name in _TEXT_RESULTS:
        return _TEXT_RESULTS[kind.name].format(sql, *kind.sizes)
    if kind.name == "array" and kind.parts[0].name in _TEXT_RESULTS:
        return f"list_transform({sql}, lambda e: {_result('e', kind.parts[0])})"
    if kinds.contains(kind, *_TEXT_RESULTS):
        raise UnsupportedSqlError(f"a result of type {kind}")
    return f"CAST({sql} AS {kinds.duck(kind)})"


_TEXT_RESULTS = {
    "timestamptz": "athena_zoned_result({0})",
    "interval_day": "athena_interval_day_text({0})",
    "interval_year": "athena_interval_year_text({0})",
    "char": "rpad({0}, {1}, ' ')",
}
