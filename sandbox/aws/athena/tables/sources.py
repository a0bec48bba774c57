"""What the names in a query stand for: tables, views, partitions of a table, and `information_schema`."""

from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from sandbox.aws.athena.catalog import Catalog, Partition, Table
from sandbox.aws.athena.pruning import Filter, prune
from sandbox.aws.athena.sql import dialect
from sandbox.aws.athena.sql.types import from_hive
from sandbox.aws.athena.tables import buckets, information, views
from sandbox.aws.athena.tables.projection import is_projected, projected
from sandbox.aws.athena.tables.relations import HIDDEN, Relation, relation
from sandbox.aws.errors import QueryError, UnsupportedSqlError
from sandbox.aws.storage import Storage

Name = tuple[str, str]
# DuckDB has a schema of this name itself.
_INFORMATION = "$information_schema"
_DEEPEST = 20


@dataclass(frozen=True)
class Source:
    """A table that a query reads: the Glue types of its columns, and its rows or where they come from."""

    schema: dict[str, str]
    table: Table | None = None
    sql: str = ""


class Sources:
    """Resolves the names in queries.

    Args:
        catalog: Glue.
        storage: S3.
    """

    def __init__(self, catalog: Catalog, storage: Storage) -> None:
        self._catalog = catalog
        self._storage = storage

    def resolve(self, tree: exp.Query, database: str | None) -> dict[Name, Source]:
        """Replace the views in a parsed query by their queries, and return the tables that it reads.

        Raises:
            QueryError: A catalog, database or table does not exist.
            UnsupportedSqlError: The sandbox cannot read it.
        """
        found: dict[Name, Source] = {}
        self._expand(tree, database, found, 0)
        _hide(tree, found)
        return found

    def relation(self, source: Source, tree: exp.Query) -> Relation:
        """Return the rows of a source that a translated query needs."""
        if source.table is None:
            return Relation(source.sql)
        table, used = source.table, {column.name for column in tree.find_all(exp.Column)}
        wanted = buckets.wanted(table, Filter(tree, table)) if table.buckets else None
        return relation(self._storage, table, self._partitions(table, tree), used, wanted)

    def _partitions(self, table: Table, tree: exp.Query) -> list[Partition]:
        if not table.keys:
            return [Partition((), table.location)]
        if is_projected(table):
            return projected(table, Filter(tree, table))
        return prune(tree, table, self._catalog.partitions(table))

    def _expand(self, tree: exp.Expr, database: str | None, found: dict[Name, Source], depth: int) -> None:
        if depth > _DEEPEST:
            raise QueryError("INVALID_VIEW: line 1:15: Statement would create a recursive view")
        for node in list(tree.find_all(exp.Table)):
            if not node.name or (not node.db and _is_own(node)):
                continue
            name = _named(node, database)
            raw = self._catalog.raw(*name) if name not in found and name[0] != information.NAME else None
            if raw and views.is_view(raw):
                self._replace(node, raw, found, depth)
                continue
            schema = _INFORMATION if name[0] == information.NAME else name[0]
            node.set("catalog", None)
            node.set("db", exp.to_identifier(schema, quoted=True))
            _requalify(node, name)
            found.setdefault((schema, name[1]), self._source(name, raw))

    def _replace(self, node: exp.Table, raw: dict[str, Any], found: dict[Name, Source], depth: int) -> None:
        view = views.decode(raw)
        query = dialect.parse_query(view["originalSql"])
        self._expand(query, view.get("schema"), found, depth + 1)
        alias = node.args.get("alias")
        alias = (
            alias.copy() if alias and alias.name else exp.TableAlias(this=exp.to_identifier(raw["Name"], quoted=True))
        )
        _requalify(node, (node.db.lower(), raw["Name"]))
        kept = {key: node.args[key] for key in ("joins", "laterals", "sample", "pivots") if node.args.get(key)}
        node.replace(exp.Subquery(this=query, alias=alias, **kept))

    def _source(self, name: Name, raw: dict[str, Any] | None) -> Source:
        database, table = name
        if database == information.NAME:
            if table not in information.COLUMNS:
                raise QueryError(
                    f"TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{database}.{table}' does not exist"
                )
            columns = information.COLUMNS[table]
            kinds = {column: from_hive(kind) for column, kind in columns.items()}
            return Source(columns, sql=information.constant(information.rows(self._catalog, table), kinds))
        if raw is None and "$" in table:
            return self._about(database, *table.rsplit("$", 1))
        described = self._catalog.readable(database, raw) if raw else self._catalog.table(database, table)
        return Source(described.schema, table=described)

    def _about(self, database: str, name: str, what: str) -> Source:
        """Return a table about a table, such as `"scores$partitions"`."""
        table = self._catalog.table(database, name)
        if what == "partitions" and table.keys:
            if is_projected(table):
                raise UnsupportedSqlError(f'"{name}$partitions": its partitions are projected')
            rows = [tuple(_or_null(value) for value in item.values) for item in self._catalog.partitions(table)]
            kinds = {key: from_hive(kind) for key, kind in table.keys.items()}
            return Source(table.keys, sql=information.constant(rows, kinds))
        if what in {"properties", "history", "snapshots", "manifests", "refs"}:
            raise UnsupportedSqlError(f'the table "{name}${what}"')
        raise QueryError(f"TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{database}.{name}${what}' does not exist")


def _or_null(value: str) -> str | None:
    return None if value == "__HIVE_DEFAULT_PARTITION__" else value


def _named(node: exp.Table, database: str | None) -> Name:
    if node.catalog and node.catalog.lower() != "awsdatacatalog":
        raise QueryError(f"CATALOG_NOT_FOUND: line 1:15: Catalog '{node.catalog.lower()}' does not exist")
    if not (node.db or database):
        raise QueryError("MISSING_SCHEMA_NAME: line 1:15: Schema must be specified when session schema is not set")
    return (node.db or database or "").lower(), node.name.lower()


def _is_own(node: exp.Table) -> bool:
    """Return whether a name is that of a common table expression in reach."""
    name = node.name.lower()
    inside: exp.Expr = node
    while (outer := inside.parent) is not None:
        if isinstance(inside, exp.CTE) and isinstance(outer, exp.With):
            # A common table expression sees those before it, and itself if it is recursive.
            place = next(place for place, cte in enumerate(outer.expressions) if cte is inside)
            inside = outer.parent or outer
            if name in _names(outer)[: place + bool(outer.args.get("recursive"))]:
                return True
            continue
        if (own := outer.args.get("with_")) is not None and name in _names(own):
            return True
        inside = outer
    return False


def _names(clause: exp.Expr) -> list[str]:
    return [cte.alias_or_name.lower() for cte in clause.expressions]


def _requalify(node: exp.Table, name: Name) -> None:
    """Drop the database from `db.table.column` in the query that reads a table: its name alone is enough."""
    select = node.find_ancestor(exp.Select)
    for column in select.find_all(exp.Column) if select else ():
        if column.args.get("db") and column.table.lower() == name[1]:
            column.set("db", None)
            column.set("catalog", None)


def _hide(tree: exp.Query, found: dict[Name, Source]) -> None:
    """Give the tables their hidden columns if the query names them."""
    named = {column.name for column in tree.find_all(exp.Column)} & set(HIDDEN)
    for name, source in found.items():
        if named and source.table is not None:
            hidden = {column: HIDDEN[column] for column in HIDDEN if column in named}
            found[name] = Source({**source.schema, **hidden}, table=source.table)
