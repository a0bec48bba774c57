"""Partition projection: the partitions that a table's properties describe, without any in Glue."""

import re
from datetime import UTC, datetime, timedelta
from itertools import product

from sandbox.aws.athena.catalog import Partition, Table
from sandbox.aws.athena.pruning import Filter
from sandbox.aws.athena.sql.types import from_hive
from sandbox.aws.athena.tables.dateformat import DateFormat
from sandbox.aws.errors import QueryError
from sandbox.aws.storage import Location

_UNITS = ["YEARS", "MONTHS", "WEEKS", "DAYS", "HOURS", "MINUTES", "SECONDS", "MILLIS"]
_NOW = re.compile(r"\s*NOW\s*(?:([+-])\s*(\d+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?\s*)?")
_MOST = 1_000_000


def is_projected(table: Table) -> bool:
    """Return whether a table's partitions are projected."""
    return bool(table.keys) and table.options.get("projection.enabled", "").strip().lower() == "true"


def projected(table: Table, asked: Filter) -> list[Partition]:
    """Return the partitions that a query can read.

    Raises:
        QueryError: The properties are invalid, or the query names no values of an injected key.
    """
    columns = [[value for value in _values(table, key, asked) if asked.wants({key: value})] for key in table.keys]
    count = 1
    for column in columns:
        count *= len(column)
    if count > _MOST:
        raise QueryError(
            f"CONSTRAINT_VIOLATION: more than {_MOST} projected partitions of {table.name}; narrow the query"
        )
    return [Partition(values, place(table, values)) for values in product(*columns)]


def _invalid(table: Table, key: str, what: str) -> QueryError:
    return QueryError(
        f"INVALID_TABLE_PROPERTY: Table {table.database}.{table.name} is configured for partition projection, but "
        f"projection.{key}.{what}"
    )


def _option(table: Table, key: str, name: str) -> str:
    value = table.options.get(f"projection.{key}.{name}")
    if value is None:
        raise _invalid(table, key, f"{name} is not set")
    return value


def _values(table: Table, key: str, asked: Filter) -> list[str]:
    kind = _option(table, key, "type").strip().lower()
    if kind == "enum":
        return list(dict.fromkeys(value.strip() for value in _option(table, key, "values").split(",")))
    if kind == "integer":
        return _integers(table, key)
    if kind == "date":
        return _dates(table, key)
    if kind == "injected":
        return _injected(key, asked)
    raise _invalid(table, key, f"type has the invalid value {kind!r}")


def _range(table: Table, key: str) -> tuple[str, str]:
    bounds = _option(table, key, "range").split(",")
    if len(bounds) != 2:
        raise _invalid(table, key, "range is not two values with a comma between them")
    return bounds[0].strip(), bounds[1].strip()


def _number(table: Table, key: str, name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _invalid(table, key, f"{name} has the invalid value {text!r}") from None


def _interval(table: Table, key: str) -> int:
    step = _number(table, key, "interval", table.options.get(f"projection.{key}.interval", "1"))
    if step < 1:
        raise _invalid(table, key, f"interval has the invalid value {step}")
    return step


def _integers(table: Table, key: str) -> list[str]:
    first, last = (_number(table, key, "range", bound) for bound in _range(table, key))
    digits = _number(table, key, "digits", table.options.get(f"projection.{key}.digits", "0"))
    if last < first:
        raise _invalid(table, key, f"range {first},{last} is not in order")
    return [f"{number:0{digits}d}" for number in range(first, last + 1, _interval(table, key))]


def _injected(key: str, asked: Filter) -> list[str]:
    named = asked.named(key)
    if named is None:
        raise QueryError(
            f"CONSTRAINT_VIOLATION: For the injected projected partition column {key}, the WHERE clause must contain "
            f"only static equality conditions, and at least one such condition must be present."
        )
    return sorted(named)


def _dates(table: Table, key: str) -> list[str]:
    form = DateFormat(_option(table, key, "format"))
    first, last = (_bound(table, key, form, text) for text in _range(table, key))
    unit = _unit(table, key, form)
    step, kind = _interval(table, key), from_hive(table.keys[key])
    found: list[str] = []
    count = 0
    while (moment := _plus(first, unit, step * count)) <= last and count <= _MOST:
        found.append(_shown(moment, form, kind))
        count += 1
    return found


def _shown(moment: datetime, form: DateFormat, kind: str) -> str:
    if kind == "DATE":
        return moment.strftime("%Y-%m-%d")
    return moment.strftime("%Y-%m-%d %H:%M:%S") if kind == "TIMESTAMP" else form.text(moment)


def _unit(table: Table, key: str, form: DateFormat) -> str:
    given = table.options.get(f"projection.{key}.interval.unit", "").strip().upper()
    if given:
        unit = given if given.endswith("S") else f"{given}S"
        if unit not in _UNITS:
            raise _invalid(table, key, f"interval.unit has the invalid value {given!r}")
        return unit
    if form.finest in {"DAYS", "MONTHS"}:
        return form.finest
    raise _invalid(table, key, "interval.unit is not set, and the format is finer than a day")


def _plus(moment: datetime, unit: str, count: int) -> datetime:
    if unit in {"MONTHS", "YEARS"}:
        months = moment.month - 1 + count * (12 if unit == "YEARS" else 1)
        year, month = moment.year + months // 12, months % 12 + 1
        return moment.replace(year=year, month=month, day=min(moment.day, _days(year, month)))
    if unit == "MILLIS":
        return moment + timedelta(milliseconds=count)
    return moment + timedelta(**{unit.lower(): count})


def _days(year: int, month: int) -> int:
    return (datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) - timedelta(days=1)).day


def _bound(table: Table, key: str, form: DateFormat, text: str) -> datetime:
    relative = _NOW.fullmatch(text)
    if not relative:
        found = form.parse(text)
        if found is None:
            raise _invalid(table, key, f"range has {text!r}, which is neither in the format {form.pattern!r} nor NOW")
        return found
    now = datetime.now(UTC).replace(tzinfo=None)
    if relative[1]:
        now = _plus(now, f"{relative[3]}S", int(relative[1] + relative[2]))
    return form.floor(now)


def place(table: Table, values: tuple[str, ...]) -> Location:
    """Return where the files of a projected partition are.

    Raises:
        QueryError: The table's location template does not name each key.
    """
    template = table.options.get("storage.location.template")
    pairs = dict(zip(table.keys, values, strict=True))
    if template is None:
        path = "".join(f"{key}={_in_path(table, key, value)}/" for key, value in pairs.items())
        return Location(table.location.bucket, table.location.key + path)
    unknown = next((name for name in re.findall(r"\$\{([^}]*)\}", template) if name.lower() not in pairs), None)
    if unknown is not None:
        raise QueryError(
            f"INVALID_TABLE_PROPERTY: storage.location.template names {unknown!r}, which is no partition key"
        )
    missing = next((key for key in table.keys if f"${{{key}}}" not in template.lower()), None)
    if missing is not None:
        raise QueryError(f"INVALID_TABLE_PROPERTY: storage.location.template does not name the partition key {missing}")
    text = re.sub(r"\$\{([^}]*)\}", lambda found: _in_path(table, found[1].lower(), pairs[found[1].lower()]), template)
    return Location.parse(text).folder


def _in_path(table: Table, key: str, value: str) -> str:
    """Return a value as it is in the path: keys of type date and timestamp are written in the projection's format."""
    form = table.options.get(f"projection.{key}.format")
    kind = from_hive(table.keys[key])
    if form is None or kind not in {"DATE", "TIMESTAMP"} or table.options.get(f"projection.{key}.type") != "date":
        return value
    return DateFormat(form).text(datetime.fromisoformat(value))
