"""Literals: numbers, texts, bytes and intervals as they are written."""

import re
from typing import Any

from sqlglot import exp

from sandbox.aws.athena.sql import kinds
from sandbox.aws.athena.sql.binding import operators
from sandbox.aws.athena.sql.binding.bound import Bound, place, text
from sandbox.aws.errors import QueryError, UnsupportedSqlError


def number(node: Any) -> Bound:  # noqa: ANN401 - sqlglot's nodes differ
    """Bind a number or a text."""
    if node.is_string:
        return Bound(kinds.varchar(len(node.this)), text(node.this), node.this)
    digits = node.this.replace("_", "")
    if not digits.isdigit():
        # In Athena a number with a point is a double; Trino itself makes it a decimal.
        return Bound(kinds.DOUBLE, digits if "e" in digits.lower() else f"{digits}e0")
    kind = kinds.INTEGER if int(digits) < 2**31 else kinds.BIGINT
    if int(digits) >= 2**63:
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: Invalid numeric literal: {digits}")
    return Bound(kind, f"CAST({digits} AS {kinds.duck(kind)})", digits)


def unicode_text(node: Any) -> Bound:  # noqa: ANN401
    r"""Bind a text such as `U&'\00e4'`."""
    if node.args.get("escape"):
        raise UnsupportedSqlError("UESCAPE")
    escapes = re.compile(r"\\\\|\\\+([0-9A-Fa-f]{6})|\\([0-9A-Fa-f]{4})")
    value = escapes.sub(lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else "\\", node.this)
    return Bound(kinds.varchar(len(value)), text(value), value)


def hex_bytes(node: Any) -> Bound:  # noqa: ANN401
    """Bind bytes such as `X'6869'`."""
    return Bound(kinds.VARBINARY, f"unhex({text(node.this)})")


def interval(node: Any) -> Bound:  # noqa: ANN401
    """Bind an interval such as `INTERVAL '1' DAY`."""
    negated = isinstance(node.this, exp.Neg)
    value = node.this.this if negated else node.this
    if not (isinstance(value, exp.Literal) and value.is_string):
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input '{value.sql('athena')}'. Expecting: <string>")
    unit = node.args.get("unit")
    if unit is None:
        raise QueryError(f"SYNTAX_ERROR: {place(node)}: mismatched input. Expecting: 'DAY', 'HOUR', 'MINUTE', 'MONTH'")
    if not isinstance(unit, exp.Var):
        raise UnsupportedSqlError(f"interval {node.sql('athena')}")
    return operators.interval(node, value.this, unit.name.upper(), negated=negated)
