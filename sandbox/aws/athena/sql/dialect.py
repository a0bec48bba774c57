"""Translation from Athena's SQL to DuckDB's: SQL with another meaning is rewritten, untranslatable SQL is refused."""

import re
from dataclasses import dataclass

from sqlglot import exp, parse_one
from sqlglot.errors import OptimizeError, ParseError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from sandbox.aws.athena.sql import functions, strictness
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_MARK = "__unnamed_{}__"
_PASSES = 3


@dataclass(frozen=True)
class Translation:
    """A translated query: the DuckDB text, and the qualified tree with Athena's meaning behind it."""

    sql: str
    tree: exp.Query


def parse_query(sql: str) -> exp.Query:
    """Parse one SELECT-like statement.

    Raises:
        QueryError: It is not valid SQL, or not a query.
    """
    try:
        tree = parse_one(sql, read="athena")
    except ParseError as error:
        detail = error.errors[0] if error.errors else {}
        place = f"line {detail.get('line', 1)}:{detail.get('col', 1)}"
        raise QueryError(f"SYNTAX_ERROR: {place}: {detail.get('description', error)}") from error
    if isinstance(tree, exp.Values):
        first = tree.expressions[0]
        width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
        names = ", ".join(f"_col{position}" for position in range(width))
        return parse_query(f"SELECT * FROM ({sql}) AS given({names})")  # noqa: S608 - SQL is what is translated here
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


def tables(tree: exp.Query, database: str | None) -> list[tuple[str, str]]:
    """Return the (database, table) pairs that a query reads, without its common table expressions.

    Raises:
        QueryError: A table has no database and the request names none.
    """
    own = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    found: dict[tuple[str, str], None] = {}
    for table in tree.find_all(exp.Table):
        if not table.name or (not table.db and table.name.lower() in own):
            continue
        if not (table.db or database):
            raise QueryError(f"MISSING_SCHEMA_NAME: line 1:1: Schema must be specified for table {table.name}")
        table.set("catalog", None)
        found[(table.db or database or "").lower(), table.name.lower()] = None
    return list(found)


def translate(tree: exp.Query, schema: dict[str, dict[str, dict[str, str]]], database: str | None) -> Translation:
    """Translate a parsed query.

    Args:
        tree: The result of `parse_query`; changed in place.
        schema: {database: {table: {column: Glue type}}} of all tables that the query reads.
        database: The database of unqualified tables.

    Raises:
        QueryError: A column does not exist or types do not match; the message is Athena's.
        UnsupportedSqlError: The sandbox cannot reproduce a part of it.
    """
    shown: dict[str, object] = {
        name: {table: [column for column in columns if column[:1] != "$"] for table, columns in tables.items()}
        for name, tables in schema.items()
    }
    known = MappingSchema(dict(schema), visible=shown, dialect="athena")
    _mark_unnamed(tree)
    functions.normalise(tree)
    try:
        qualified = qualify(tree, dialect="athena", schema=known, db=database, expand_alias_refs=False)
        for _ in range(_PASSES):
            qualified = annotate_types(qualified, schema=known, dialect="athena")
            functions.rewrite(qualified)
        qualified = annotate_types(qualified, schema=known, dialect="athena")
    except OptimizeError as error:
        raise QueryError(_explain(str(error))) from error
    _name_unnamed(qualified)
    functions.check(qualified)
    strictness.enforce(qualified)
    return Translation(qualified.sql("duckdb"), qualified)


def _explain(message: str) -> str:
    column = re.search(r"Column '([^']+)' could not be resolved|Unknown column: (\S+)", message)
    if column:
        name = (column[1] or column[2]).replace('"', "").rstrip(".")
        return (
            f"COLUMN_NOT_FOUND: line 1:8: Column '{name}' cannot be resolved or requester is not authorized to "
            "access requested resources"
        )
    return f"SYNTAX_ERROR: line 1:1: {message}"


def _leftmost(tree: exp.Query) -> exp.Select | None:
    node: exp.Expr = tree
    while isinstance(node, (exp.SetOperation, exp.Subquery)):
        node = node.this
    return node if isinstance(node, exp.Select) else None


def _mark_unnamed(tree: exp.Query) -> None:
    """Mark the columns that Athena names `_col<position>`; positions are known only after stars are expanded."""
    select = _leftmost(tree)
    if select is None:
        return
    for position, item in enumerate(select.expressions):
        if not isinstance(item, (exp.Alias, exp.Column, exp.Star, exp.Dot)):
            item.replace(exp.alias_(item.copy(), _MARK.format(position)))


def _name_unnamed(tree: exp.Query) -> None:
    select = _leftmost(tree)
    for position, item in enumerate(select.expressions if select else []):
        if isinstance(item, exp.Alias) and re.fullmatch(_MARK.format(r"\d+"), item.alias):
            item.set("alias", exp.to_identifier(f"_col{position}", quoted=True))
