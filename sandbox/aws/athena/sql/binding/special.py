"""Functions whose result or text depends on more than a signature says."""

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding import casts, operators
from sandbox.aws.athena.sql.binding.bound import Bound, coerced, place, same_type, text
from sandbox.aws.athena.sql.binding.expressions import Binder, row
from sandbox.aws.athena.sql.functions.signatures import Match
from sandbox.aws.athena.sql.kinds import Kind
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_FIELDS_WORDS = """
year quarter month week day day_of_month day_of_week dow day_of_year doy year_of_week yow hour minute second
timezone_hour timezone_minute
"""
FIELDS = frozenset(_FIELDS_WORDS.split())
_UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MILLISECONDS = {
    "millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000,
}  # fmt: skip
Items = list[exp.Expr]
Special = Callable[[Binder, Any, Items], Bound | None]


def _wrong(node: exp.Expr, name: str, values: list[Bound]) -> QueryError:
    given = ", ".join(str(value.kind) for value in values)
    return QueryError(f"FUNCTION_NOT_FOUND: {place(node)}: Unexpected parameters ({given}) for function {name}")


def _counted(node: exp.Expr, items: Items, least: int, most: int) -> None:
    if not least <= len(items) <= most:
        name = node.name.lower()
        raise QueryError(f"INVALID_FUNCTION_ARGUMENT: {place(node)}: Invalid number of arguments for '{name}' function")


def _coalesce(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    if len(items) < 2:
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: The 'coalesce' function must have at least two arguments")
    values = same_type(node, [binder.bind(item) for item in items], "All COALESCE operands must be the same type")
    return Bound(values[0].kind, f"coalesce({', '.join(value.sql for value in values)})")


def _nullif(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    _counted(node, items, 2, 2)
    first, second = (binder.bind(item) for item in items)
    if kinds.common(first.kind, second.kind) is None:
        raise QueryError(
            f"TYPE_MISMATCH: {place(node)}: Types are not comparable with NULLIF: {first.kind} vs {second.kind}"
        )
    equal = operators.compared(node, "=", first, second)
    return Bound(first.kind, f"(CASE WHEN {equal.sql} THEN NULL ELSE {first.sql} END)")


def _try(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    _counted(node, items, 1, 1)
    value = binder.bind(items[0])
    return Bound(value.kind, f"TRY({value.sql})")


def _typeof(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    _counted(node, items, 1, 1)
    shown = str(binder.bind(items[0]).kind)
    return Bound(kinds.VARCHAR, text(shown))


def _row(binder: Binder, _: Any, items: Items) -> Bound:  # noqa: ANN401
    return row([binder.bind(item) for item in items])


def _extreme(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    name = node.name.lower()
    values = [binder.bind(item) for item in items]
    kind: Kind | None = kinds.UNKNOWN
    for value in values:
        kind = kinds.common(kind, value.kind) if kind else None
    if kind is None or not values or not kinds.orderable(kind):
        raise _wrong(node, name, values)
    if kind.parts or kind.name == "timestamptz":
        raise UnsupportedSqlError(f"{name} of {kind}")
    texts = [coerced(value, kind).sql for value in values]
    missing = " OR ".join(f"{item} IS NULL" for item in texts)
    whole = f"{name}({', '.join(texts)})"
    if kind.name in kinds.FLOATS:
        whole = f"athena_{name}([{', '.join(texts)}])"
    return Bound(kind, f"(CASE WHEN {missing} THEN NULL ELSE {whole} END)")


def _concat(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    if len(items) < 2:
        raise QueryError(f"INVALID_FUNCTION_ARGUMENT: {place(node)}: There must be two or more concatenation arguments")
    if len(items) > 127:
        raise QueryError(f"TOO_MANY_ARGUMENTS: {place(node)}: Too many arguments for function call concat()")
    found = binder.bind(items[0])
    for item in items[1:]:
        found = operators.joined(node, found, binder.bind(item))
    return found


def _array_join(binder: Binder, node: Any, items: Items) -> Bound | None:  # noqa: ANN401
    """Cast the elements to varchar; without elements of another type the signatures do."""
    values = [binder.bind(item) for item in items]
    kind = values[0].kind if values else kinds.UNKNOWN
    if kind.name != "array" or kind.parts[0].name in ("varchar", "unknown") or len(values) not in (2, 3):
        return None
    texts = casts.cast(node, values[0], kinds.array(kinds.VARCHAR)).sql
    rest = [coerced(value, kinds.VARCHAR).sql for value in [*values[1:], Bound(kinds.UNKNOWN, "NULL")]]
    return Bound(kinds.VARCHAR, f"athena_array_join({texts}, {rest[0]}, {rest[1]})")


def _unit(node: exp.Expr, value: Bound, kind: Kind) -> str:
    if value.kind.name != "varchar":
        raise _wrong(node, node.name.lower(), [value])
    if value.literal is None:
        raise UnsupportedSqlError("a computed unit of time")
    unit = value.literal.lower()
    clock = unit in ("millisecond", "second", "minute", "hour")
    if unit not in _UNITS or (clock and kind.name == "date"):
        shown = {"date": "DATE"}.get(kind.name, "Timestamp")
        raise QueryError(f"INVALID_FUNCTION_ARGUMENT: {place(node)}: '{unit}' is not a valid {shown} field")
    return unit


def _date_trunc(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    values = [binder.bind(item) for item in items]
    if len(values) != 2 or values[1].kind.name not in kinds.TIMES:
        raise _wrong(node, "date_trunc", values)
    value = values[1]
    unit = _unit(node, values[0], value.kind)
    if value.kind.name == "timestamptz":
        zone = f"({value.sql}).z"
        local = f"date_trunc('{unit}', athena_local({value.sql}))"
        return Bound(value.kind, f"athena_zoned(athena_utc({local}, {zone}), {zone})")
    return Bound(value.kind, f"CAST(date_trunc('{unit}', {value.sql}) AS {kinds.duck(value.kind)})")


def _date_add(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    values = [binder.bind(item) for item in items]
    fits = len(values) == 3 and kinds.coercible(values[1].kind, kinds.BIGINT) and values[2].kind.name in kinds.TIMES
    if not fits:
        raise _wrong(node, "date_add", values)
    unit, amount, value = _unit(node, values[0], values[2].kind), coerced(values[1], kinds.BIGINT).sql, values[2]
    name = "interval_year" if unit in _MONTHS else "interval_day"
    size = _MONTHS.get(unit) or _MILLISECONDS[unit]
    return Bound(value.kind, f"athena_{value.kind.name}_plus_{name}({value.sql}, ({amount}) * {size})")


def _date_diff(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    values = [binder.bind(item) for item in items]
    kind = kinds.common(values[1].kind, values[2].kind) if len(values) == 3 else None
    if kind is None or kind.name not in kinds.TIMES:
        raise _wrong(node, "date_diff", values)
    unit = _unit(node, values[0], kind)
    sides = [coerced(value, kind).sql for value in values[1:]]
    if kind.name == "timestamptz":
        zoned = unit in _MONTHS or unit in ("day", "week")
        zone = f"({sides[0]}).z"
        sides = [f"athena_local(athena_zoned(({side}).u, {zone}))" if zoned else f"({side}).u" for side in sides]
    return Bound(kinds.BIGINT, f"date_sub('{unit}', {sides[0]}, {sides[1]})")


def _format(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    values = [binder.bind(item) for item in items]
    if len(values) < 2 or values[0].kind.name != "varchar":
        raise _wrong(node, "format", values)
    for value in values[1:]:
        if value.kind.parts or value.kind.name in (*kinds.TIMES, "varbinary", "interval_day", "interval_year"):
            raise UnsupportedSqlError(f"format of {value.kind}")
    given = ", ".join(f"CAST({value.sql} AS VARCHAR)" for value in values[1:])
    names = ", ".join(text(value.kind.name) for value in values[1:])
    return Bound(kinds.VARCHAR, f"athena_format({values[0].sql}, [{given}], [{names}])")


def _decimals(binder: Binder, node: Any, items: Items) -> Bound | None:  # noqa: ANN401
    """Bind round, truncate, ceil and floor of a decimal; other types have signatures."""
    values = [binder.bind(item) for item in items]
    if not values or values[0].kind.name != "decimal" or len(values) > 2:
        return None
    name, (precision, scale), sql = node.name.lower(), values[0].kind.sizes, values[0].sql
    if len(values) == 2:
        if name not in ("round", "truncate") or not kinds.coercible(values[1].kind, kinds.INTEGER):
            return None
        kind = kinds.decimal(min(38, precision + (name == "round")), scale)
        done = f"athena_decimal_{name}(CAST({sql} AS VARCHAR), {values[1].sql}, {scale})"
        return Bound(kind, f"CAST({done} AS {kinds.duck(kind)})")
    grows = min(1, scale) if name != "truncate" else 0
    kind = kinds.decimal(min(38, max(precision - scale + grows, 1)), 0)
    call = {"round": "round", "truncate": "trunc", "ceil": "ceil", "ceiling": "ceil", "floor": "floor"}[name]
    return Bound(kind, f"CAST({call}({sql}) AS {kinds.duck(kind)})")


def _mod(binder: Binder, node: Any, items: Items) -> Bound | None:  # noqa: ANN401
    values = [binder.bind(item) for item in items]
    if len(values) == 2 and "decimal" in (values[0].kind.name, values[1].kind.name):
        return operators.arithmetic(node, "%", values[0], values[1])
    return None


def _grouping(binder: Binder, node: Any, items: Items) -> Bound:  # noqa: ANN401
    with binder.aggregate(node, "grouping", window=False):
        keys = ", ".join(binder.bind(item).sql for item in items)
    return Bound(kinds.INTEGER, f"CAST(grouping({keys}) AS INTEGER)")


SPECIAL: dict[str, Special] = {
    "coalesce": _coalesce,
    "nullif": _nullif,
    "try": _try,
    "typeof": _typeof,
    "row": _row,
    "greatest": _extreme,
    "least": _extreme,
    "array_join": _array_join,
    "concat": _concat,
    "date_trunc": _date_trunc,
    "date_add": _date_add,
    "date_diff": _date_diff,
    "format": _format,
    "round": _decimals,
    "truncate": _decimals,
    "ceil": _decimals,
    "ceiling": _decimals,
    "floor": _decimals,
    "mod": _mod,
    "grouping": _grouping,
}


def shaped(name: str, found: Match) -> Bound:
    """Return the text of a call whose signature names a rule here.

    Raises:
        UnsupportedSqlError: It names none: the sandbox does not reproduce the function.
    """
    rule = _SHAPES.get(name)
    if rule is None:
        raise UnsupportedSqlError(f"function {found.signature.name}")
    return Bound(found.result, rule(found, *(item.sql for item in found.arguments)))


def _parameters(function: str) -> tuple[list[str], str]:
    head, _, body = function.partition(": ")
    return head.removeprefix("lambda ").split(", "), body


def _applied(function: str, *values: str) -> str:
    """Return a lambda's body as a lambda of one variable `e`, whose parts the values are."""
    names, body = _parameters(function)
    pairs = dict(zip(names, values, strict=True))
    for name, value in pairs.items():
        body = body.replace(name, value)
    return f"lambda e: {body}"


def _zip_with(_: Match, one: str, other: str, function: str) -> str:
    each = _applied(function, f"({one})[e]", f"({other})[e]")
    return f"list_transform(range(1, greatest(len({one}), len({other})) + 1), {each})"


def _reduce(found: Match, items: str, start: str, step: str, last: str) -> str:
    names, body = _parameters(last)
    state = f"list_reduce({items}, {step}, CAST({start} AS {kinds.duck(found.arguments[1].kind)}))"
    return f"list_transform([{state}], lambda {names[0]}: {body})[1]"


def _map_from_entries(found: Match, items: str) -> str:
    pair = found.arguments[0].kind.parts[0]
    key, value = (f'(e)."{kinds.field_name(pair, position)}"' for position in (0, 1))
    return f"athena_map(list_transform({items}, lambda e: {key}), list_transform({items}, lambda e: {value}))"


def _map_filter(_: Match, items: str, function: str) -> str:
    return f"map_from_entries(list_filter(map_entries({items}), {_applied(function, 'e.key', 'e.value')}))"


def _rebuilt(items: str, key: str, value: str) -> str:
    entries = f"map_entries({items})"
    return f"athena_map(list_transform({entries}, {key}), list_transform({entries}, {value}))"


def _transform_values(_: Match, items: str, function: str) -> str:
    return _rebuilt(items, "lambda e: e.key", _applied(function, "e.key", "e.value"))


def _transform_keys(_: Match, items: str, function: str) -> str:
    return _rebuilt(items, _applied(function, "e.key", "e.value"), "lambda e: e.value")


_SHAPES: dict[str, Callable[..., str]] = {
    "zip_with": _zip_with,
    "reduce": _reduce,
    "map_from_entries": _map_from_entries,
    "map_filter": _map_filter,
    "transform_values": _transform_values,
    "transform_keys": _transform_keys,
}


def aggregate(name: str, found: Match) -> str:
    """Return the template of an aggregate whose signature names a rule here."""
    kind = found.arguments[0].kind
    if name == "average":
        total = f"CAST(sum(#{{0}})@ AS VARCHAR), CAST(count(#{{0}})@ AS VARCHAR), {kind.sizes[1]}"
        return f"CAST(athena_decimal_divide({total}) AS {{result}})"
    if name in ("least", "greatest"):
        return _extreme_of("min" if name == "least" else "max", kind)
    if name == "map_agg":
        return "athena_map_agg(list({{'k': {0}, 'v': {1}}})@)"
    raise UnsupportedSqlError(f"function {found.signature.name}")


def _extreme_of(name: str, kind: Kind) -> str:
    """Return the template of min or max; NaN counts only if there is nothing else."""
    if kind.name in kinds.FLOATS:
        return f"coalesce({name}(CASE WHEN isnan({{0}}) THEN NULL ELSE {{0}} END)@, {name}({{0}})@)"
    if kind.name == "timestamptz":
        return f"arg_{name}({{0}}, ({{0}}).u)@"
    return f"{name}({{0}})@"
