"""Trino's strict typing on top of DuckDB's lenient one: divisions, casts and comparisons of Glue's types."""

from sqlglot import exp

from sandbox.aws.athena.sql.functions import call, is_trusted, trusted
from sandbox.aws.athena.sql.macros import TEXT_CASTS
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_INTEGERS = exp.DataType.INTEGER_TYPES
_REALS = {exp.DType.DOUBLE, exp.DType.FLOAT}
_TEXTS = exp.DataType.TEXT_TYPES
_TIMES = {exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ}
_TARGETS = {
    exp.DType.TINYINT: "tinyint",
    exp.DType.SMALLINT: "smallint",
    exp.DType.INT: "integer",
    exp.DType.BIGINT: "bigint",
    exp.DType.FLOAT: "real",
    exp.DType.DOUBLE: "double",
    exp.DType.DECIMAL: "decimal",
    exp.DType.DATE: "date",
    exp.DType.TIMESTAMP: "timestamp",
    exp.DType.TIMESTAMPTZ: "timestamptz",
    exp.DType.BOOLEAN: "boolean",
}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_TEXT_FUNCTIONS = (exp.Lower, exp.Upper, exp.Length, exp.Trim, exp.Reverse, exp.Encode)


def enforce(tree: exp.Expr) -> None:
    """Rewrite divisions and casts, and refuse operands that Trino refuses.

    Raises:
        QueryError: TYPE_MISMATCH, with Athena's message.
        UnsupportedSqlError: The meaning depends on a type that cannot be inferred.
    """
    for node in reversed(list(tree.walk(bfs=True))):
        if isinstance(node, exp.Div):
            node.replace(_division(node))
        elif isinstance(node, (exp.Cast, exp.TryCast)) and not is_trusted(node):
            replacement = _cast(node)
            if replacement is not None:
                node.replace(replacement)
        elif isinstance(node, _COMPARISONS):
            _comparable(node, node.this, node.expression)
        elif isinstance(node, exp.In):
            for item in node.expressions:
                _comparable(node, node.this, item)
        elif isinstance(node, exp.Between):
            _comparable(node, node.this, node.args["low"])
            _comparable(node, node.this, node.args["high"])
        elif isinstance(node, (exp.Add, exp.Sub)):
            _addable(node)
        elif isinstance(node, (exp.DPipe, *_TEXT_FUNCTIONS)):
            _textual(node)


def kind(node: exp.Expr) -> exp.DType:
    """Return the inferred type of an expression."""
    return node.type.this if node.type else exp.DType.UNKNOWN


def _family(node: exp.Expr) -> str | None:
    inferred = kind(node)
    if inferred in _TEXTS:
        return "varchar"
    if inferred in _INTEGERS or inferred in _REALS or inferred == exp.DType.DECIMAL:
        return "number"
    if inferred in _TIMES:
        return "time"
    return "boolean" if inferred == exp.DType.BOOLEAN else None


def _shown(node: exp.Expr) -> str:
    if isinstance(node, exp.Literal) and node.is_string:
        return f"varchar({len(node.this)})"
    return _TARGETS.get(kind(node), "varchar" if kind(node) in _TEXTS else str(kind(node).value).lower())


def _mismatch(node: exp.Expr, left: exp.Expr, right: exp.Expr) -> QueryError:
    sign = {"EQ": "=", "NEQ": "<>", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<=", "Add": "+", "Sub": "-"}
    name = sign.get(type(node).__name__, type(node).__name__.upper())
    return QueryError(
        f"TYPE_MISMATCH: line 1:8: Cannot apply operator: {_shown(left)} {name} {_shown(right)} "
        f"(in {node.sql('athena')}); CAST one side or write a typed literal"
    )


def _comparable(node: exp.Expr, left: exp.Expr, right: exp.Expr) -> None:
    families = {_family(left), _family(right)} - {None}
    if len(families) > 1:
        raise _mismatch(node, left, right)


def _addable(node: exp.Binary) -> None:
    if isinstance(node.expression, (exp.Interval, exp.Anonymous)) or isinstance(node.this, exp.Interval):
        return
    families = {_family(node.this), _family(node.expression)} - {None}
    if families - {"number"}:
        raise _mismatch(node, node.this, node.expression)


def _textual(node: exp.Expr) -> None:
    operands = [node.this, node.expression] if isinstance(node, exp.DPipe) else [node.this]
    for operand in operands:
        if _family(operand) not in (None, "varchar"):
            raise QueryError(
                f"FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters ({_shown(operand)}) in {node.sql('athena')}; "
                "CAST the argument AS varchar"
            )


def _division(node: exp.Div) -> exp.Expr:
    left, right = node.this, node.expression
    kinds = {kind(left), kind(right)}
    if kinds <= _INTEGERS:
        return call("athena_integer_division", left, right)
    if kinds & _REALS:
        return call("athena_real_division", left, right)
    if exp.DType.DECIMAL in kinds:
        raise UnsupportedSqlError(f"decimal division {node.sql('athena')}: CAST one side AS double")
    raise UnsupportedSqlError(f"division of untyped operands {node.sql('athena')}: CAST both sides")


def _cast(node: exp.Expr) -> exp.Expr | None:
    source, target = kind(node.this), node.args["to"].this
    if isinstance(node.this, exp.Null):
        return None
    if target in _TEXTS:
        return _to_text(node, source)
    if target == exp.DType.TIMESTAMP:
        return _to_timestamp(node, source)
    if source in _TEXTS and target in _TARGETS:
        done = exp.Cast(this=_checked(node, target), to=node.args["to"].copy())
        done.meta["trusted"] = True
        return done
    if source in _REALS and target in _INTEGERS:
        # Trino rounds halves away from zero; DuckDB's cast rounds them to even.
        node.this.replace(exp.Round(this=node.this.copy()))
    elif source == exp.DType.UNKNOWN:
        raise UnsupportedSqlError(f"cast of an expression of unknown type: {node.sql('athena')}")
    return None


def _checked(node: exp.Expr, target: exp.DType) -> exp.Expr:
    prefix = "athena_try_text_to_" if isinstance(node, exp.TryCast) else "athena_text_to_"
    return call(f"{prefix}{_TARGETS[target]}", node.this)


def _to_timestamp(node: exp.Expr, source: exp.DType) -> exp.Expr:
    """Cast to a timestamp: rounded to milliseconds without a precision, with the written digits for a literal."""
    written = [item.name for item in node.args["to"].expressions]
    precision = written[0] if written else "3"
    value = _checked(node, exp.DType.TIMESTAMP) if source in _TEXTS else node.this.copy()
    if (isinstance(node.this, exp.Literal) and written) or precision == "6":
        return trusted(value, "TIMESTAMP")
    if precision != "3":
        raise UnsupportedSqlError(f"timestamp({precision}): use timestamp, timestamp(3) or timestamp(6)")
    half = exp.Interval(this=exp.Literal.string("500"), unit=exp.Var(this="MICROSECOND"))
    rounded = call("date_trunc", exp.Literal.string("milliseconds"), trusted(value, "TIMESTAMP") + half)
    return trusted(rounded, "TIMESTAMP")


def _to_text(node: exp.Expr, source: exp.DType) -> exp.Expr | None:
    if node.args["to"].expressions:
        raise UnsupportedSqlError(f"cast to {node.args['to'].sql('athena')}: use varchar without a length")
    if source == exp.DType.DOUBLE:
        return trusted(call("athena_double_to_text", node.this), "VARCHAR")
    if source == exp.DType.TIMESTAMP:
        return trusted(call("athena_timestamp_to_text", node.this), "VARCHAR")
    if source in _INTEGERS or source in _TEXTS or source in {exp.DType.DATE, exp.DType.BOOLEAN, exp.DType.DECIMAL}:
        return None
    raise UnsupportedSqlError(f"cast of {source.value.lower()} to varchar: {node.sql('athena')}")


assert set(_TARGETS.values()) == set(TEXT_CASTS)  # noqa: S101 - both tables must list the same types
