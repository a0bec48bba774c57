"""Functions that a query may use, and rewrites for those that differ between Athena and DuckDB."""

import re
from collections.abc import Callable
from typing import cast

from sqlglot import exp

from sandbox.aws.errors import UnsupportedSqlError

_TRUSTED = "trusted"

# Functions with the same name and meaning in both, or that sqlglot renders with the same meaning.
_SAME: tuple[type[exp.Expr], ...] = (
    exp.Abs, exp.And, exp.AnyValue, exp.Array, exp.ArrayAgg, exp.Avg, exp.Case, exp.Cast, exp.Cbrt, exp.Ceil,
    exp.Coalesce, exp.Concat, exp.Corr, exp.Count, exp.CountIf, exp.CovarPop, exp.CovarSamp, exp.CumeDist,
    exp.CurrentDate, exp.CurrentTimestamp, exp.Day, exp.DayOfYear, exp.DenseRank, exp.Encode, exp.Exists, exp.Exp,
    exp.Extract, exp.FirstValue, exp.Floor, exp.GenerateSeries, exp.Greatest, exp.Hex, exp.Hour, exp.If, exp.IsNan,
    exp.IsInf, exp.Lag, exp.LastValue, exp.Lead, exp.Least, exp.Length, exp.Ln, exp.LogicalAnd, exp.LogicalOr,
    exp.Lower, exp.MD5Digest, exp.Max, exp.Min, exp.Minute, exp.Month, exp.NthValue, exp.Ntile, exp.Nullif, exp.Or,
    exp.PercentRank, exp.Pow, exp.Quarter, exp.Rand, exp.Rank, exp.RegexpLike, exp.Replace, exp.Reverse, exp.Round,
    exp.RowNumber, exp.SHA2Digest, exp.Second, exp.Sign, exp.Sqrt, exp.StartsWith, exp.Stddev, exp.StddevPop,
    exp.StddevSamp, exp.StrPosition, exp.StrToTime, exp.Sum, exp.TimeToStr, exp.Trim, exp.TryCast, exp.Unnest,
    exp.ArrayContains, exp.ArraySize, exp.Chr, exp.ConcatWs, exp.DayOfMonth, exp.Decode, exp.LastDay, exp.Log, exp.Pi,
    exp.RegexpReplace, exp.Split, exp.ToBase64, exp.Translate, exp.Unhex, exp.Upper, exp.Uuid, exp.Variance,
    exp.VariancePop, exp.WeekOfYear, exp.Xor, exp.Year, exp.Mod,
)  # fmt: skip
_OWN = re.compile(r"athena_\w+|quantile_disc|arg_max_null|arg_min_null|epoch|isodow|date_sub|date_trunc|to_\w+s")
_DATE_FORMAT = re.compile(r"(?:[^%]|%[YmdHMSyj%])*")
_FIELDS = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOY", "HOUR", "MINUTE", "SECOND"}
_DAYS_OF_WEEK = {"DOW", "DAY_OF_WEEK", "DAYOFWEEK"}
_UNITS = {"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}
_DATE_UNITS = {"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}


def trusted(call: exp.Expr, kind: str) -> exp.Cast:
    """Wrap an expression of DuckDB type `kind` in a cast that informs the type inference."""
    result = exp.Cast(this=call, to=exp.DataType.build(kind))
    result.meta[_TRUSTED] = True
    return result


def is_trusted(node: exp.Expr) -> bool:
    """Return whether this module wrote a cast, so that it needs no check."""
    return bool(node.meta.get(_TRUSTED))


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """Return a call of a DuckDB function or one of our macros by its exact name."""
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def normalise(tree: exp.Expr) -> None:
    """Give decimal literals their Trino type before types are inferred; sqlglot infers double."""
    for literal in list(tree.find_all(exp.Literal)):
        if not literal.is_string and re.fullmatch(r"\d*\.\d*", literal.this) and literal.this != ".":
            whole, _, part = literal.this.partition(".")
            scale, precision = len(part), max(len(whole.lstrip("0")) + len(part), 1)
            literal.replace(trusted(literal.copy(), f"DECIMAL({precision}, {scale})"))


def rewrite(tree: exp.Expr) -> None:
    """Rewrite, in place and bottom-up, all calls with another meaning in DuckDB; types must be annotated."""
    for node in reversed(list(tree.walk(bfs=True))):
        rule = _RULES.get(type(node))
        replacement = rule(node) if rule else None
        if replacement is not None:
            node.replace(replacement)


def check(tree: exp.Expr) -> None:
    """Refuse functions that are neither equal in both nor rewritten.

    Raises:
        UnsupportedSqlError: Names the first such function.
    """
    for node in tree.find_all(exp.Func):
        if isinstance(node, exp.Anonymous):
            if not _OWN.fullmatch(node.name.lower()):
                raise UnsupportedSqlError(f"function {node.name.lower()}")
        elif not isinstance(node, _SAME):
            raise UnsupportedSqlError(f"function {node.sql_name().lower()}")
    refused = tree.find(exp.JSONExtract, exp.AtTimeZone, exp.Lambda, exp.MatchRecognize)
    if refused is not None:
        raise UnsupportedSqlError(refused.sql("athena"))


def _kind(node: exp.Expr) -> exp.DType:
    return node.type.this if node.type else exp.DType.UNKNOWN


def _is_date(node: exp.Expr) -> bool:
    return _kind(node) == exp.DType.DATE


def _timestamp_like(node: exp.Expr) -> str | None:
    names = {exp.DType.TIMESTAMP: "TIMESTAMP", exp.DType.DATE: "DATE", exp.DType.TIMESTAMPTZ: "TIMESTAMPTZ"}
    return names.get(_kind(node))


def _substring(node: exp.Expr) -> exp.Expr:
    start, length = node.args.get("start"), node.args.get("length")
    arguments = [item for item in (node.this, start, length) if item is not None]
    return trusted(call("athena_substr" if length is None else "athena_substr3", *arguments), "VARCHAR")


def _unit(node: exp.Expr) -> str:
    unit = str(node.args["unit"].name).upper()
    if unit not in _UNITS:
        raise UnsupportedSqlError(f"unit {unit.lower()}")
    return unit


def _date_add(node: exp.Expr) -> exp.Expr | None:
    kind = _timestamp_like(node.this)
    if kind is None:
        return None
    unit = _unit(node)
    if kind == "DATE" and unit not in _DATE_UNITS:
        raise UnsupportedSqlError(f"'{unit.lower()}' is not a valid DATE field")
    months = {"QUARTER": 3}.get(unit)
    step: exp.Expr = exp.paren(node.expression.copy())
    amount = exp.Mul(this=step, expression=exp.Literal.number(months)) if months else step
    name = "to_months" if months else f"to_{unit.lower()}s"
    return trusted(exp.paren(exp.Add(this=node.this.copy(), expression=call(name, trusted(amount, "INTEGER")))), kind)


def _date_trunc(node: exp.Expr) -> exp.Expr | None:
    kind = _timestamp_like(node.this)
    if kind is None:
        return None
    return trusted(call("date_trunc", exp.Literal.string(_unit(node).lower()), node.this), kind)


def _date_diff(node: exp.Expr) -> exp.Expr | None:
    if _timestamp_like(node.this) is None or _timestamp_like(node.expression) is None:
        return None
    return trusted(call("date_sub", exp.Literal.string(_unit(node).lower()), node.expression, node.this), "BIGINT")


def _interval_arithmetic(node: exp.Expr) -> exp.Expr | None:
    """Keep `date ± interval` a date as in Trino; DuckDB returns a timestamp."""
    already = isinstance(node.parent, exp.Paren) and node.parent.parent is not None and is_trusted(node.parent.parent)
    if already or not isinstance(node.expression, exp.Interval) or not _is_date(node.this):
        return None
    if _unit(node.expression) not in _DATE_UNITS:
        raise UnsupportedSqlError(f"date with an interval of {_unit(node.expression).lower()}s")
    return trusted(exp.paren(node.copy()), "DATE")


def _extract(node: exp.Expr) -> exp.Expr | None:
    field = str(node.name).upper()
    if field in _DAYS_OF_WEEK:
        return trusted(call("isodow", node.expression), "BIGINT")
    if field not in _FIELDS:
        raise UnsupportedSqlError(f"extract({field.lower()})")
    return None


def _approx_percentile(node: exp.Expr) -> exp.Expr | None:
    if node.args.get("weight") is not None:
        raise UnsupportedSqlError("approx_percentile with weights")
    return call("quantile_disc", node.this, node.args["quantile"])


def _bracket(node: exp.Expr) -> exp.Expr | None:
    if node.args.get("safe"):
        return None
    index = node.expressions[0]
    offset = node.args.get("offset") or 0
    # sqlglot keeps the index zero-based when the dialect counts from one
    position: exp.Expr = exp.Literal.number(int(index.name) + 1 - offset) if index.is_int and not offset else index
    return call("athena_subscript", node.this, position)


def _format_checked(node: exp.Expr) -> None:
    shape = node.args["format"]
    if not (isinstance(shape, exp.Literal) and _DATE_FORMAT.fullmatch(shape.this)):
        raise UnsupportedSqlError(f"date format {shape.sql('athena')}")


def _max_by(name: str) -> Callable[[exp.Expr], exp.Expr]:
    return lambda node: call(name, node.this, node.expression)


def _sum(node: exp.Expr) -> exp.Expr | None:
    """Cast a sum of integers to bigint as in Trino; DuckDB returns a 128-bit integer."""
    parent = node.parent
    target = parent if isinstance(parent, (exp.Window, exp.Filter)) and parent.this is node else node
    if isinstance(target.parent, exp.Window) and target.parent.this is target:
        target = target.parent
    if _kind(node.this) not in exp.DataType.INTEGER_TYPES or (target.parent and is_trusted(target.parent)):
        return None
    if target is node:
        return trusted(node.copy(), "BIGINT")
    target.replace(trusted(target.copy(), "BIGINT"))
    return None


def _avg(node: exp.Expr) -> exp.Expr | None:
    if _kind(node.this) == exp.DType.DECIMAL:
        raise UnsupportedSqlError("avg of a decimal: CAST it AS double")
    if isinstance(node.this, (exp.Anonymous, exp.Distinct)):
        return None
    return exp.Avg(this=call("athena_no_decimal", node.this))


def _rounding(node: exp.Expr) -> exp.Expr | None:
    """Keep `floor` and `ceil` of an integer an integer as in Trino; DuckDB returns a double."""
    return cast(exp.Expr, node.this.copy()) if _kind(node.this) in exp.DataType.INTEGER_TYPES else None


def _anonymous(node: exp.Expr) -> exp.Expr | None:
    constants = {"nan": "nan", "infinity": "inf"}
    name = node.name.lower()
    return trusted(exp.Literal.string(constants[name]), "DOUBLE") if name in constants else None


def _regexp_replace(node: exp.Expr) -> None:
    replacement = node.args.get("replacement")
    plain = isinstance(replacement, exp.Literal) and not set(replacement.this) & {"$", "\\"}
    if replacement is not None and not plain:
        raise UnsupportedSqlError("regexp_replace with groups or a computed replacement")


def _sha2(node: exp.Expr) -> None:
    if node.args["length"].name != "256":
        raise UnsupportedSqlError(f"function sha{node.args['length'].name}")


def _one_argument(node: exp.Expr) -> None:
    if node.expressions:
        raise UnsupportedSqlError(f"{node.key} with {1 + len(node.expressions)} arguments")


def _time_to_str(node: exp.Expr) -> None:
    _format_checked(node)


def _once(wrap: Callable[[exp.Expr], exp.Expr]) -> Callable[[exp.Expr], exp.Expr | None]:
    """Apply a rule at most once to a node that it keeps inside a trusted cast."""

    def rule(node: exp.Expr) -> exp.Expr | None:
        return None if node.parent is not None and is_trusted(node.parent) else wrap(node)

    return rule


_RULES: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr | None]] = {
    exp.Add: _interval_arithmetic,
    exp.Anonymous: _anonymous,
    exp.ApproxDistinct: lambda node: exp.Count(this=exp.Distinct(expressions=[node.this.copy()])),
    exp.ApproxQuantile: _approx_percentile,
    exp.ArgMax: _max_by("arg_max_null"),
    exp.ArgMin: _max_by("arg_min_null"),
    exp.Avg: _avg,
    exp.Bracket: _bracket,
    exp.Ceil: _rounding,
    exp.Date: lambda node: exp.Cast(this=node.this.copy(), to=exp.DataType.build("date")),
    exp.DateAdd: _date_add,
    exp.DateDiff: _date_diff,
    exp.DayOfWeekIso: lambda node: trusted(call("isodow", node.this), "BIGINT"),
    exp.Extract: _extract,
    exp.Floor: _rounding,
    exp.FromISO8601Timestamp: lambda node: trusted(node.this.copy(), "TIMESTAMPTZ"),
    exp.Hex: _once(lambda node: trusted(node.copy(), "VARCHAR")),
    exp.FromBase: lambda node: trusted(call("athena_from_base", node.this, node.expression), "BIGINT"),
    exp.FromISO8601Date: lambda node: exp.Cast(this=node.this.copy(), to=exp.DataType.build("date")),
    exp.Max: _one_argument,
    exp.Min: _one_argument,
    exp.RegexpReplace: _regexp_replace,
    exp.SHA2Digest: _sha2,
    exp.JSONExtractScalar: lambda node: trusted(
        call("athena_json_scalar", node.this, exp.Literal.string(node.expression.sql("athena").strip("'"))), "VARCHAR"
    ),
    exp.RegexpExtract: lambda node: trusted(
        call("athena_regexp_extract", node.this, node.expression, node.args.get("group") or exp.Literal.number(0)),
        "VARCHAR",
    ),
    exp.SplitPart: lambda node: trusted(
        call("athena_split_part", node.this, node.args["delimiter"], node.args["part_index"]), "VARCHAR"
    ),
    exp.StrToTime: _time_to_str,
    exp.Sub: _interval_arithmetic,
    exp.Substring: _substring,
    exp.Sum: _sum,
    exp.TimeToStr: _time_to_str,
    exp.TimeToUnix: lambda node: trusted(call("epoch", node.this), "DOUBLE"),
    exp.TimestampTrunc: _date_trunc,
    exp.DateTrunc: _date_trunc,
    exp.UnixToTime: lambda node: trusted(call("to_timestamp", node.this), "TIMESTAMPTZ"),
}
