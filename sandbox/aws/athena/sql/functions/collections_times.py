"""Trino's functions of arrays, maps, dates and times: each form, and the DuckDB text with its result."""

# ruff: noqa: E501 - one line for each form

from sandbox.aws.athena.sql.functions.signatures import parse_table

_ARRAYS = """
cardinality(array(E)) -> bigint = len({0})
cardinality(map(K, V)) -> bigint = CAST(cardinality({0}) AS BIGINT)
element_at(array(E), bigint) -> E = athena_element_at({0}, {1})
element_at(map(K, V), K) -> V = athena_map_element({0}, {1})
contains(array(double), double) -> boolean = athena_contains_float({0}, {1})
contains(array(E), E) -> boolean = athena_contains({0}, {1})
array_distinct(array(E)) -> array(E) = athena_array_distinct({0})
array_sort(array(E)) -> array(E) = list_sort({0}, 'ASC', 'NULLS LAST')
array_max(array(double)) -> double = athena_array_max_float({0})
array_min(array(double)) -> double = athena_array_min_float({0})
array_max(array(real)) -> real = athena_array_max_float({0})
array_min(array(real)) -> real = athena_array_min_float({0})
array_max(array(E)) -> E = athena_array_max({0})
array_min(array(E)) -> E = athena_array_min({0})
array_position(array(E), E) -> bigint = CAST(coalesce(list_position({0}, {1}), CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL ELSE 0 END) AS BIGINT)
array_remove(array(E), E) -> array(E) = CASE WHEN {1} IS NULL THEN NULL ELSE list_filter({0}, lambda e: e IS NULL OR e <> {1}) END
array_union(array(E), array(E)) -> array(E) = athena_array_distinct(athena_concat_lists({0}, {1}))
array_intersect(array(E), array(E)) -> array(E) = athena_array_intersect({0}, {1})
array_except(array(E), array(E)) -> array(E) = athena_array_except({0}, {1})
arrays_overlap(array(E), array(E)) -> boolean = athena_arrays_overlap({0}, {1})
array_join(array(varchar), varchar) -> varchar = athena_array_join({0}, {1}, NULL)
array_join(array(varchar), varchar, varchar) -> varchar = athena_array_join({0}, {1}, {2})
slice(array(E), bigint, bigint) -> array(E) = athena_slice({0}, {1}, {2})
trim_array(array(E), bigint) -> array(E) = athena_trim_array({0}, {1})
repeat(E, integer) -> array(E) = list_transform(range(greatest({1}, 0)), lambda i: {0})
flatten(array(array(E))) -> array(E) = flatten({0})
sequence(bigint, bigint) -> array(bigint) = athena_sequence({0}, {1})
sequence(bigint, bigint, bigint) -> array(bigint) = athena_sequence3({0}, {1}, {2})
sequence(date, date) -> array(date) = list_transform(athena_sequence({0} - DATE '1970-01-01', {1} - DATE '1970-01-01'), lambda i: DATE '1970-01-01' + CAST(i AS INTEGER))
sequence(date, date, interval_day) -> array(date) = CAST(athena_sequence_times(CAST({0} AS TIMESTAMP), CAST({1} AS TIMESTAMP), {2}) AS DATE[])
sequence(date, date, interval_year) -> array(date) = CAST(athena_sequence_months(CAST({0} AS TIMESTAMP), CAST({1} AS TIMESTAMP), {2}) AS DATE[])
sequence(timestamp(p), timestamp(p), interval_day) -> array(timestamp) = athena_sequence_times({0}, {1}, {2})
sequence(timestamp(p), timestamp(p), interval_year) -> array(timestamp) = athena_sequence_months({0}, {1}, {2})
zip(array(A), array(B)) -> array(row(A, B)) = list_transform(range(1, greatest(len({0}), len({1})) + 1), lambda i: {{'field0': ({0})[i], 'field1': ({1})[i]}})
filter(array(E), function(E, boolean)) -> array(E) = list_filter({0}, {1})
transform(array(E), function(E, R)) -> array(R) = list_transform({0}, {1})
any_match(array(E), function(E, boolean)) -> boolean = athena_any(list_transform({0}, {1}))
all_match(array(E), function(E, boolean)) -> boolean = athena_all(list_transform({0}, {1}))
none_match(array(E), function(E, boolean)) -> boolean = (NOT athena_any(list_transform({0}, {1})))
zip_with(array(A), array(B), function(A, B, R)) -> array(R) = @zip_with
reduce(array(E), S, function(S, E, S), function(S, R)) -> R = @reduce
map() -> map(unknown, unknown) = MAP {{}}
map(array(K), array(V)) -> map(K, V) = athena_map({0}, {1})
map_keys(map(K, V)) -> array(K) = map_keys({0})
map_values(map(K, V)) -> array(V) = map_values({0})
map_entries(map(K, V)) -> array(row(K, V)) = list_transform(map_entries({0}), lambda e: {{'field0': e.key, 'field1': e.value}})
map_from_entries(array(row(K, V))) -> map(K, V) = @map_from_entries
map_concat(map(K, V), map(K, V)...) -> map(K, V) = map_concat({*})
map_filter(map(K, V), function(K, V, boolean)) -> map(K, V) = @map_filter
transform_values(map(K, V), function(K, V, R)) -> map(K, R) = @transform_values
transform_keys(map(K, V), function(K, V, R)) -> map(R, V) = @transform_keys
"""

_TIMES = """
date(varchar) -> date = athena_text_to_date({0})
date(date) -> date = {0}
date(timestamp(p)) -> date = CAST({0} AS DATE)
date(timestamptz(p)) -> date = CAST(athena_local({0}) AS DATE)
date_format(timestamp(p), varchar) -> varchar = athena_date_format({0}, {1})
date_format(timestamptz(p), varchar) -> varchar = athena_date_format(athena_local({0}), {1})
date_parse(varchar, varchar) -> timestamp(3) = athena_date_parse({0}, {1})
format_datetime(timestamp(p), varchar) -> varchar = athena_format_datetime({0}, {1}, 'UTC')
format_datetime(timestamptz(p), varchar) -> varchar = athena_format_datetime(athena_local({0}), {1}, ({0}).z)
parse_datetime(varchar, varchar) -> timestamptz(3) = athena_text_to_timestamptz(athena_parse_datetime({0}, {1}))
to_char(timestamp(p), varchar) -> varchar = @unsupported
to_timestamp(varchar, varchar) -> timestamp(3) = athena_teradata_parse({0}, {1})
to_date(varchar, varchar) -> date = CAST(athena_teradata_parse({0}, {1}) AS DATE)
from_unixtime(double) -> timestamptz(3) = athena_zoned(athena_epoch({0}), 'UTC')
from_unixtime(double, varchar) -> timestamptz(3) = athena_zoned(athena_epoch({0}), athena_zone({1}))
from_unixtime(double, bigint, bigint) -> timestamptz(3) = athena_zoned(athena_epoch({0}), athena_zone_of({1}, {2}))
to_unixtime(timestamp(p)) -> double = (epoch_us({0}) / 1e6)
to_unixtime(timestamptz(p)) -> double = (epoch_us(({0}).u) / 1e6)
from_iso8601_date(varchar) -> date = athena_iso8601_date({0})
from_iso8601_timestamp(varchar) -> timestamptz(3) = athena_text_to_timestamptz(athena_iso8601({0}))
to_iso8601(date) -> varchar = CAST({0} AS VARCHAR)
to_iso8601(timestamp(p)) -> varchar = athena_to_iso8601({0}, '')
to_iso8601(timestamptz(p)) -> varchar = athena_to_iso8601(athena_local({0}), athena_offset_text({0}))
at_timezone(timestamptz(p), varchar) -> timestamptz(p) = athena_zoned(({0}).u, athena_zone({1}))
with_timezone(timestamp(p), varchar) -> timestamptz(p) = athena_zoned(athena_utc({0}, athena_zone({1})), athena_zone({1}))
last_day_of_month(date) -> date = last_day({0})
last_day_of_month(timestamp(p)) -> date = last_day({0})
last_day_of_month(timestamptz(p)) -> date = last_day(athena_local({0}))
to_milliseconds(interval_day) -> bigint = {0}
human_readable_seconds(double) -> varchar = athena_human_seconds({0})
timezone_hour(timestamptz(p)) -> bigint = CAST(trunc(athena_offset_minutes({0}) / 60) AS BIGINT)
timezone_minute(timestamptz(p)) -> bigint = CAST(athena_offset_minutes({0}) % 60 AS BIGINT)
current_timezone() -> varchar = 'UTC'
now() -> timestamptz(3) = athena_now()
current_timestamp(integer) -> timestamptz(3) = athena_now()
"""

_FIELDS = {
    "year": "year", "quarter": "quarter", "month": "month", "week": "week", "week_of_year": "week", "day": "day",
    "day_of_month": "day", "day_of_week": "isodow", "dow": "isodow", "day_of_year": "dayofyear", "doy": "dayofyear",
    "year_of_week": "isoyear", "yow": "isoyear",
}  # fmt: skip
_CLOCK = {"hour": "hour", "minute": "minute", "second": "second", "millisecond": "athena_millisecond"}


def _fields() -> str:
    lines = []
    for name, call in {**_FIELDS, **_CLOCK}.items():
        if name in _FIELDS:
            lines.append(f"{name}(date) -> bigint = CAST({call}({{0}}) AS BIGINT)")
        lines.append(f"{name}(timestamp(p)) -> bigint = CAST({call}({{0}}) AS BIGINT)")
        lines.append(f"{name}(timestamptz(p)) -> bigint = CAST({call}(athena_local({{0}})) AS BIGINT)")
    interval = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000, "millisecond": 1}
    wrap = {"hour": 24, "minute": 60, "second": 60, "millisecond": 1000}
    for name, size in interval.items():
        part = f"({{0}} // {size})" + (f" % {wrap[name]}" if name in wrap else "")
        lines.append(f"{name}(interval_day) -> bigint = CAST({part} AS BIGINT)")
    lines += [
        "year(interval_year) -> bigint = ({0} // 12)",
        "month(interval_year) -> bigint = ({0} % 12)",
    ]
    return "\n".join(lines)


COLLECTIONS = parse_table(_ARRAYS)
TIMES = parse_table(_TIMES + _fields())
