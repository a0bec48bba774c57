"""Binds calls of functions: scalar functions, aggregates and window functions by their signatures."""

from typing import Any

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding import operators, special
from sandbox.aws.athena.sql.binding.bound import Argument, Bound, Lambda, mismatch, place
from sandbox.aws.athena.sql.binding.expressions import Binder, register
from sandbox.aws.athena.sql.functions.aggregates import AGGREGATES, UNSUPPORTED, WINDOWS
from sandbox.aws.athena.sql.functions.collections_times import COLLECTIONS, TIMES
from sandbox.aws.athena.sql.functions.scalars import SCALARS
from sandbox.aws.athena.sql.functions.signatures import Match, Signature, best
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_FUNCTIONS: dict[str, list[Signature]] = {**SCALARS, **COLLECTIONS, **TIMES}


# Functions that take a lambda in a form that the sandbox does not reproduce.
_LAMBDAS = ("array_sort", "regexp_replace")
_VALUES = ("first_value", "last_value", "nth_value", "lag", "lead")


def bind_call(binder: Binder, node: Any) -> Bound:  # noqa: ANN401 - sqlglot's nodes differ
    """Bind `name(arguments)`."""
    name = node.name.lower()
    if name in AGGREGATES or name == "listagg":
        return _aggregate(binder, node, name)
    if name in WINDOWS:
        raise QueryError(f"MISSING_OVER: {place(node)}: Window function {name} requires an OVER clause")
    for item in node.expressions:
        if isinstance(item, (exp.Distinct, exp.Order, exp.Star)):
            known = name in _FUNCTIONS or name in special.SPECIAL
            raise _unregistered(node, name) if not known else QueryError(
                f"FUNCTION_NOT_AGGREGATE: {place(node)}: DISTINCT and ORDER BY are not supported for "
                "non-aggregation functions"
            )  # fmt: skip
    rule = special.SPECIAL.get(name)
    if rule is not None:
        found = rule(binder, node, list(node.expressions))
        if found is not None:
            return found
    return apply(node, name, [binder.argument(item) for item in node.expressions])


def apply(node: exp.Expr, name: str, arguments: list[Argument]) -> Bound:
    """Apply a scalar function to bound arguments.

    Raises:
        QueryError: Trino has no such function, or none for these types.
    """
    forms = _FUNCTIONS.get(name)
    if forms is None:
        raise _unregistered(node, name)
    found = best(forms, arguments)
    if found is None and any(isinstance(item, Lambda) for item in arguments) and name in _LAMBDAS:
        raise UnsupportedSqlError(f"{name} with a lambda")
    if found is None:
        raise unexpected(node, name, arguments, forms)
    return filled(found)


def filled(found: Match) -> Bound:
    """Return the text of a call."""
    template = found.signature.template
    if template.startswith("@"):
        return special.shaped(template[1:], found)
    if "{*}" in template:
        template = template.replace("{*}", ", ".join(f"{{{place}}}" for place in range(len(found.arguments))))
    first = found.arguments[0].kind if found.arguments else kinds.UNKNOWN
    size = first.sizes[0] if first.sizes else 0
    texts = [item.sql for item in found.arguments]
    return Bound(found.result, f"({template.format(*texts, size=size, result=kinds.duck(found.result))})")


def _unregistered(node: exp.Expr, name: str) -> QueryError:
    if name in UNSUPPORTED or name.startswith("st_"):
        return UnsupportedSqlError(f"function {name}")
    return QueryError(f"FUNCTION_NOT_FOUND: {place(node)}: Function '{name}' not registered")


def unexpected(node: exp.Expr, name: str, arguments: list[Argument], forms: list[Signature]) -> QueryError:
    """Return Trino's error for arguments that a function does not take."""
    given = ", ".join(str(item.kind) if isinstance(item, Bound) else "function" for item in arguments)
    expected = ", ".join(map(str, forms))
    return QueryError(
        f"FUNCTION_NOT_FOUND: {place(node)}: Unexpected parameters ({given}) for function {name}. Expected: {expected}"
    )


class _Parts:
    """The parts of an aggregate call: its arguments, DISTINCT, ORDER BY."""

    def __init__(self, node: Any) -> None:  # noqa: ANN401
        items = list(node.expressions)
        self.order: list[exp.Ordered] = []
        self.distinct = False
        if items and isinstance(items[-1], exp.Order):
            self.order = items[-1].expressions
            items[-1] = items[-1].this
        if items and isinstance(items[0], exp.Distinct):
            self.distinct, items = True, list(items[0].expressions)
            if items and isinstance(items[-1], exp.Order):
                self.order, items[-1] = items[-1].expressions, items[-1].this
        self.items = items


def _aggregate(binder: Binder, node: Any, name: str, tail: str = "", *, window: bool = False) -> Bound:  # noqa: ANN401
    parts = _Parts(node)
    with binder.aggregate(node, name, window=window):
        if name == "count" and (not parts.items or isinstance(parts.items[0], exp.Star)):
            if len(parts.items) > 1 or parts.distinct:
                raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input '*'")
            return Bound(kinds.BIGINT, f"count(*){tail}")
        arguments = [binder.argument(item) for item in parts.items if not isinstance(item, exp.Star)]
        order = ordering(binder, parts.order)
    found = best(AGGREGATES[name], arguments)
    if found is None:
        raise unexpected(node, name, arguments, AGGREGATES[name])
    return _placed(node, found, "DISTINCT " if parts.distinct else "", order, tail)


def _placed(node: exp.Expr, found: Match, distinct: str, order: str, tail: str) -> Bound:
    template = found.signature.template
    if template.startswith("@"):
        template = special.aggregate(template[1:], found)
    if distinct and "#" not in template:
        plain = found.signature.name in ("min", "max", "bool_and", "bool_or", "every", "arbitrary", "approx_distinct")
        if not plain:
            raise UnsupportedSqlError(f"DISTINCT in {found.signature.name}")
    if distinct and any(kinds.contains(item.kind, "timestamptz") for item in found.arguments):
        raise UnsupportedSqlError(f"DISTINCT timestamps with time zone in {found.signature.name}")
    _check_orderable(node, found)
    texts = [item.sql for item in found.arguments]
    marked = (
        template.replace("#", distinct).replace("~", order).replace("@", tail.replace("{", "{{").replace("}", "}}"))
    )
    return Bound(found.result, marked.format(*texts, result=kinds.duck(found.result)))


def _check_orderable(node: exp.Expr, found: Match) -> None:
    key = {"min": 0, "max": 0, "min_by": 1, "max_by": 1}.get(found.signature.name)
    if key is None:
        return
    kind = found.arguments[key].kind
    if not kinds.orderable(kind):
        raise unexpected(node, found.signature.name, list(found.arguments), [found.signature])
    if kind.parts or (kind.name == "timestamptz" and len(found.arguments) > 1):
        raise UnsupportedSqlError(f"{found.signature.name} of {kind}")


def ordering(binder: Binder, items: list[exp.Ordered]) -> str:
    """Return ` ORDER BY …` for an aggregate or a window; empty without items."""
    keys = [order_key(item, binder.bind(item.this)) for item in items]
    return f" ORDER BY {', '.join(keys)}" if keys else ""


def order_key(item: exp.Ordered, value: Bound) -> str:
    """Return one key of an ORDER BY; nulls come last unless the query says otherwise.

    Raises:
        QueryError: The type has no order.
    """
    if not kinds.orderable(value.kind):
        raise mismatch(item, f"Type {value.kind} is not orderable, and therefore cannot be used in ORDER BY")
    direction = "DESC" if item.args.get("desc") else "ASC"
    return f"{operators.instant(value)} {direction} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


def _filter(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    with binder.aggregate(node, "filter", window=False):
        tail = _filter_text(binder, node)
    return _tailed(binder, node.this, tail, window=False)


def _filter_text(binder: Binder, node: exp.Filter) -> str:
    return f" FILTER (WHERE {binder.condition(node.expression.this, 'FILTER clause')})"


def _tailed(binder: Binder, node: Any, tail: str, *, window: bool) -> Bound:  # noqa: ANN401
    if isinstance(node, exp.GroupConcat):
        return _listagg(binder, node, tail)
    if isinstance(node, exp.Anonymous) and node.name.lower() in AGGREGATES:
        return _aggregate(binder, node, node.name.lower(), tail, window=window)
    name = node.name.lower() if isinstance(node, exp.Anonymous) else node.sql("athena")
    raise QueryError(f"FUNCTION_NOT_AGGREGATE: {place(node)}: {name} is not an aggregation function")


def _listagg(binder: Binder, node: Any, tail: str = "") -> Bound:  # noqa: ANN401
    target, separator = node.this, node.args.get("separator")
    if not isinstance(target, exp.Order):
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input ')'. Expecting: 'WITHIN'")
    if node.args.get("on_overflow"):
        raise UnsupportedSqlError("listagg with ON OVERFLOW")
    inner = target.this
    distinct = "DISTINCT " if isinstance(inner, exp.Distinct) else ""
    with binder.aggregate(node, "listagg", window=False):
        value = binder.bind(inner.expressions[0] if isinstance(inner, exp.Distinct) else inner)
        between = binder.bind(separator) if separator is not None else Bound(kinds.varchar(0), "''")
        order = ordering(binder, target.expressions)
    if value.kind.name not in ("varchar", "unknown"):
        raise unexpected(node, "listagg", [value, between], [])
    return Bound(kinds.VARCHAR, f"string_agg({distinct}{value.sql}, {between.sql}{order}){tail}")


def _window(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    target, nulls = node.this, ""
    if isinstance(target, (exp.IgnoreNulls, exp.RespectNulls)):
        nulls = " IGNORE NULLS" if isinstance(target, exp.IgnoreNulls) else ""
        target = target.this
    filtered = ""
    if isinstance(target, exp.Filter):
        filtered, target = _filter_text(binder, target), target.this
    with binder.aggregate(node, "window", window=True):
        over = f"{filtered} OVER ({_over(binder, node)})"
    name = target.name.lower() if isinstance(target, exp.Anonymous) else ""
    if nulls and name not in _VALUES:
        raise QueryError(
            f"NULL_TREATMENT_NOT_ALLOWED: {place(node)}: Cannot specify null treatment clause for {name} function"
        )
    if name not in WINDOWS:
        return _tailed(binder, target, over, window=True)
    with binder.aggregate(node, name, window=True):
        arguments = [binder.argument(item) for item in target.expressions]
    found = best(WINDOWS[name], arguments)
    if found is None:
        raise unexpected(node, name, arguments, WINDOWS[name])
    return _placed(node, found, "", nulls, over)


def _over(binder: Binder, node: Any) -> str:  # noqa: ANN401
    named = node.args.get("alias")
    if named is not None:
        definition = binder.windows.get(named.name.lower())
        if definition is None:
            raise QueryError(f"INVALID_WINDOW_REFERENCE: {place(node)}: Cannot resolve WINDOW name {named.name}")
        _check_reference(node, definition)
        base = _over(binder, definition)
        return " ".join(filter(None, (base, _over_parts(binder, node))))
    return _over_parts(binder, node)


def _check_reference(node: Any, definition: exp.Window) -> None:  # noqa: ANN401
    """Refuse a window that says again what the window that it refers to says."""
    if node.args.get("partition_by"):
        raise QueryError(
            f"INVALID_PARTITION_BY: {place(node)}: WINDOW specification with named WINDOW reference cannot specify "
            "PARTITION BY"
        )
    if node.args.get("order") and definition.args.get("order"):
        raise QueryError(
            f"INVALID_ORDER_BY: {place(node)}: Cannot specify ORDER BY if referenced named WINDOW specifies ORDER BY"
        )
    more = node.args.get("order") or node.args.get("spec")
    if definition.args.get("spec") and more:
        raise QueryError(
            f"INVALID_WINDOW_REFERENCE: {place(node)}: Cannot reference named WINDOW containing frame specification"
        )


def _over_parts(binder: Binder, node: Any) -> str:  # noqa: ANN401
    keys = [operators.instant(binder.bind(item)) for item in node.args.get("partition_by") or []]
    order = node.args.get("order")
    parts = [f"PARTITION BY {', '.join(keys)}" if keys else "", ordering(binder, order.expressions if order else [])]
    spec = node.args.get("spec")
    if spec is not None:
        start, end = _edge(binder, spec, "start"), _edge(binder, spec, "end") or "CURRENT ROW"
        _check_frame(node, spec, start, end)
        parts.append(f"{spec.args['kind']} BETWEEN {start} AND {end}")
    return " ".join(part.strip() for part in parts if part)


def _check_frame(node: Any, spec: exp.WindowSpec, start: str, end: str) -> None:  # noqa: ANN401
    """Refuse a frame that cannot be."""
    kind = str(spec.args["kind"])
    offsets = [edge for edge in (start, end) if not edge.startswith(("UNBOUNDED", "CURRENT"))]
    if start == "UNBOUNDED FOLLOWING" or end == "UNBOUNDED PRECEDING":
        which = "start" if start == "UNBOUNDED FOLLOWING" else "end"
        raise QueryError(
            f"INVALID_WINDOW_FRAME: {place(node)}: Window frame {which} cannot be {start if which == 'start' else end}"
        )
    if kind != "ROWS" and offsets and not node.args.get("order") and not node.args.get("alias"):
        raise QueryError(
            f"MISSING_ORDER_BY: {place(node)}: Window frame of type {kind} PRECEDING or FOLLOWING requires ORDER BY"
        )


def _edge(binder: Binder, spec: exp.WindowSpec, which: str) -> str:
    value, side = spec.args.get(which), spec.args.get(f"{which}_side") or ""
    if value is None:
        return ""
    if not isinstance(value, exp.Expr):
        return f"{value} {side}".strip()
    bound = binder.bind(value)
    text = bound.sql
    if str(spec.args["kind"]) != "RANGE" and bound.kind.name not in kinds.INTEGERS:
        raise mismatch(
            value, f"Window frame {spec.args['kind']} {which} value type must be exact numeric type with scale 0 "
            f"(actual {bound.kind})"
        )  # fmt: skip
    if bound.kind.name == "interval_day":
        text = f"to_milliseconds({bound.sql})"
    elif bound.kind.name == "interval_year":
        text = f"to_months(CAST({bound.sql} AS INTEGER))"
    return f"{text} {side}"


def _extract(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    field, value = node.name.lower(), binder.bind(node.expression)
    if field not in special.FIELDS:
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: Invalid EXTRACT field: {field.upper()}")
    found = best(_FUNCTIONS[field], [value])
    if found is None or value.kind.name == "varchar":
        raise mismatch(node, f"Cannot extract {field.upper()} from {value.kind}")
    return filled(found)


def _trim(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(node.args.get("position") or "", "trim")
    items = [node.this] + ([node.expression] if node.args.get("expression") else [])
    return apply(node, name, [binder.bind(item) for item in items])


def _substring(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    items = [node.this, node.args.get("start"), node.args.get("length")]
    return apply(node, "substring", [binder.bind(item) for item in items if item is not None])


def _position(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    return apply(node, "strpos", [binder.bind(node.this), binder.bind(node.args["substr"])])


def _json_literal(binder: Binder, node: Any) -> Bound:  # noqa: ANN401
    return Bound(kinds.JSON, f"athena_json_parse({binder.bind(node.this).sql})")


register(
    {
        exp.Anonymous: bind_call,
        exp.Filter: _filter,
        exp.Window: _window,
        exp.GroupConcat: _listagg,
        exp.Extract: _extract,
        exp.Trim: _trim,
        exp.Substring: _substring,
        exp.StrPosition: _position,
        exp.ParseJSON: _json_literal,
    }
)
