"""DuckDB expressions that read the text of a field as a column's type, in the ways of Hive's readers."""

import re
from collections.abc import Callable

from sandbox.aws.athena.sql.types import from_hive
from sandbox.aws.athena.tables.text import milliseconds, text
from sandbox.aws.errors import UnsupportedSqlError

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_DATE = "[0-9]{1,10}-[0-9]{1,2}-[0-9]{1,2}"
_MOMENT = (
    rf"{_DATE}( [0-9]{{1,2}}:[0-9]{{1,2}}:[0-9]{{1,2}}(\.[0-9]{{1,9}})?)?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
)


def _if(field: str, shape: str, value: str, otherwise: str = "NULL") -> str:
    return f"CASE WHEN regexp_full_match({field}, {text(shape)}) THEN {value} ELSE {otherwise} END"


def _quickly(field: str, kind: str, carefully: str) -> str:
    """Return a value that needs no careful reading if its own text is what the field holds."""
    value = f"TRY_CAST({field} AS {kind})"
    return f"CASE WHEN CAST({value} AS VARCHAR) = {field} THEN {value} ELSE {carefully} END"


def _sized(field: str, kind: str) -> str:
    size = re.fullmatch(r"(?:var)?char\((\d+)\)", kind)
    return f"left({field}, {size[1]})" if size else field


def lazy_value(field: str, kind: str) -> str:
    """Return the value of a field for LazySimpleSerDe, which reads what it cannot parse as NULL.

    Raises:
        UnsupportedSqlError: The sandbox does not read this type from text.
    """
    wanted = from_hive(kind)
    if wanted == "VARCHAR":
        return _sized(field, kind)
    if wanted.startswith("DECIMAL"):
        return _if(field, _NUMBER, f"TRY_CAST({field} AS {wanted})")
    if wanted not in _READERS:
        raise UnsupportedSqlError(f"columns of type {kind} in delimited text")
    return _READERS[wanted](field, wanted)


def _integer(field: str, wanted: str) -> str:
    trimmed = f"trim({field})"
    # As in Hive, a fraction must be well-formed and is dropped; no digits before it mean 0.
    whole = f"regexp_replace(regexp_replace({trimmed}, '\\..*$', ''), '^([+-]?)$', '\\10')"
    careful = _if(trimmed, r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]*)", f"TRY_CAST({whole} AS {wanted})")
    return _quickly(field, wanted, careful)


def _real(field: str, wanted: str) -> str:
    trimmed = f"trim({field})"
    plain = _if(trimmed, rf"{_NUMBER}[dDfF]?", f"TRY_CAST(regexp_replace({trimmed}, '[dDfF]$', '') AS {wanted})")
    special = ("NaN", "Infinity", "-Infinity", "+Infinity")
    cases = " ".join(f"WHEN '{word}' THEN CAST('{word}' AS {wanted})" for word in special)
    # DuckDB takes 1_000 for a number, and words for infinity that Java does not take.
    value = f"TRY_CAST({field} AS {wanted})"
    quick = f"isfinite({value}) AND NOT contains({field}, '_')"
    return f"CASE WHEN {quick} THEN {value} ELSE CASE {trimmed} {cases} ELSE {plain} END END"


def _date(field: str) -> str:
    """Return a date whose month and day may go beyond their ends, as Java's lenient parser takes them."""
    year, month, day = (f"CAST(split_part({field}, '-', {place}) AS INTEGER)" for place in (1, 2, 3))
    first = f"make_date({year}, 1, 1)"
    moved = f"CAST({first} + to_months({month} - 1) AS DATE) + ({day} - 1)"
    return _if(field, _DATE, moved)


def csv_value(field: str, kind: str, place: int) -> str:
    """Return the value of a field for OpenCSVSerde: only some types, and what cannot be parsed fails the query.

    Raises:
        UnsupportedSqlError: Athena's documentation does not say how it reads this type.
    """
    wanted = from_hive(kind)
    reason = f"error('HIVE_BAD_DATA: Error parsing field value ''' || {field} || ''' for field {place}')"
    if wanted == "VARCHAR":
        return _sized(field, kind)
    if wanted == "BOOLEAN":
        return f"CASE WHEN {field} IS NOT NULL THEN lower({field}) = 'true' END"
    if wanted in _INTEGERS:
        value = _if(field, "[+-]?[0-9]+", f"coalesce(TRY_CAST({field} AS {wanted}), {reason})", reason)
    elif wanted == "DOUBLE":
        value = _if(field, _NUMBER, f"CAST({field} AS DOUBLE)", reason)
    elif wanted == "DATE":
        value = _if(field, "-?[0-9]{1,9}", f"DATE '1970-01-01' + CAST({field} AS INTEGER)", reason)
    elif wanted == "TIMESTAMP":
        value = _if(field, "-?[0-9]{1,17}", f"make_timestamp(CAST({field} AS BIGINT) * 1000)", reason)
    else:
        raise UnsupportedSqlError(f"columns of type {kind} with OpenCSVSerde: use string and CAST")
    return f"CASE WHEN {field} IS NOT NULL THEN {value} END"


_READERS: dict[str, Callable[[str, str], str]] = {
    **dict.fromkeys(_INTEGERS, _integer),
    **dict.fromkeys(("DOUBLE", "FLOAT"), _real),
    "BOOLEAN": lambda field, _: f"CASE lower({field}) WHEN 'true' THEN true WHEN 'false' THEN false END",
    "DATE": lambda field, _: _quickly(field, "DATE", _date(f"split_part(trim({field}), ' ', 1)")),
    "TIMESTAMP": lambda field, _: milliseconds(
        _quickly(field, "TIMESTAMP", _if(f"trim({field})", _MOMENT, f"TRY_CAST(trim({field}) AS TIMESTAMP)"))
    ),
    "BLOB": lambda field, _: f"TRY(from_base64({field}))",
}
