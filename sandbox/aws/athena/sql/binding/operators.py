"""Operators with Trino's types and results: arithmetic, comparison, concatenation, subscripts."""

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding.bound import Bound, coerced, mismatch, place
from sandbox.aws.athena.sql.kinds import BOOLEAN, INTERVAL_DAY, INTERVAL_YEAR, Kind
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_INTERVALS = ("interval_day", "interval_year")


def refused(node: exp.Expr, sign: str, left: Bound, right: Bound) -> QueryError:
    """Return Trino's error for operands that an operator does not take."""
    return mismatch(node, f"Cannot apply operator: {left.kind} {sign} {right.kind}")


def arithmetic(node: exp.Expr, sign: str, left: Bound, right: Bound) -> Bound:
    """Bind `+ - * / %`."""
    if left.kind.name in kinds.NUMBERS and right.kind.name in kinds.NUMBERS:
        return _numbers(sign, left, right)
    if "unknown" in (left.kind.name, right.kind.name):
        known = right if left.kind.name == "unknown" else left
        if known.kind.name in kinds.NUMBERS or known.kind.name == "unknown":
            kind = known.kind if known.kind.name != "unknown" else kinds.INTEGER
            return _numbers(sign, coerced(left, kind), coerced(right, kind))
    found = _times(sign, left, right) or (_times(sign, right, left) if sign in "+*" else None)
    if found is None:
        raise refused(node, sign, left, right)
    return found


def _numbers(sign: str, left: Bound, right: Bound) -> Bound:
    kind = kinds.common(left.kind, right.kind)
    assert kind  # noqa: S101 - two numbers always have a common type
    if kind.name == "decimal":
        return _decimals(sign, left, right)
    one, other = coerced(left, kind).sql, coerced(right, kind).sql
    if sign == "/" and kind.name in kinds.INTEGERS:
        return Bound(kind, f"CAST({one} // {other} AS {kinds.duck(kind)})")
    return Bound(kind, f"({one} {sign} {other})")


def _decimals(sign: str, left: Bound, right: Bound) -> Bound:
    (p, s), (q, t) = kinds.as_decimal(left.kind).sizes, kinds.as_decimal(right.kind).sizes
    scale = max(s, t)
    if sign in "+-":
        kind = kinds.decimal(min(38, max(p - s, q - t) + scale + 1), scale)
        return Bound(kind, f"({_as(left, kind)} {sign} {_as(right, kind)})")
    if sign == "*":
        kind = kinds.decimal(min(38, p + q), s + t)
        wide = kinds.decimal(38, s), kinds.decimal(38, t)
        return Bound(kind, f"CAST({_as(left, wide[0])} * {_as(right, wide[1])} AS {kinds.duck(kind)})")
    name, precision = "divide", min(38, p + t + max(t - s, 0))
    if sign == "%":
        name, precision = "modulo", min(p - s, q - t) + scale
    kind = kinds.decimal(max(precision, 1), scale)
    texts = f"CAST({left.sql} AS VARCHAR), CAST({right.sql} AS VARCHAR)"
    return Bound(kind, f"CAST(athena_decimal_{name}({texts}, {scale}) AS {kinds.duck(kind)})")


def _as(value: Bound, kind: Kind) -> str:
    return f"CAST({value.sql} AS {kinds.duck(kind)})"


def _times(sign: str, left: Bound, right: Bound) -> Bound | None:
    """Bind what is done with times and intervals; the interval or number is on the right."""
    one, other = left.kind.name, right.kind.name
    if one in kinds.TIMES and other in _INTERVALS and sign in "+-":
        return Bound(left.kind, f"athena_{one}_plus_{other}({left.sql}, {'-' if sign == '-' else ''}({right.sql}))")
    if one in _INTERVALS and one == other and sign in "+-":
        return Bound(left.kind, f"({left.sql} {sign} {right.sql})")
    if one in _INTERVALS and other in (*kinds.INTEGERS, "double", "real") and sign in "*/":
        value = f"CAST({right.sql} AS DOUBLE)" if other in kinds.FLOATS or sign == "/" else right.sql
        return Bound(left.kind, f"CAST(trunc({left.sql} {sign} {value}) AS BIGINT)")
    if one in kinds.TIMES and other in kinds.TIMES and sign == "-":
        kind = kinds.common(left.kind, right.kind)
        assert kind  # noqa: S101 - two times always have a common type
        parts = (f"{instant(coerced(side, kind))}" for side in (left, right))
        start, end = (f"epoch_ms(CAST({part} AS TIMESTAMP))" for part in parts)
        return Bound(INTERVAL_DAY, f"({start} - {end})")
    return None


def negative(node: exp.Expr, value: Bound) -> Bound:
    """Bind a minus sign."""
    if value.kind.name not in (*kinds.NUMBERS, *_INTERVALS):
        raise mismatch(node, f"Cannot negate {value.kind}")
    return Bound(value.kind, f"(-{value.sql})", f"-{value.literal}" if value.literal else None)


def instant(value: Bound) -> str:
    """Return what orders a value: the instant of a timestamp with time zone, else the value."""
    return f"({value.sql}).u" if value.kind.name == "timestamptz" else value.sql


def compared(node: exp.Expr, sign: str, left: Bound, right: Bound) -> Bound:
    """Bind `= <> < <= > >=`."""
    kind = kinds.common(left.kind, right.kind)
    if kind is None or (sign not in ("=", "<>") and not kinds.orderable(kind)):
        raise refused(node, sign, left, right)
    return Bound(BOOLEAN, _compared(sign, coerced(left, kind), coerced(right, kind)))


def _compared(sign: str, left: Bound, right: Bound) -> str:
    if left.kind.parts:
        return _compared_nested(sign, left, right)
    one, other = instant(left), instant(right)
    if left.kind.name not in kinds.FLOATS:
        return f"({one} {sign} {other})"
    return _compared_floats(sign, one, other)


def _is_number(sql: str) -> bool:
    """Return whether a DuckDB text is a number as written, and so not NaN."""
    return sql.replace(".", "").replace("e", "").replace("-", "").replace("CAST(", "").split(" ")[0].isdigit()


def _compared_floats(sign: str, one: str, other: str) -> str:
    """Compare as IEEE 754 does: NaN is neither equal to anything nor less or greater."""
    if sign in "<=" and sign != "=":
        sign, one, other = ">" + sign[1:], other, one
    if sign == "<>":
        return f"(NOT {_compared_floats('=', one, other)})"
    if _is_number(one) or (sign == "=" and _is_number(other)):
        return f"({one} {sign} {other})"
    both = f"{other} IS NOT NULL" if sign != "=" else f"isnan({other})"
    return f"({one} {sign} {other} AND NOT (isnan({one}) AND {both}))"


def _compared_nested(sign: str, left: Bound, right: Bound) -> str:
    if left.kind.name == "map" or (left.kind.name == "row" and sign not in ("=", "<>")):
        raise UnsupportedSqlError(f"comparison of {left.kind}")
    if sign not in ("=", "<>"):
        return f"({left.sql} {sign} {right.sql})"
    return _equal_rows(sign, left, right) if left.kind.name == "row" else _equal_arrays(sign, left, right)


def _equal_rows(sign: str, left: Bound, right: Bound) -> str:
    pairs = []
    for position, part in enumerate(left.kind.parts):
        name = kinds.field_name(left.kind, position)
        pairs.append(_compared("=", *(Bound(part, f'({side.sql})."{name}"') for side in (left, right))))
    either = f"{left.sql} IS NULL OR {right.sql} IS NULL"
    return f"({'NOT ' if sign == '<>' else ''}CASE WHEN {either} THEN NULL ELSE {' AND '.join(pairs)} END)"


def _equal_arrays(sign: str, left: Bound, right: Bound) -> str:
    element = left.kind.parts[0]
    pair = _compared("=", Bound(element, f"({left.sql})[i]"), Bound(element, f"({right.sql})[i]"))
    pairs = f"list_transform(range(1, len({left.sql}) + 1), lambda i: {pair})"
    equal = f"athena_all_equal(len({left.sql}), len({right.sql}), {pairs})"
    return f"(NOT {equal})" if sign == "<>" else equal


def distinct(node: exp.Expr, sign: str, left: Bound, right: Bound) -> Bound:
    """Bind `IS DISTINCT FROM` and `IS NOT DISTINCT FROM`."""
    kind = kinds.common(left.kind, right.kind)
    if kind is None:
        raise refused(node, sign, left, right)
    return Bound(BOOLEAN, f"({instant(coerced(left, kind))} {sign} {instant(coerced(right, kind))})")


def included(node: exp.Expr, value: Bound, items: list[Bound]) -> Bound:
    """Bind `IN (…)`."""
    kind: Kind | None = value.kind
    for item in items:
        kind = kinds.common(kind, item.kind) if kind else None
        if kind is None:
            raise mismatch(node, f"IN value and list items must be the same type: {value.kind}, {item.kind}")
    assert kind  # noqa: S101 - the loop raised
    first, rest = coerced(value, kind), [coerced(item, kind) for item in items]
    if kind.parts or (kind.name in kinds.FLOATS and not all(_is_number(item.sql) for item in rest)):
        return Bound(BOOLEAN, "(" + " OR ".join(_compared("=", first, item) for item in rest) + ")")
    return Bound(BOOLEAN, f"({instant(first)} IN ({', '.join(map(instant, rest))}))")


def joined(node: exp.Expr, left: Bound, right: Bound) -> Bound:
    """Bind `||`."""
    if left.kind.name == "array" or right.kind.name == "array":
        return _joined_arrays(node, left, right)
    kind = kinds.common(left.kind, right.kind)
    if kind is None or kind.name not in ("varchar", "char", "varbinary", "unknown"):
        raise QueryError(
            f"FUNCTION_NOT_FOUND: {place(node)}: Unexpected parameters ({left.kind}, {right.kind}) for function concat"
        )
    wanted = kinds.VARBINARY if kind.name == "varbinary" else kinds.VARCHAR
    return Bound(wanted, f"({coerced(left, wanted).sql} || {coerced(right, wanted).sql})")


def _joined_arrays(node: exp.Expr, left: Bound, right: Bound) -> Bound:
    sides = [side.kind if side.kind.name == "array" else kinds.array(side.kind) for side in (left, right)]
    kind = kinds.common(*sides)
    if kind is None:
        raise QueryError(
            f"FUNCTION_NOT_FOUND: {place(node)}: Unexpected parameters ({left.kind}, {right.kind}) for function concat"
        )
    parts = []
    for side in (left, right):
        listed = side if side.kind.name == "array" else Bound(kinds.array(side.kind), f"[{side.sql}]")
        parts.append(coerced(listed, kind).sql)
    return Bound(kind, f"athena_concat_lists({parts[0]}, {parts[1]})")


def subscript(node: exp.Expr, value: Bound, index: Bound) -> Bound:
    """Bind `value[index]`."""
    kind = value.kind
    if kind.name == "array" and index.kind.name in kinds.INTEGERS:
        return Bound(kind.parts[0], f"athena_subscript({value.sql}, {index.sql})")
    if kind.name == "map" and kinds.coercible(index.kind, kind.parts[0]):
        return Bound(kind.parts[1], f"athena_map_subscript({value.sql}, {coerced(index, kind.parts[0]).sql})")
    if kind.name == "row" and index.literal and index.kind.name == "integer":
        position = int(index.literal) - 1
        if not 0 <= position < len(kind.parts):
            raise QueryError(f"INVALID_FUNCTION_ARGUMENT: {place(node)}: ROW subscript out of range: {index.literal}")
        return Bound(kind.parts[position], f'({value.sql})."{kinds.field_name(kind, position)}"')
    raise mismatch(node, f"Cannot apply operator: {kind}[{index.kind}]")


def interval(node: exp.Expr, written: str, unit: str, *, negated: bool) -> Bound:
    """Bind an interval literal such as `INTERVAL '1' DAY`."""
    size = {"SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000, "WEEK": 604_800_000}.get(unit)
    months = {"MONTH": 1, "YEAR": 12}.get(unit)
    try:
        amount = round(float(written) * size) if unit == "SECOND" and size else int(written) * (size or months or 0)
    except ValueError:
        raise QueryError(f"INVALID_LITERAL: {place(node)}: '{written}' is not a valid INTERVAL literal") from None
    if size is None and months is None:
        raise UnsupportedSqlError(f"interval in {unit.lower()}")
    value = -amount if negated else amount
    return Bound(INTERVAL_DAY if size else INTERVAL_YEAR, f"CAST({value} AS BIGINT)")
