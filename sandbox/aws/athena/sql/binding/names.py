"""What names mean in a query: the columns of its sources, and the aliases that ORDER BY sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from sandbox.aws.athena.sql.binding.bound import Bound, place
from sandbox.aws.athena.sql.binding.expressions import Names, column_not_found, dereferenced
from sandbox.aws.errors import QueryError


@dataclass(frozen=True)
class Column:
    """A column of a source: its name, if any, the alias of its source, and its value."""

    name: str | None
    value: Bound
    source: str | None = None
    database: str | None = None

    @property
    def hidden(self) -> bool:
        """Whether `*` leaves it out, as it does `$path`."""
        return bool(self.name and self.name.startswith("$"))


class Outer(Protocol):
    """The names of the query around another."""

    def resolve(self, parts: list[str], node: exp.Expr) -> Bound:
        """Return what a dotted name means."""


@dataclass
class Sources:
    """The columns of a FROM clause.

    Attributes:
        columns: All, in order.
        outer: The names of the query around this one.
    """

    columns: list[Column] = field(default_factory=list)
    outer: Outer | None = None

    def resolve(self, parts: list[str], node: exp.Expr) -> Bound:
        """Return the column, or the field of one, that a dotted name means.

        Raises:
            QueryError: COLUMN_NOT_FOUND or AMBIGUOUS_NAME.
        """
        for used, found in self._candidates(parts):
            if len(found) > 1:
                raise QueryError(f"AMBIGUOUS_NAME: {place(node)}: Column '{'.'.join(parts)}' is ambiguous")
            if found:
                _qualify(node, found[0], parts[used - 1])
                value = found[0].value
                for part in parts[used:]:
                    value = dereferenced(node, value, part)
                return value
        if self.outer is not None:
            return self.outer.resolve(parts, node)
        raise column_not_found(node, ".".join(parts))

    def _candidates(self, parts: list[str]) -> list[tuple[int, list[Column]]]:
        """Return how many parts each reading of a name uses, and the columns that it finds."""
        readings = []
        if len(parts) > 2:
            readings.append((3, [c for c in self.columns if [c.database, c.source, c.name] == parts[:3]]))
        if len(parts) > 1:
            readings.append((2, [c for c in self.columns if [c.source, c.name] == parts[:2]]))
        readings.append((1, [c for c in self.columns if c.name == parts[0]]))
        return readings

    def starred(self, source: str | None, node: exp.Expr) -> list[Column]:
        """Return the columns that `*` or `source.*` stands for."""
        found = [column for column in self.columns if not column.hidden and source in (None, column.source)]
        if not found:
            if source is None:
                raise QueryError(f"SYNTAX_ERROR: {place(node)}: SELECT * not allowed in queries without FROM clause")  # noqa: S608
            raise QueryError(f"TABLE_NOT_FOUND: {place(node)}: Unable to resolve reference {source}")
        return found


def _qualify(node: exp.Expr, column: Column, name: str) -> None:
    """Write into the tree which source a column belongs to; partitions are chosen by it."""
    if isinstance(node, exp.Column) and column.source and not node.args.get("db") and not node.table:
        node.set("table", exp.to_identifier(column.source, quoted=True))
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier) and node.name.lower() == name:
        node.this.set("this", name)


@dataclass
class Output:
    """The names that ORDER BY sees: the aliases of the select list, then the columns of the sources."""

    items: list[tuple[str | None, Bound]]
    sources: Names

    def resolve(self, parts: list[str], node: exp.Expr) -> Bound:
        """Return what a dotted name means."""
        found = [bound for name, bound in self.items if len(parts) == 1 and name == parts[0]]
        if len(found) > 1:
            raise QueryError(f"AMBIGUOUS_NAME: {place(node)}: Column '{parts[0]}' is ambiguous")
        return found[0] if found else self.sources.resolve(parts, node)

    @property
    def inside(self) -> Inside:
        """The names that an aggregate in ORDER BY sees."""
        return Inside(self)


@dataclass
class Inside:
    """The names inside an aggregate of ORDER BY: an alias of the select list is refused there."""

    output: Output

    def resolve(self, parts: list[str], node: exp.Expr) -> Bound:
        """Return what a dotted name means among the sources."""
        aliased = [bound for name, bound in self.output.items if len(parts) == 1 and name == parts[0]]
        try:
            found = self.output.sources.resolve(parts, node)
        except QueryError:
            found = None
        if aliased and (found is None or aliased[0].sql != found.sql):
            raise QueryError(
                f"COLUMN_NOT_FOUND: {place(node)}: Invalid reference to output projection attribute from ORDER BY "
                "aggregation"
            )
        return found or self.output.sources.resolve(parts, node)
