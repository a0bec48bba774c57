"""Binds the FROM clause: tables, queries, VALUES, UNNEST and joins become DuckDB text and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding import operators
from sandbox.aws.athena.sql.binding.bound import Bound, mismatch, place, unified
from sandbox.aws.athena.sql.binding.expressions import Binder, Names
from sandbox.aws.athena.sql.binding.names import Column, Sources
from sandbox.aws.athena.sql.kinds import Kind
from sandbox.aws.errors import QueryError, UnsupportedSqlError

# The text of a list, and the fields of its elements: name in DuckDB (None for a plain value) and type.
Unnested = tuple[str, list[tuple[str | None, Kind]]]


@dataclass(frozen=True)
class Relation:
    """A bound source: its DuckDB text for FROM, and its columns."""

    sql: str
    columns: list[Column]


@dataclass(frozen=True)
class Cte:
    """A query of a WITH clause: its name in DuckDB, and the names and types of its columns."""

    name: str
    columns: list[tuple[str | None, Kind]]


class Context(Protocol):
    """What binding a FROM clause needs of the query around it."""

    ctes: dict[str, Cte]

    def query(self, node: exp.Expr, outer: Names | None) -> tuple[str, list[tuple[str | None, Kind]]]:
        """Bind a query."""

    def subquery(self, node: exp.Expr, names: Names) -> tuple[str, list[Kind]]:
        """Bind a query inside an expression."""

    def table(self, node: exp.Table) -> dict[str, Kind]:
        """Return the columns of a table."""

    def unique(self, stem: str) -> str:
        """Return a name that nothing else has."""


def quoted(name: str) -> str:
    """Quote a name for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


class FromBinder:
    """Binds one FROM clause.

    Args:
        context: The query around it.
        outer: The names of the query around that.
    """

    def __init__(self, context: Context, outer: Names | None) -> None:
        self._context = context
        self._outer = outer

    def bind(self, select: exp.Select) -> Relation:
        """Bind the sources of a SELECT; without FROM the text is empty."""
        start = select.args.get("from_")
        if start is None:
            return Relation("", [])
        relation = self._source(start.this, Sources([], self._outer))
        for join in select.args.get("joins") or []:
            relation = self._join(relation, join)
        for lateral in select.args.get("laterals") or []:
            raise QueryError(f"SYNTAX_ERROR: {place(lateral)}: mismatched input 'LATERAL'")
        return relation

    def _source(self, node: Any, left: Sources) -> Relation:  # noqa: ANN401 - sqlglot's nodes differ
        if isinstance(node, exp.Table):
            relation = self._table(node)
        elif isinstance(node, exp.Subquery):
            relation = self._nested(node)
        elif isinstance(node, exp.Values):
            relation = self._values(node)
        elif isinstance(node, exp.Unnest):
            relation = self._unnest(node, left)
        elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            sql, columns = self._context.query(node.this.this, left)
            relation = self._named(f"LATERAL ({sql})", columns, node.args.get("alias"))
        else:
            raise UnsupportedSqlError(f"{node.sql('athena')[:80]} in FROM")
        for join in node.args.get("joins") or []:
            relation = self._join(relation, join)
        return self._sampled(relation, node)

    def _sampled(self, relation: Relation, node: Any) -> Relation:  # noqa: ANN401
        sample = node.args.get("sample")
        return Relation(relation.sql + sampling(sample), relation.columns) if sample else relation

    def _table(self, node: exp.Table) -> Relation:
        _require_only(node, {"this", "db", "catalog", "alias", "joins", "sample"})
        if not isinstance(node.this, exp.Identifier):
            raise UnsupportedSqlError(f"table function {node.this.sql('athena')[:80]}")
        name, alias = node.name.lower(), node.args.get("alias")
        cte = self._context.ctes.get(name) if not node.db else None
        if cte is not None:
            return self._named(cte.name, cte.columns, alias, name)
        columns = self._context.table(node)
        source = (node.alias or name).lower()
        inner = self._context.unique("r")
        shown = _renamed([*columns], alias, node)
        found = [
            Column(new, Bound(kind, f"{inner}.{quoted(old)}"), source, None if node.alias else node.db.lower())
            for new, (old, kind) in zip(shown, columns.items(), strict=True)
        ]
        _mark(node, source)
        return Relation(f"{quoted(f'{node.db.lower()}.{name}')} AS {inner}", found)

    def _nested(self, node: exp.Subquery) -> Relation:
        if isinstance(node.this, exp.Table):
            relation = self._source(node.this, Sources([], self._outer))
            for join in node.args.get("joins") or []:
                relation = self._join(relation, join)
            node.set("joins", None)
            if node.alias:
                raise UnsupportedSqlError("an alias of a parenthesised join")
            return relation
        query = node if any(node.args.get(key) for key in ("with_", "order", "limit", "offset")) else node.this
        sql, columns = self._context.query(query, self._outer)
        return self._named(f"({sql})", columns, node.args.get("alias"))

    def _named(
        self, sql: str, columns: list[tuple[str | None, Kind]], alias: exp.TableAlias | None, name: str | None = None
    ) -> Relation:
        inner = self._context.unique("r")
        source = alias.name.lower() if alias and alias.this else name
        shown = _renamed([column for column, _ in columns], alias, alias)
        found = [
            Column(new, Bound(kind, f"{inner}.c{position}"), source)
            for position, (new, (_, kind)) in enumerate(zip(shown, columns, strict=True))
        ]
        return Relation(f"{sql} AS {inner}", found)

    def _values(self, node: exp.Values) -> Relation:
        sql, columns = values(self._context, node, Sources([], self._outer))
        return self._named(f"({sql})", columns, node.args.get("alias"))

    def _unnest(self, node: exp.Unnest, left: Sources) -> Relation:
        binder = Binder(self._context, left, forbidden="UNNEST")
        parts = [_unnested(node, binder.bind(item)) for item in node.expressions]
        if any(given[0][0] is not None for _, given in parts):
            return self._unnest_wide(node, parts)
        found = [(f"unnest({sql})", given[0][1]) for sql, given in parts]
        ordinal = node.args.get("offset")
        if ordinal:
            lengths = ", ".join(f"coalesce(len({sql}), 0)" for sql, _ in parts)
            found.append((f"unnest(range(1, greatest({lengths}, 0) + 1))", kinds.BIGINT))
        items = ", ".join(f"{sql} AS c{position}" for position, (sql, _) in enumerate(found))
        columns: list[tuple[str | None, Kind]] = [(None, kind) for _, kind in found]
        return self._named(f"LATERAL (SELECT {items})", columns, _with_ordinal(node, ordinal))

    def _unnest_wide(self, node: exp.Unnest, parts: list[Unnested]) -> Relation:
        """Unnest maps and arrays of rows: each part gives several columns."""
        inner, outer, columns = [], [], list[tuple[str | None, Kind]]()
        for position, (sql, given) in enumerate(parts):
            inner.append(f"unnest({sql}) AS u{position}")
            for field, kind in given:
                outer.append(f"u{position}" if field is None else f"(u{position}).{quoted(field)}")
                columns.append((None, kind))
        ordinal = node.args.get("offset")
        if ordinal:
            lengths = ", ".join(f"coalesce(len({sql}), 0)" for sql, _ in parts)
            inner.append(f"unnest(range(1, greatest({lengths}, 0) + 1)) AS n")
            outer.append("n")
            columns.append((None, kinds.BIGINT))
        items = ", ".join(f"{sql} AS c{position}" for position, sql in enumerate(outer))
        return self._named(
            f"LATERAL (SELECT {items} FROM (SELECT {', '.join(inner)}))",  # noqa: S608 - SQL is what is translated here
            columns,
            _with_ordinal(node, ordinal),
        )

    def _join(self, left: Relation, join: exp.Join) -> Relation:
        right = self._source(join.this, Sources(left.columns, self._outer))
        kind, side = str(join.args.get("kind") or ""), str(join.args.get("side") or "")
        if join.args.get("method") == "NATURAL":
            raise QueryError(f"NOT_SUPPORTED: {place(join)}: Natural join not supported")
        if kind not in ("", "INNER", "CROSS", "OUTER") or join.args.get("method"):
            raise QueryError(f"SYNTAX_ERROR: {place(join)}: mismatched input '{kind or join.args['method']}'")
        if join.args.get("using"):
            return self._using(left, right, side, join)
        both = [*left.columns, *right.columns]
        condition = join.args.get("on")
        if condition is None:
            if side or kind == "INNER" or (join.meta.get("word") and kind != "CROSS"):
                raise QueryError(f"SYNTAX_ERROR: {place(join)}: mismatched input. Expecting: 'ON', 'USING'")
            return Relation(f"{left.sql} CROSS JOIN {right.sql}", both)
        if kind == "CROSS":
            raise QueryError(f"SYNTAX_ERROR: {place(join)}: mismatched input 'ON'")
        binder = Binder(self._context, Sources(both, self._outer), forbidden="JOIN clause")
        test = binder.condition(condition, "JOIN ON clause")
        return Relation(f"{left.sql} {side or 'INNER'} JOIN {right.sql} ON {test}", both)

    def _using(self, left: Relation, right: Relation, side: str, join: exp.Join) -> Relation:
        names = [item.name.lower() for item in join.args["using"]]
        tests, merged = [], []
        for name in names:
            pair = [Sources(part.columns).resolve([name], join.args["using"][0]) for part in (left, right)]
            equal = unified(pair)
            if equal is None:
                raise mismatch(join, f"Column types of left and right are not the same: {pair[0].kind}, {pair[1].kind}")
            tests.append(operators.compared(join, "=", *equal).sql)
            merged.append(Column(name, Bound(equal[0].kind, f"coalesce({equal[0].sql}, {equal[1].sql})")))
        rest = [column for part in (left, right) for column in part.columns if column.name not in names]
        on = " AND ".join(tests)
        return Relation(f"{left.sql} {side or 'INNER'} JOIN {right.sql} ON {on}", [*merged, *rest])


def _require_only(node: exp.Expr, allowed: set[str]) -> None:
    for key, value in node.args.items():
        if value and key not in allowed:
            raise UnsupportedSqlError(f"{key.strip('_')} in {node.sql('athena')[:80]}")


def _mark(node: exp.Table, source: str) -> None:
    """Write the names of a table into the tree as partitions are chosen by them."""
    node.set("this", exp.to_identifier(node.name.lower(), quoted=True))
    node.set("db", exp.to_identifier(node.db.lower(), quoted=True))
    if not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(source, quoted=True)))
    else:
        node.args["alias"].set("this", exp.to_identifier(source, quoted=True))


def _renamed(names: list[str | None], alias: exp.TableAlias | None, node: Any) -> list[str | None]:  # noqa: ANN401
    given = [item.name.lower() for item in (alias.args.get("columns") or [])] if alias else []
    if not given:
        return names
    shown = [name for name in names if not (name or "").startswith("$")]
    if len(given) != len(shown):
        raise QueryError(
            f"MISMATCHED_COLUMN_ALIASES: {place(node)}: Column alias list has {len(given)} entries but "
            f"'{alias.name if alias else ''}' has {len(shown)} columns available"
        )
    return [*given, *names[len(shown) :]]


def _with_ordinal(node: exp.Unnest, ordinal: Any) -> exp.TableAlias | None:  # noqa: ANN401
    """Return the alias of an UNNEST; sqlglot keeps the name of the ordinality apart."""
    alias: exp.TableAlias | None = node.args.get("alias")
    if alias and isinstance(ordinal, exp.Identifier) and alias.args.get("columns"):
        alias = alias.copy()
        alias.set("columns", [*alias.args["columns"], ordinal.copy()])
    return alias


def _unnested(node: exp.Expr, value: Bound) -> Unnested:
    kind = value.kind
    if kind.name == "map":
        return f"map_entries({value.sql})", [("key", kind.parts[0]), ("value", kind.parts[1])]
    if kind.name != "array":
        raise mismatch(node, f"Cannot unnest type: {kind}")
    element = kind.parts[0]
    if element.name != "row":
        return value.sql, [(None, element)]
    return value.sql, [(kinds.field_name(element, place_), part) for place_, part in enumerate(element.parts)]


def values(context: Context, node: exp.Values, names: Names) -> tuple[str, list[tuple[str | None, Kind]]]:
    """Bind VALUES: the DuckDB text and its columns."""
    binder = Binder(context, names, forbidden="VALUES")
    rows = [[binder.bind(cell) for cell in _cells(item)] for item in node.expressions]
    if len({len(row) for row in rows}) != 1:
        raise mismatch(node, "Values rows have mismatched sizes")
    columns: list[list[Bound]] = []
    for cells in zip(*rows, strict=True):
        found = unified(list(cells))
        if found is None:
            shown = ", ".join(str(cell.kind) for cell in cells)
            raise mismatch(node, f"Values rows have mismatched types: {shown}")
        columns.append(found)
    lines = ", ".join(
        "(" + ", ".join(f"CAST({cell.sql} AS {kinds.duck(cell.kind)})" for cell in line) + ")"
        for line in zip(*columns, strict=True)
    )
    names_ = ", ".join(f"c{position}" for position in range(len(columns)))
    text = f"SELECT * FROM (VALUES {lines}) AS v({names_})"  # noqa: S608 - SQL is what is translated here
    return text, [(None, column[0].kind) for column in columns]


def _cells(item: exp.Expr) -> list[exp.Expr]:
    cells = list(item.expressions) if isinstance(item, exp.Tuple) else [item]
    first = cells[0]
    if len(cells) == 1 and isinstance(first, exp.Anonymous) and first.name.lower() == "row":
        return list(first.expressions)
    return cells


def sampling(sample: exp.TableSample) -> str:
    """Return DuckDB's text of TABLESAMPLE."""
    method = sample.args.get("method")
    share = sample.args.get("percent") or sample.args.get("size")
    if method is None or method.name.upper() not in ("BERNOULLI", "SYSTEM") or share is None:
        raise UnsupportedSqlError(f"sample {sample.sql('athena')}")
    return "" if share.name == "100" else f" TABLESAMPLE {share.name}% ({method.name.lower()})"
