"""Binds expressions: sqlglot's tree becomes DuckDB text with Trino's types, or Trino's error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding import casts, literals, operators
from sandbox.aws.athena.sql.binding.bound import Argument, Bound, Lambda, coerced, mismatch, place, same_type
from sandbox.aws.athena.sql.binding.written import literal_kind, written_kind
from sandbox.aws.athena.sql.kinds import BOOLEAN, Kind
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_SIGNS: dict[type[exp.Expr], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%",
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


class Names(Protocol):
    """What the names in an expression mean."""

    def resolve(self, parts: list[str], node: exp.Expr) -> Bound:
        """Return the column, or the field of one, that a dotted name means."""


class Queries(Protocol):
    """Binds the queries inside an expression."""

    def subquery(self, node: exp.Expr, names: Names) -> tuple[str, list[Kind]]:
        """Return the DuckDB text and the types of the columns."""

    def unique(self, stem: str) -> str:
        """Return a name that nothing else has."""


class Binder:
    """Binds the expressions of one clause.

    Args:
        queries: Binds subqueries.
        names: What names mean.
        forbidden: The clause, if it must not have aggregates, such as `WHERE clause`.
        windows: The definitions of a WINDOW clause.
    """

    def __init__(
        self,
        queries: Queries,
        names: Names,
        *,
        forbidden: str | None = None,
        windows: dict[str, exp.Window] | None = None,
    ) -> None:
        self.queries = queries
        self.names = names
        self.forbidden = forbidden
        self.windows = windows or {}
        self.aggregated = False
        self._variables: dict[str, Bound] = {}
        self._inside: str | None = None

    def bind(self, node: exp.Expr) -> Bound:
        """Bind one expression.

        Raises:
            QueryError: Trino refuses it.
            UnsupportedSqlError: The sandbox cannot reproduce it.
        """
        rule = _RULES.get(type(node))
        if rule is None:
            raise UnsupportedSqlError(f"{type(node).__name__.lower()} {node.sql('athena')[:80]}")
        return rule(self, node)

    def condition(self, node: exp.Expr, clause: str) -> str:
        """Bind a condition and return its text."""
        value = self.bind(node)
        if value.kind.name not in ("boolean", "unknown"):
            raise mismatch(node, f"{clause} must evaluate to a boolean: actual type {value.kind}")
        return coerced(value, BOOLEAN).sql

    def argument(self, node: exp.Expr) -> Argument:
        """Bind an argument of a function: an expression or a lambda."""
        if not isinstance(node, exp.Lambda):
            return self.bind(node)
        names = [item.name.lower() for item in node.expressions]
        return Lambda(len(names), lambda given: self._lambda(names, node.this, given))

    def _lambda(self, names: list[str], body: exp.Expr, given: tuple[Kind, ...]) -> Bound:
        before, inner = self._variables, [self.queries.unique("p") for _ in names]
        self._variables = before | {n: Bound(k, p) for n, p, k in zip(names, inner, given, strict=True)}
        try:
            bound = self.bind(body)
        finally:
            self._variables = before
        return Bound(bound.kind, f"lambda {', '.join(inner)}: {bound.sql}")

    @contextmanager
    def aggregate(self, node: exp.Expr, name: str, *, window: bool) -> Iterator[None]:
        """Bind the arguments of an aggregate or window function."""
        what = "window functions" if window else "aggregations"
        if self.forbidden:
            raise QueryError(
                f"EXPRESSION_NOT_SCALAR: {place(node)}: {self.forbidden} cannot contain aggregations, window "
                f"functions or grouping operations: {name}"
            )
        if self._inside == "aggregations" and not window:
            raise QueryError(f"NESTED_AGGREGATION: {place(node)}: Cannot nest aggregations inside aggregation '{name}'")
        if self._inside and window:
            raise QueryError(f"NESTED_WINDOW: {place(node)}: Cannot nest {what} inside {self._inside} '{name}'")
        before, self._inside = self._inside, "window" if window else "aggregations"
        self.aggregated = self.aggregated or not window
        try:
            yield
        finally:
            self._inside = before

    def resolve(self, parts: list[str], node: exp.Expr) -> Bound:
        """Return what a dotted name means: a parameter of a lambda, a column, or a field."""
        variable = self._variables.get(parts[0])
        if variable is None:
            names = getattr(self.names, "inside", self.names) if self._inside == "aggregations" else self.names
            return names.resolve(parts, node)
        for part in parts[1:]:
            variable = dereferenced(node, variable, part)
        return variable


def dereferenced(node: exp.Expr, value: Bound, name: str) -> Bound:
    """Return a field of a row."""
    fields = [field.lower() if field else None for field in value.kind.fields]
    if value.kind.name != "row" or name not in fields:
        raise (
            column_not_found(node, name)
            if value.kind.name == "row"
            else mismatch(node, f"Expression {node.sql('athena')} is not of type ROW")
        )
    position = fields.index(name)
    return Bound(value.kind.parts[position], f'({value.sql})."{kinds.field_name(value.kind, position)}"')


def column_not_found(node: exp.Expr, name: str) -> QueryError:
    """Return Athena's error for a name that means nothing."""
    return QueryError(
        f"COLUMN_NOT_FOUND: {place(node)}: Column '{name}' cannot be resolved or requester is not authorized to access "
        "requested resources"
    )


def _negative(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    if isinstance(node.this, exp.Literal) and node.this.this == str(2**63):
        return Bound(kinds.BIGINT, f"CAST(-{2**63} AS BIGINT)")
    return operators.negative(node, binder.bind(node.this))


def _column(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    parts = [part.name.lower() for part in node.parts] if isinstance(node, exp.Column) else [node.name.lower()]
    return binder.resolve(parts, node)


def _dot(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    if not isinstance(node.expression, exp.Identifier):
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input '.'")
    return dereferenced(node, binder.bind(node.this), node.expression.name.lower())


def _binary(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    sign = _SIGNS[type(node)]
    quantified = _quantifier(node.expression)
    if quantified is not None:
        return _quantified(binder, node, sign, *quantified)
    left, right = binder.bind(node.this), binder.bind(node.expression)
    if sign in _COMPARISONS:
        return operators.compared(node, sign, left, right)
    return operators.arithmetic(node, sign, left, right)


def _quantifier(node: exp.Expr) -> tuple[str, exp.Expr] | None:
    """Return ANY or ALL and its query; sqlglot reads some of them as calls."""
    if isinstance(node, (exp.Any, exp.All)):
        return ("ANY" if isinstance(node, exp.Any) else "ALL"), node.this
    called = isinstance(node, exp.Anonymous) and node.name.upper() in ("ANY", "ALL", "SOME")
    if called and len(node.expressions) == 1 and isinstance(node.expressions[0], (exp.Query, exp.Values)):
        return node.name.upper().replace("SOME", "ANY"), node.expressions[0]
    return None


def _quantified(binder: Binder, node: Any, sign: str, word: str, query: exp.Expr) -> Bound:  # noqa: ANN401
    value = binder.bind(node.this)
    sql, columns = binder.queries.subquery(query, binder.names)
    kind = kinds.common(value.kind, columns[0])
    if kind is None or len(columns) != 1:
        raise operators.refused(node, sign, value, Bound(columns[0], ""))
    if kind.name in kinds.FLOATS or kind.parts or kind.name == "timestamptz":
        raise UnsupportedSqlError(f"quantified comparison of {kind}")
    cast = f"(SELECT CAST(c0 AS {kinds.duck(kind)}) FROM ({sql}))"  # noqa: S608 - SQL is what is translated here
    return Bound(BOOLEAN, f"({coerced(value, kind).sql} {sign} {word} {cast})")


def _logical(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    word = "AND" if isinstance(node, exp.And) else "OR"
    parts = [binder.condition(item, "Logical expression term") for item in node.flatten()]
    return Bound(BOOLEAN, "(" + f" {word} ".join(parts) + ")")


def _not(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    return Bound(BOOLEAN, f"(NOT {binder.condition(node.this, 'Value of logical NOT expression')})")


def _is(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    if not isinstance(node.expression, exp.Null):
        raise QueryError(
            f"SYNTAX_ERROR: {place(node)}: mismatched input '{node.expression.sql('athena')}'. Expecting: 'NULL'"
        )
    return Bound(BOOLEAN, f"({binder.bind(node.this).sql} IS NULL)")


def _distinct(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    sign = "IS DISTINCT FROM" if isinstance(node, exp.NullSafeNEQ) else "IS NOT DISTINCT FROM"
    return operators.distinct(node, sign, binder.bind(node.this), binder.bind(node.expression))


def _between(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    value = binder.bind(node.this)
    edges = ((">=", node.args["low"]), ("<=", node.args["high"]))
    tests = [operators.compared(node, sign, value, binder.bind(edge)).sql for sign, edge in edges]
    return Bound(BOOLEAN, f"({' AND '.join(tests)})")


def _in(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    value = binder.bind(node.this)
    query = node.args.get("query")
    if query is None and len(node.expressions) == 1 and isinstance(node.expressions[0], (exp.Query, exp.Values)):
        query = node.expressions[0]
    if query is None:
        if node.args.get("unnest") or node.args.get("field"):
            raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input. Expecting: '('")
        return operators.included(node, value, [binder.bind(item) for item in node.expressions])
    sql, columns = binder.queries.subquery(query, binder.names)
    if len(columns) != 1:
        raise QueryError(f"TYPE_MISMATCH: {place(node)}: Multiple columns returned by subquery are not supported")
    kind = kinds.common(value.kind, columns[0])
    if kind is None:
        raise mismatch(node, f"value and result of subquery must be of the same type for IN expression: {value.kind} "
                       f"vs {columns[0]}")  # fmt: skip
    if kind.parts or kind.name == "timestamptz":
        raise UnsupportedSqlError(f"IN of a subquery of {kind}")
    # NaN equals nothing, so it can be left out of the set.
    kept = " WHERE isnan(c0) IS NOT TRUE" if kind.name in kinds.FLOATS else ""
    items = f"SELECT CAST(c0 AS {kinds.duck(kind)}) FROM ({sql}){kept}"  # noqa: S608 - SQL is what is translated here
    return Bound(BOOLEAN, f"({coerced(value, kind).sql} IN ({items}))")


def _like(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    like, escape = (node.this, node.expression) if isinstance(node, exp.Escape) else (node, None)
    if not isinstance(like, exp.Like):
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input 'ESCAPE'")
    parts = [binder.bind(item) for item in (like.this, like.expression, escape) if item is not None]
    for part, clause in zip(parts, ("Left side", "Pattern", "Escape"), strict=False):
        if part.kind.name not in ("varchar", "char", "unknown"):
            raise mismatch(node, f"{clause} of LIKE expression must evaluate to a varchar (actual: {part.kind})")
    tail = f" ESCAPE {parts[2].sql}" if escape is not None else ""
    if escape is not None and parts[2].literal is not None and len(parts[2].literal) != 1:
        raise QueryError(f"INVALID_FUNCTION_ARGUMENT: {place(node)}: Escape string must be a single character")
    return Bound(BOOLEAN, f"({parts[0].sql} {'NOT ' if like.args.get('negate') else ''}LIKE {parts[1].sql}{tail})")


def _case(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    operand = binder.bind(node.this) if node.this else None
    tests, values = [], []
    for branch in node.args["ifs"]:
        if operand is None:
            tests.append(binder.condition(branch.this, "CASE WHEN clause"))
        else:
            tests.append(operators.compared(branch, "=", operand, binder.bind(branch.this)).sql)
        values.append(binder.bind(branch.args["true"]))
    default = node.args.get("default")
    values.append(binder.bind(default) if default is not None else Bound(kinds.UNKNOWN, "NULL"))
    found = same_type(node, values, "All CASE results must be the same type")
    branches = " ".join(f"WHEN {test} THEN {value.sql}" for test, value in zip(tests, found, strict=False))
    return Bound(found[0].kind, f"(CASE {branches} ELSE {found[-1].sql} END)")


def _if(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    test = binder.condition(node.this, "IF condition")
    other = node.args.get("false")
    values = [binder.bind(node.args["true"]), binder.bind(other) if other else Bound(kinds.UNKNOWN, "NULL")]
    yes, no = same_type(node, values, "Result types for IF must be the same")
    return Bound(yes.kind, f"(CASE WHEN {test} THEN {yes.sql} ELSE {no.sql} END)")


def _cast(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    if not node.meta.get("call"):
        return literal_kind(node)
    wanted = written_kind(node.args["to"])
    return casts.cast(node, binder.bind(node.this), wanted, attempt=isinstance(node, exp.TryCast))


def _array(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    items = [binder.bind(item) for item in node.expressions]
    if not items:
        return Bound(kinds.array(kinds.UNKNOWN), "CAST([] AS VARCHAR[])")
    found = same_type(node, items, "All ARRAY elements must be the same type")
    return Bound(kinds.array(found[0].kind), f"[{', '.join(item.sql for item in found)}]")


def _row(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    return row([binder.bind(item) for item in node.expressions])


def row(items: list[Bound]) -> Bound:
    """Return a row of values without names."""
    fields = ", ".join(f"field{position} := {item.sql}" for position, item in enumerate(items))
    return Bound(kinds.row(tuple(item.kind for item in items)), f"struct_pack({fields})")


def _bracket(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    if len(node.expressions) != 1 or isinstance(node.expressions[0], exp.Slice):
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input ','. Expecting: ']'")
    return operators.subscript(node, binder.bind(node.this), binder.bind(node.expressions[0]))


def _scalar(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    sql, columns = binder.queries.subquery(node, binder.names)
    if len(columns) != 1:
        raise UnsupportedSqlError("a subquery of several columns as a value")
    return Bound(columns[0], f"({sql})")


def _exists(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    return Bound(BOOLEAN, f"(EXISTS ({binder.queries.subquery(node.this, binder.names)[0]}))")


def _zone(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    value, zone = binder.bind(node.this), binder.bind(node.args["zone"])
    if value.kind.name not in ("timestamp", "timestamptz") or zone.kind.name != "varchar":
        raise mismatch(
            node, f"Type of value must be a time or timestamp with or without time zone (actual {value.kind})"
        )
    zoned = coerced(value, Kind("timestamptz", value.kind.sizes))
    return Bound(zoned.kind, f"athena_zoned(({zoned.sql}).u, athena_zone({zone.sql}))")


def _joined(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    return operators.joined(node, binder.bind(node.this), binder.bind(node.expression))


_RULES: dict[type[exp.Expr], Callable[[Binder, Any], Bound]] = {
    **dict.fromkeys(_SIGNS, _binary),
    exp.Literal: lambda _, node: literals.number(node),
    exp.Column: _column,
    exp.Identifier: _column,
    exp.Dot: _dot,
    exp.Paren: lambda binder, node: binder.bind(node.this),
    exp.Neg: _negative,
    exp.And: _logical,
    exp.Or: _logical,
    exp.Not: _not,
    exp.Is: _is,
    exp.NullSafeEQ: _distinct,
    exp.NullSafeNEQ: _distinct,
    exp.Between: _between,
    exp.In: _in,
    exp.Like: _like,
    exp.Escape: _like,
    exp.Case: _case,
    exp.If: _if,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Array: _array,
    exp.Tuple: _row,
    exp.Bracket: _bracket,
    exp.Subquery: _scalar,
    exp.Exists: _exists,
    exp.Interval: lambda _, node: literals.interval(node),
    exp.AtTimeZone: _zone,
    exp.DPipe: _joined,
    exp.HexString: lambda _, node: literals.hex_bytes(node),
    exp.UnicodeString: lambda _, node: literals.unicode_text(node),
    exp.Null: lambda *_: Bound(kinds.UNKNOWN, "NULL"),
    exp.Boolean: lambda _, node: Bound(BOOLEAN, "true" if node.this else "false"),
    exp.CurrentDate: lambda *_: Bound(kinds.DATE, "CAST(current_timestamp AS DATE)"),
    exp.CurrentTimestamp: lambda *_: Bound(kinds.TIMESTAMPTZ, "athena_now()"),
    exp.Localtimestamp: lambda *_: Bound(kinds.TIMESTAMP, "(athena_now()).u"),
}


def register(rules: dict[type[exp.Expr], Callable[[Binder, Any], Bound]]) -> None:
    """Add the rules of calls, which need the functions' tables."""
    _RULES.update(rules)
