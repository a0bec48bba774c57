"""Binds queries: SELECT, set operations, VALUES and WITH become DuckDB text with Trino's types."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding import calls, grouping
from sandbox.aws.athena.sql.binding.bound import Bound, coerced, mismatch, place
from sandbox.aws.athena.sql.binding.expressions import Binder, Names
from sandbox.aws.athena.sql.binding.names import Output, Sources
from sandbox.aws.athena.sql.binding.sources import Cte, FromBinder, sampling, values
from sandbox.aws.athena.sql.kinds import Kind
from sandbox.aws.errors import QueryError, UnsupportedSqlError

Columns = list[tuple[str | None, Kind]]
Items = list[tuple[str | None, Bound]]
_SELECT = {
    "expressions", "from_", "joins", "where", "group", "having", "windows", "order", "limit", "offset", "distinct",
    "with_", "laterals", "sample",
}  # fmt: skip


class QueryBinder:
    """Binds the queries of one statement.

    Args:
        schema: {database: {table: {column: Glue type}}} of all tables that it reads.
        database: The database of unqualified tables.
        ctes: The WITH queries that are visible.
    """

    def __init__(
        self,
        schema: Mapping[str, Mapping[str, Mapping[str, str]]],
        database: str | None,
        ctes: dict[str, Cte] | None = None,
        numbers: count[int] | None = None,
    ) -> None:
        self._schema = schema
        self._database = database
        self.ctes = ctes or {}
        self._numbers = numbers or count(1)

    def unique(self, stem: str) -> str:
        """Return a name that nothing else has."""
        return f"{stem}{next(self._numbers)}_"

    def subquery(self, node: exp.Expr, names: Names) -> tuple[str, list[Kind]]:
        """Bind a query inside an expression."""
        sql, columns = self.query(node, names)
        return sql, [kind for _, kind in columns]

    def table(self, node: exp.Table) -> dict[str, Kind]:
        """Return the columns of a table, and write its database into the tree."""
        database = (node.db or self._database or "").lower()
        node.set("db", exp.to_identifier(database, quoted=True))
        found = self._schema.get(database, {}).get(node.name.lower())
        if found is None:
            raise QueryError(
                f"TABLE_NOT_FOUND: {place(node)}: Table 'awsdatacatalog.{database}.{node.name.lower()}' does not exist"
            )
        return {name.lower(): kinds.from_hive(kind) for name, kind in found.items()}

    def query(self, node: Any, outer: Names | None) -> tuple[str, Columns]:  # noqa: ANN401 - sqlglot's nodes differ
        """Bind a query; the columns of the text are named `c0`, `c1` and so on."""
        head, binder = self._with(node, outer)
        sql, columns = binder._body(node, outer)
        return head + sql, columns

    def _body(self, node: Any, outer: Names | None) -> tuple[str, Columns]:  # noqa: ANN401
        if isinstance(node, exp.Select):
            return self._select(node, outer)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, outer)
        if isinstance(node, exp.Values):
            return values(self, node, Sources([], outer))
        if isinstance(node, exp.Subquery):
            return self._wrapped(node, *self.query(node.this, outer), outer)
        if isinstance(node, exp.Table):
            return self.query(exp.select("*").from_(node.copy()), outer)
        raise UnsupportedSqlError(f"query {node.sql('athena')[:80]}")

    def _with(self, node: Any, outer: Names | None) -> tuple[str, QueryBinder]:  # noqa: ANN401
        clause = node.args.get("with_")
        if clause is None:
            return "", self
        recursive, parts, known = bool(clause.args.get("recursive")), [], dict(self.ctes)
        declared: set[str] = set()
        for cte in clause.expressions:
            binder = QueryBinder(self._schema, self._database, dict(known), self._numbers)
            name = cte.alias.lower()
            if name in declared:
                raise QueryError(
                    f"DUPLICATE_NAMED_QUERY: {place(cte)}: WITH query name '{name}' specified more than once"
                )
            declared.add(name)
            inner = self.unique("w")
            sql, columns = binder._cte(cte, name, inner, outer, recursive=recursive)
            known[name] = Cte(inner, columns)
            names = ", ".join(f"c{position}" for position in range(len(columns)))
            parts.append(f"{inner}({names}) AS ({sql})")
        word = "WITH RECURSIVE " if recursive else "WITH "
        return f"{word}{', '.join(parts)} ", QueryBinder(self._schema, self._database, known, self._numbers)

    def _cte(self, cte: exp.CTE, name: str, inner: str, outer: Names | None, *, recursive: bool) -> tuple[str, Columns]:
        given = [item.name.lower() for item in cte.args["alias"].args.get("columns") or []]
        body = cte.this
        if recursive and isinstance(body, exp.SetOperation) and _mentions(body.expression, name):
            _, columns = self.query(body.this.copy(), outer)
            if len(given) != len(columns):
                raise QueryError(
                    f"MISSING_COLUMN_ALIASES: {place(cte)}: missing column aliases in recursive WITH query"
                )
            self.ctes = {**self.ctes, name: Cte(inner, _aliased(cte, given, columns))}
        sql, columns = self.query(body, outer)
        return sql, _aliased(cte, given, columns)

    def _select(self, node: exp.Select, outer: Names | None) -> tuple[str, Columns]:
        for key, value in node.args.items():
            if value and key not in _SELECT:
                raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input '{key.strip('_').upper()}'")
        relation = FromBinder(self, outer).bind(node)
        sources = Sources(relation.columns, outer)
        where = ""
        if node.args.get("where"):
            binder = Binder(self, sources, forbidden="WHERE clause")
            where = f" WHERE {binder.condition(node.args['where'].this, 'WHERE clause')}"
        windows = _windows(node)
        binder = Binder(self, sources, windows=windows)
        items = self._items(node, sources, binder)
        group = grouping.bind(Binder(self, sources, forbidden="GROUP BY clause"), node, items)
        having = ""
        if node.args.get("having"):
            having = f" HAVING {binder.condition(node.args['having'].this, 'HAVING clause')}"
        origin = f" FROM {relation.sql}" if relation.sql else ""
        if node.args.get("sample"):
            origin += sampling(node.args["sample"])
        distinct = _distinct(node)
        if distinct and any(kinds.contains(value.kind, "timestamptz") for _, value in items):
            raise UnsupportedSqlError("DISTINCT timestamps with time zone: CAST them AS timestamp")
        listed = ", ".join(f"{value.sql} AS c{position}" for position, (_, value) in enumerate(items))
        core = f"SELECT {distinct}{listed}{origin}{where}{group}{having}"
        order = self._order(node, items, sources, windows)
        columns: Columns = [(name, value.kind) for name, value in items]
        return core + _tail(node, order), columns

    def _items(self, node: exp.Select, sources: Sources, binder: Binder) -> Items:
        items: Items = []
        written: list[exp.Expr] = []
        for item in node.expressions:
            if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
                star = item if isinstance(item, exp.Star) else item.this
                if any(star.args.values()):
                    raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input. Expecting: ',', 'FROM', <EOF>")
                source = item.table.lower() if isinstance(item, exp.Column) else None
                found = sources.starred(source, item)
                items += [(column.name, column.value) for column in found]
                written += [exp.column(column.name or "_col", column.source, quoted=True) for column in found]
                continue
            value = binder.bind(item.this if isinstance(item, exp.Alias) else item)
            items.append((_name(item), value))
            written.append(item)
        node.set("expressions", written)
        return items

    def _order(self, node: exp.Expr, items: Items, sources: Names, windows: dict[str, exp.Window]) -> str:
        order = node.args.get("order")
        if order is None:
            return ""
        binder = Binder(self, Output(items, sources), windows=windows)
        keys = []
        for item in order.expressions:
            value = _ordinal(item.this, items, "ORDER BY") or binder.bind(item.this)
            distinct = node.args.get("distinct")
            if distinct and value.sql not in {bound.sql for _, bound in items}:
                raise QueryError(
                    f"EXPRESSION_NOT_IN_DISTINCT: {place(item)}: For SELECT DISTINCT, ORDER BY expressions must appear "
                    "in select list"
                )
            keys.append(calls.order_key(item, value))
        return f" ORDER BY {', '.join(keys)}"

    def _set_operation(self, node: Any, outer: Names | None) -> tuple[str, Columns]:  # noqa: ANN401
        word = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}[type(node)]
        sides = [self.query(side, outer) for side in (node.this, node.expression)]
        left, right = sides[0][1], sides[1][1]
        if len(left) != len(right):
            raise mismatch(node, f"{word} query has different number of fields: {len(left)}, {len(right)}")
        columns: Columns = []
        for position, ((name, one), (_, other)) in enumerate(zip(left, right, strict=True), start=1):
            kind = kinds.common(one, other)
            if kind is None:
                raise mismatch(node, f"column {position} in {word} query has incompatible types: {one}, {other}")
            columns.append((name, kind))
        parts = [_converted(sql, given, columns) for sql, given in sides]
        if any(kind.name == "timestamptz" for _, kind in columns) and node.args.get("distinct"):
            raise UnsupportedSqlError(f"{word} of timestamps with time zone")
        every = "" if node.args.get("distinct") else " ALL"
        return self._wrapped(node, f"({parts[0]}) {word}{every} ({parts[1]})", columns, outer)

    def _wrapped(self, node: Any, sql: str, columns: Columns, outer: Names | None) -> tuple[str, Columns]:  # noqa: ANN401
        if not any(node.args.get(key) for key in ("order", "limit", "offset")):
            return sql, columns
        inner = self.unique("r")
        items: Items = [(name, Bound(kind, f"{inner}.c{place_}")) for place_, (name, kind) in enumerate(columns)]
        order = self._order(node, items, Sources([], outer), {})
        return f"SELECT * FROM ({sql}) AS {inner}" + _tail(node, order), columns  # noqa: S608


def _windows(node: exp.Select) -> dict[str, exp.Window]:
    """Return the definitions of the WINDOW clause."""
    found: dict[str, exp.Window] = {}
    for item in node.args.get("windows") or []:
        name = item.name.lower()
        if name in found:
            raise QueryError(f"DUPLICATE_WINDOW_NAME: {place(item)}: WINDOW name '{name}' specified more than once")
        found[name] = item
    return found


def _mentions(node: exp.Expr, name: str) -> bool:
    return any(table.name.lower() == name for table in node.find_all(exp.Table))


def _aliased(cte: exp.CTE, given: list[str], columns: Columns) -> Columns:
    if given and len(given) != len(columns):
        raise QueryError(
            f"MISMATCHED_COLUMN_ALIASES: {place(cte)}: WITH column alias list has {len(given)} entries but "
            f"'{cte.alias}' has {len(columns)} columns available"
        )
    return [(new, kind) for new, (_, kind) in zip(given, columns, strict=True)] if given else columns


def _distinct(node: exp.Select) -> str:
    distinct = node.args.get("distinct")
    if distinct is not None and distinct.args.get("on"):
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input 'ON'")
    return "DISTINCT " if distinct else ""


def _name(item: exp.Expr) -> str | None:
    """Return the name of an item of a select list; without an alias, that of a column or of a field."""
    if isinstance(item, exp.Alias):
        return str(item.alias).lower()
    if isinstance(item, exp.Column):
        return str(item.name).lower()
    return str(item.expression.name).lower() if isinstance(item, exp.Dot) else None


def _ordinal(node: exp.Expr, items: Items, clause: str) -> Bound | None:
    if not (isinstance(node, exp.Literal) and not node.is_string):
        return None
    position = int(node.this) if str(node.this).isdigit() else 0
    if not 1 <= position <= len(items):
        raise QueryError(
            f"INVALID_COLUMN_REFERENCE: {place(node)}: {clause} position {node.this} is not in select list"
        )
    return items[position - 1][1]


def _converted(sql: str, given: Columns, wanted: Columns) -> str:
    texts = []
    for position, ((_, one), (_, other)) in enumerate(zip(given, wanted, strict=True)):
        value = coerced(Bound(one, f"s.c{position}"), other)
        texts.append(f"CAST({value.sql} AS {kinds.duck(other)}) AS c{position}")
    return f"SELECT {', '.join(texts)} FROM ({sql}) AS s"  # noqa: S608 - SQL is what is translated here


def _tail(node: exp.Expr, order: str) -> str:
    limit, offset = node.args.get("limit"), node.args.get("offset")
    skipped = f" OFFSET {_rows(offset.expression)}" if offset else ""
    if isinstance(limit, exp.Fetch):
        options = limit.args.get("limit_options")
        number = _rows(limit.args.get("count") or exp.Literal.number(1))
        if options is not None and options.args.get("with_ties"):
            if not order or offset or node.args.get("distinct"):
                raise UnsupportedSqlError("FETCH FIRST … WITH TIES without ORDER BY, or with OFFSET or DISTINCT")
            return f" QUALIFY rank() OVER ({order.strip()}) <= {number}{order}"
        return f"{order} LIMIT {number}{skipped}"
    if limit is None or (isinstance(limit.expression, exp.Var) and limit.expression.name.upper() == "ALL"):
        return order + skipped
    return f"{order} LIMIT {_rows(limit.expression)}{skipped}"


def _rows(node: exp.Expr) -> int:
    value = node.unnest()
    if not (isinstance(value, exp.Literal) and value.this.isdigit()):
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input '{node.sql('athena')}'. Expecting: <integer>")
    return int(value.this)
