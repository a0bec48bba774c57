"""Which partitions a query can read: the conjuncts of its WHERE clauses that compare a partition key with a literal."""

from collections.abc import Callable, Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from sandbox.aws.athena.catalog import Partition, Table

_TESTS: dict[type[exp.Expr], Callable[[str, str], bool]] = {
    exp.EQ: lambda a, b: a == b,
    exp.NEQ: lambda a, b: a != b,
    exp.GT: lambda a, b: a > b,
    exp.GTE: lambda a, b: a >= b,
    exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b,
}
Test = Callable[[dict[str, str]], bool]


def prune(tree: exp.Query, table: Table, partitions: list[Partition]) -> list[Partition]:
    """Return the partitions that a use of `table` in the qualified `tree` can read: perhaps too many, never too few."""
    uses = list(_uses(tree, table))
    if not uses:
        return partitions

    def wanted(partition: Partition) -> bool:
        values = dict(zip(table.keys, partition.values, strict=True))
        return any(all(test(values) for test in use) for use in uses)

    return [partition for partition in partitions if wanted(partition)]


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


def _is_key(node: exp.Expr, alias: str, table: Table) -> bool:
    return isinstance(node, exp.Column) and node.table == alias and table.keys.get(node.name) == "string"


def _is_text(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and node.is_string


def _text(node: exp.Expr) -> exp.Expr:
    return node.unnest()


def _test(node: exp.Expr, alias: str, table: Table) -> Test | None:
    if not _is_key(node.this, alias, table) if isinstance(node.this, exp.Expr) else True:
        return None
    key = node.this.name
    if type(node) in _TESTS and _is_text(_text(node.expression)):
        compare, value = _TESTS[type(node)], _text(node.expression).this
        return lambda values: compare(values[key], value)
    if isinstance(node, exp.In) and node.expressions and all(_is_text(_text(item)) for item in node.expressions):
        allowed = {_text(item).this for item in node.expressions}
        return lambda values: values[key] in allowed
    if isinstance(node, exp.Between) and _is_text(_text(node.args["low"])) and _is_text(_text(node.args["high"])):
        low, high = _text(node.args["low"]).this, _text(node.args["high"]).this
        return lambda values: low <= values[key] <= high
    return None
