"""Which partitions a query can read: the conjuncts of its WHERE clauses that compare a partition key with a literal."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from sandbox.aws.athena.catalog import Partition, Table

_INTEGERS = {"tinyint", "smallint", "int", "bigint"}
# Both sides are of one type: that of the key.
_SIGNS: dict[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.NEQ: lambda a, b: a != b,
    exp.GT: lambda a, b: a > b,
    exp.GTE: lambda a, b: a >= b,
    exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b,
}
_FLIPPED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT,
    exp.LT: exp.GT,
    exp.GTE: exp.LTE,
    exp.LTE: exp.GTE,
    exp.EQ: exp.EQ,
    exp.NEQ: exp.NEQ,
}


@dataclass(frozen=True)
class Test:
    """What a conjunct asks of one key or bucket column: a test of its values, and the values if it names them."""

    key: str
    allows: Callable[[str], bool]
    named: frozenset[str] | None = None


class Filter:
    """What all uses of a table in a query ask of its partition keys: perhaps too little, never too much.

    Args:
        tree: The qualified query.
        table: A partitioned table.
    """

    def __init__(self, tree: exp.Query, table: Table) -> None:
        self._uses = list(_uses(tree, table))

    def wants(self, values: dict[str, str]) -> bool:
        """Return whether some use can read a partition with these values; keys may be left out."""
        return not self._uses or any(
            all(test.allows(values[test.key]) for test in use if test.key in values) for use in self._uses
        )

    def named(self, key: str) -> set[str] | None:
        """Return the values of a key that the uses name, or None if one of them names none."""
        found: set[str] = set()
        for use in self._uses:
            named = [test.named for test in use if test.key == key and test.named is not None]
            if not named:
                return None
            found |= frozenset.intersection(*named)
        return found if self._uses else None


def prune(tree: exp.Query, table: Table, partitions: list[Partition]) -> list[Partition]:
    """Return the partitions that a use of `table` in the qualified `tree` can read: perhaps too many, never too few."""
    asked = Filter(tree, table)
    return [item for item in partitions if asked.wants(dict(zip(table.keys, item.values, strict=True)))]


def _uses(tree: exp.Query, table: Table) -> Iterator[list[Test]]:
    for scope in traverse_scope(tree):
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table) and (source.db, source.name) == (table.database, table.name):
                yield list(_tests(scope.expression, alias, table))


def _tests(select: exp.Expr, alias: str, table: Table) -> Iterator[Test]:
    where = select.args.get("where")
    conjuncts = where.this.flatten() if where and isinstance(where.this, exp.And) else [where.this] if where else []
    for conjunct in conjuncts:
        test = _test(conjunct.unnest(), alias, table)
        if test:
            yield test


def _key(node: object, alias: str, table: Table) -> str | None:
    if not isinstance(node, exp.Column) or node.table != alias:
        return None
    return str(node.name) if node.name in table.keys or node.name in table.bucketed_by else None


def _literal(node: exp.Expr | None) -> str | None:
    """Return the text of a literal, also in a cast, after a minus and in the call that checks a typed literal."""
    node, sign = _unwrapped(node), ""
    if isinstance(node, exp.Neg):
        node, sign = node.this, "-"
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    return f"{sign}{node.this}" if isinstance(node, exp.Literal) else None


def _unwrapped(node: exp.Expr | None) -> exp.Expr | None:
    while isinstance(node, (exp.Paren, exp.Cast, exp.Anonymous)):
        checks = isinstance(node, exp.Anonymous) and node.name.startswith("athena_text_to_")
        if isinstance(node, exp.Anonymous) and not checks:
            return None
        node = node.expressions[0] if checks else node.this
    return node


def _value(kind: str, text: str | None) -> int | str | None:
    """Return a key's value in the form in which values of its type compare, or None if this is not known."""
    if text is None:
        return None
    if kind in _INTEGERS:
        return int(text) if text.lstrip("-").isdigit() else None
    if kind == "boolean":
        return text if text in {"true", "false"} else None
    return text if kind == "string" or (kind == "date" and len(text) == 10) else None


def _test(node: exp.Expr, alias: str, table: Table) -> Test | None:
    if isinstance(node, exp.In) and (key := _key(node.this, alias, table)) and node.expressions:
        return _one_of(key, table, node.expressions)
    if isinstance(node, exp.Between) and (key := _key(node.this, alias, table)):
        return _between(key, table, node)
    return _compared(node, alias, table) if isinstance(node, (exp.EQ, *_SIGNS)) else None


def _compared(node: exp.Expr, alias: str, table: Table) -> Test | None:
    sign, left, right = type(node), node.this, node.expression
    if _key(right, alias, table):
        sign, left, right = _FLIPPED[sign], right, left
    key = _key(left, alias, table)
    if not key:
        return None
    if sign is exp.EQ:
        return _one_of(key, table, [right])
    kind, wanted = table.schema[key], _value(table.schema[key], _literal(right))
    compare = _SIGNS[sign]
    if wanted is None:
        return None
    return Test(key, lambda text: (own := _value(kind, text)) is None or compare(own, wanted))


def _one_of(key: str, table: Table, items: list[exp.Expr]) -> Test | None:
    kind = table.schema[key]
    texts = [_literal(item) for item in items]
    values = [_value(kind, text) for text in texts]
    if any(value is None for value in values):
        return None
    return Test(key, lambda text: (own := _value(kind, text)) is None or own in values, frozenset(map(str, values)))


def _between(key: str, table: Table, node: exp.Between) -> Test | None:
    kind = table.schema[key]
    low, high = (_value(kind, _literal(node.args[side])) for side in ("low", "high"))
    if low is None or high is None:
        return None

    def allows(text: str) -> bool:
        own = _value(kind, text)
        return own is None or low <= own <= high  # type: ignore[operator] # all are of the key's type

    return Test(key, allows)
