"""DuckDB macros with Trino's results, where DuckDB's own function of that name differs."""

# ruff: noqa: E501 - a macro has as few lines as can be read

_INT = r"'[+-]?[0-9]+'"
_REAL = r"'\s*([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fFdD]?|[+-]?NaN|[+-]?Infinity)\s*'"
_DECIMAL = r"'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?'"
_DATE = r"'\s*[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}\s*'"
_DAY = r"\s*[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}"
_CLOCK = r"( [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]+)?)?)?"
_ZONE = r" ?(Z|[A-Za-z]+(/[A-Za-z_+\-0-9]+)*|[+-][0-9]{1,2}(:?[0-9]{2})?)"
_TIMESTAMP = f"'{_DAY}{_CLOCK}\\s*'"
_BOOLEAN = "'(?i)t|true|f|false|1|0'"
_BARE = "rtrim(trim(x), 'fFdD')"

# name of the checked cast from varchar → (pattern of the text, DuckDB cast of it, Trino's type in the message)
_TEXT_CASTS = {
    "tinyint": (_INT, "CAST(x AS TINYINT)", "TINYINT"),
    "smallint": (_INT, "CAST(x AS SMALLINT)", "SMALLINT"),
    "integer": (_INT, "CAST(x AS INTEGER)", "INT"),
    "bigint": (_INT, "CAST(x AS BIGINT)", "BIGINT"),
    "real": (_REAL, f"CAST({_BARE} AS FLOAT)", "REAL"),
    "double": (_REAL, f"CAST({_BARE} AS DOUBLE)", "DOUBLE"),
    "decimal": (_DECIMAL, "x", "DECIMAL"),
    "date": (_DATE, "CAST(trim(x) AS DATE)", "DATE"),
    "timestamp": (_TIMESTAMP, "CAST(trim(x) AS TIMESTAMP)", "timestamp"),
    "boolean": (_BOOLEAN, "CAST(x AS BOOLEAN)", "BOOLEAN"),
}


def _text_cast(name: str) -> str:
    shape, cast, shown = _TEXT_CASTS[name]
    message = f"'INVALID_CAST_ARGUMENT: Cannot cast ''' || x || ''' to {shown}'"
    return (
        f"athena_text_to_{name}(x) AS CASE WHEN athena_fail(NOT regexp_full_match(x, {shape}), {message}) THEN NULL "
        f"ELSE {cast} END"
    )


_FAILURES = [
    # A failing cast, unlike error(), is no volatile function, so it can stand inside TRY. It has the type of `v`.
    "athena_failed(v, message) AS list_extract([CASE WHEN false THEN v END], CAST('~' || message AS BIGINT))",
]
_NUMBERS = [
    "athena_sign(x) AS CASE WHEN isnan(x) THEN x ELSE CAST(sign(x) AS DOUBLE) END",
    # The nearest double below one half must not become 1.
    "athena_round(x) AS CASE WHEN isnan(x) OR isinf(x) OR abs(x) > 4503599627370496 THEN x ELSE round(x) END",
    "athena_round_to(x, n) AS CASE WHEN isnan(x) OR isinf(x) THEN x ELSE round(x, n) END",
    "athena_ln(x) AS CASE WHEN x < 0 THEN 'nan'::DOUBLE WHEN x = 0 THEN '-infinity'::DOUBLE ELSE ln(x) END",
    "athena_log(x, b) AS CASE WHEN x < 0 THEN 'nan'::DOUBLE WHEN x = 0 THEN '-infinity'::DOUBLE "
    "WHEN b = 2 THEN log2(x) ELSE log10(x) END",
    "athena_power(x, y) AS pow(x, y)",
    "athena_random(low, high) AS CASE WHEN athena_fail(high <= low, CASE WHEN low = 0 THEN "
    "'INVALID_FUNCTION_ARGUMENT: bound must be positive' ELSE "
    "'INVALID_FUNCTION_ARGUMENT: start value must be less than stop value' END) THEN NULL "
    "ELSE CAST(low + floor(random() * (high - low)) AS BIGINT) END",
    "athena_to_real(x) AS CASE WHEN abs(x) > 3.4028235677973366e38 AND NOT isnan(x) THEN "
    "CASE WHEN x > 0 THEN 'infinity'::FLOAT ELSE '-infinity'::FLOAT END ELSE CAST(x AS FLOAT) END",
    "athena_greatest(l) AS coalesce(list_max(list_filter(l, lambda e: NOT isnan(e))), 'nan'::DOUBLE)",
    "athena_least(l) AS coalesce(list_min(list_filter(l, lambda e: NOT isnan(e))), 'nan'::DOUBLE)",
    "athena_width_bucket(x, low, high, n) AS CASE "
    "WHEN athena_fail(n <= 0, 'INVALID_FUNCTION_ARGUMENT: bucketCount must be greater than 0') THEN NULL "
    "WHEN athena_fail(isnan(x), 'INVALID_FUNCTION_ARGUMENT: operand must not be NaN') THEN NULL "
    "WHEN athena_fail(low = high, 'INVALID_FUNCTION_ARGUMENT: bounds cannot equal each other') THEN NULL "
    "WHEN low < high AND x < low THEN 0 WHEN low < high AND x >= high THEN n + 1 "
    "WHEN low > high AND x > low THEN 0 WHEN low > high AND x <= high THEN n + 1 "
    "WHEN low < high THEN CAST(floor(n * (x - low) / (high - low)) AS BIGINT) + 1 "
    "ELSE CAST(floor(n * (low - x) / (low - high)) AS BIGINT) + 1 END",
    "athena_width_bucket_list(x, bins) AS CASE WHEN athena_fail(len(bins) = 0, "
    "'INVALID_FUNCTION_ARGUMENT: Bins cannot be an empty array') THEN NULL WHEN "
    "athena_fail(isnan(x), 'INVALID_FUNCTION_ARGUMENT: Operand cannot be NaN') THEN NULL "
    "WHEN x IS NULL THEN NULL ELSE CAST(len(list_filter(bins, lambda e: e <= x)) AS BIGINT) END",
]
_TEXTS = [
    "athena_lower(x) AS CASE WHEN strlen(x) = length(x) THEN lower(x) ELSE athena_lower_unicode(x) END",
    "athena_upper(x) AS CASE WHEN strlen(x) = length(x) THEN upper(x) ELSE athena_upper_unicode(x) END",
    "athena_reverse(x) AS CASE WHEN strlen(x) = length(x) THEN reverse(x) ELSE athena_reverse_unicode(x) END",
    r"athena_trim(x) AS regexp_replace(x, '^[\t-\r\x1c-\x20\x{1680}\x{2000}-\x{2006}\x{2008}-\x{200a}\x{2028}\x{2029}"
    r"\x{205f}\x{3000}]+|[\t-\r\x1c-\x20\x{1680}\x{2000}-\x{2006}\x{2008}-\x{200a}\x{2028}\x{2029}\x{205f}\x{3000}]+$'"
    ", '', 'g')",
    r"athena_ltrim(x) AS regexp_replace(x, '^[\t-\r\x1c-\x20\x{1680}\x{2000}-\x{2006}\x{2008}-\x{200a}\x{2028}\x{2029}"
    r"\x{205f}\x{3000}]+', '')",
    r"athena_rtrim(x) AS regexp_replace(x, '[\t-\r\x1c-\x20\x{1680}\x{2000}-\x{2006}\x{2008}-\x{200a}\x{2028}\x{2029}"
    r"\x{205f}\x{3000}]+$', '')",
    "athena_substr(s, a) AS CASE WHEN a = 0 OR -a > length(s) THEN "
    "CASE WHEN s IS NULL OR a IS NULL THEN NULL ELSE '' END ELSE substring(s, a) END",
    "athena_substr3(s, a, n) AS CASE WHEN s IS NULL OR a IS NULL OR n IS NULL THEN NULL "
    "WHEN a = 0 OR -a > length(s) OR n <= 0 THEN '' ELSE substring(s, a, n) END",
    "athena_pad(side, s, n, p) AS CASE WHEN athena_fail(n < 0 OR n > 2147483647, "
    "'INVALID_FUNCTION_ARGUMENT: Target length must be in the range [0..2147483647]') THEN NULL "
    "WHEN athena_fail(p = '', 'INVALID_FUNCTION_ARGUMENT: Padding string must not be empty') THEN NULL "
    "WHEN side = 'l' THEN lpad(s, CAST(n AS INTEGER), p) ELSE rpad(s, CAST(n AS INTEGER), p) END",
    "athena_replace(s, a, b) AS CASE WHEN a <> '' THEN replace(s, a, b) ELSE athena_replace_empty(s, b) END",
    "athena_split_part(s, d, n) AS CASE "
    "WHEN athena_fail(n < 1, 'INVALID_FUNCTION_ARGUMENT: Index must be greater than zero') THEN NULL "
    "WHEN n > len(string_split(s, d)) OR (s = '' AND d = '') THEN NULL ELSE split_part(s, d, n) END",
    "athena_chr(n) AS CASE WHEN athena_fail(n < 0 OR n > 1114111, "
    "'INVALID_FUNCTION_ARGUMENT: Not a valid Unicode code point: ' || n) THEN NULL ELSE chr(CAST(n AS INTEGER)) END",
    "athena_codepoint(s) AS CASE WHEN athena_fail(length(s) <> 1, "
    "'INVALID_FUNCTION_ARGUMENT: Input string must be a single character string') THEN NULL ELSE unicode(s) END",
    "athena_fits(s, n, kind) AS CASE WHEN athena_fail(length(s) > n, "
    "'INVALID_CAST_ARGUMENT: Value ' || s || ' cannot be represented as ' || kind) THEN NULL ELSE s END",
]
_LISTS = [
    "athena_subscript(a, i) AS CASE WHEN athena_fail(i = 0, 'INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1') "
    "THEN NULL WHEN athena_fail(i < 0, 'INVALID_FUNCTION_ARGUMENT: Array subscript is negative: ' || i) THEN NULL "
    "WHEN athena_fail(i > len(a), 'INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array "
    "length: ' || i || ' > ' || len(a)) THEN NULL ELSE a[i] END",
    "athena_element_at(a, i) AS CASE WHEN athena_fail(i = 0, 'INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1') "
    "THEN NULL ELSE a[i] END",
    "athena_map_subscript(m, k) AS CASE WHEN athena_fail(NOT list_contains(map_keys(m), k), "
    "'INVALID_FUNCTION_ARGUMENT: Key not present in map: ' || CAST(k AS VARCHAR)) THEN NULL "
    "ELSE map_extract_value(m, k) END",
    "athena_map_element(m, k) AS map_extract_value(m, k)",
    "athena_map(k, v) AS CASE WHEN athena_fail(len(k) <> len(v), "
    "'INVALID_FUNCTION_ARGUMENT: Key and value arrays must be the same length') THEN NULL "
    "WHEN athena_fail(len(list_filter(k, lambda e: e IS NULL)) > 0, "
    "'INVALID_FUNCTION_ARGUMENT: map key cannot be null') THEN NULL "
    "WHEN athena_fail(len(list_distinct(k)) < len(k), 'INVALID_FUNCTION_ARGUMENT: Duplicate map keys are not allowed') "
    "THEN NULL WHEN k IS NULL OR v IS NULL THEN NULL ELSE map(k, v) END",
    "athena_map_agg(l) AS map_from_entries(list_filter(l, lambda e, i: e.k IS NOT NULL AND "
    "list_position(list_transform(l, lambda x: x.k), e.k) = i))",
    "athena_contains(a, x) AS CASE WHEN x IS NULL OR a IS NULL THEN NULL WHEN list_contains(a, x) THEN true "
    "WHEN len(list_filter(a, lambda e: e IS NULL)) > 0 THEN NULL ELSE false END",
    "athena_contains_float(a, x) AS CASE WHEN x IS NULL OR a IS NULL THEN NULL "
    "WHEN NOT isnan(x) AND list_contains(a, x) THEN true WHEN len(list_filter(a, lambda e: e IS NULL)) > 0 THEN NULL ELSE false END",
    "athena_concat_lists(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE list_concat(a, b) END",
    "athena_all_equal(n, m, l) AS CASE WHEN n IS NULL OR m IS NULL THEN NULL WHEN n <> m THEN false ELSE athena_all(l) END",
    "athena_all(l) AS CASE WHEN l IS NULL THEN NULL WHEN list_contains(l, false) THEN false "
    "WHEN len(list_filter(l, lambda e: e IS NULL)) > 0 THEN NULL ELSE true END",
    "athena_any(l) AS CASE WHEN l IS NULL THEN NULL WHEN list_contains(l, true) THEN true "
    "WHEN len(list_filter(l, lambda e: e IS NULL)) > 0 THEN NULL ELSE false END",
    "athena_array_distinct(a) AS list_filter(a, lambda e, i: CASE WHEN e IS NULL "
    "THEN len(list_filter(a[1:i - 1], lambda x: x IS NULL)) = 0 ELSE list_position(a, e) = i END)",
    "athena_array_max(a) AS CASE WHEN len(list_filter(a, lambda e: e IS NULL)) > 0 THEN NULL ELSE list_max(a) END",
    "athena_array_min(a) AS CASE WHEN len(list_filter(a, lambda e: e IS NULL)) > 0 THEN NULL ELSE list_min(a) END",
    "athena_array_max_float(a) AS CASE WHEN len(list_filter(a, lambda e: e IS NULL)) > 0 THEN NULL "
    "ELSE coalesce(list_max(list_filter(a, lambda e: NOT isnan(e))), list_max(a)) END",
    "athena_array_min_float(a) AS CASE WHEN len(list_filter(a, lambda e: e IS NULL)) > 0 THEN NULL "
    "ELSE coalesce(list_min(list_filter(a, lambda e: NOT isnan(e))), list_min(a)) END",
    "athena_has(a, e) AS CASE WHEN e IS NULL THEN len(list_filter(a, lambda x: x IS NULL)) > 0 "
    "ELSE list_contains(a, e) END",
    "athena_array_intersect(a, b) AS CASE WHEN b IS NULL THEN NULL "
    "ELSE list_filter(athena_array_distinct(a), lambda e: athena_has(b, e)) END",
    "athena_array_except(a, b) AS CASE WHEN b IS NULL THEN NULL "
    "ELSE list_filter(athena_array_distinct(a), lambda e: NOT athena_has(b, e)) END",
    "athena_arrays_overlap(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL "
    "WHEN len(list_filter(a, lambda e: e IS NOT NULL AND list_contains(b, e))) > 0 THEN true "
    "WHEN len(a) = 0 OR len(b) = 0 THEN false "
    "WHEN len(list_filter(list_concat(a, b), lambda e: e IS NULL)) > 0 THEN NULL ELSE false END",
    "athena_array_join(a, d, n) AS CASE WHEN a IS NULL OR d IS NULL THEN NULL ELSE coalesce(array_to_string("
    "list_transform(list_filter(a, lambda e: e IS NOT NULL OR n IS NOT NULL), lambda e: coalesce(e, n)), d), '') END",
    "athena_slice(a, i, n) AS CASE WHEN athena_fail(i = 0, 'INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1') "
    "THEN NULL WHEN athena_fail(n < 0, 'INVALID_FUNCTION_ARGUMENT: length must be greater than or equal to 0') THEN NULL "
    "WHEN i IS NULL OR n IS NULL THEN NULL WHEN i > len(a) OR -i > len(a) OR n = 0 THEN a[1:0] "
    "WHEN i > 0 THEN a[i:i + n - 1] ELSE a[len(a) + i + 1:len(a) + i + n] END",
    "athena_trim_array(a, n) AS CASE WHEN athena_fail(n < 0, 'INVALID_FUNCTION_ARGUMENT: size must not be negative: ' || n) "
    "THEN NULL WHEN athena_fail(n > len(a), 'INVALID_FUNCTION_ARGUMENT: size must not exceed array cardinality ' || "
    "len(a) || ': ' || n) THEN NULL ELSE a[1:len(a) - n] END",
    "athena_sequence(a, b) AS CASE WHEN a <= b THEN range(CAST(a AS BIGINT), CAST(b AS BIGINT) + 1) "
    "ELSE range(CAST(a AS BIGINT), CAST(b AS BIGINT) - 1, -1) END",
    "athena_sequence3(a, b, s) AS CASE WHEN athena_fail(s = 0 OR (s > 0 AND b < a) OR (s < 0 AND b > a), "
    "'INVALID_FUNCTION_ARGUMENT: sequence stop value should be greater than or equal to start value if step is greater "
    "than zero otherwise stop should be less than or equal to start') THEN NULL ELSE generate_series(a, b, s) END",
    "athena_sequence_times(a, b, s) AS CASE WHEN athena_fail(s = 0, 'INVALID_FUNCTION_ARGUMENT: interval must not be "
    "zero') THEN NULL ELSE generate_series(a, b, to_milliseconds(s)) END",
    "athena_sequence_months(a, b, s) AS CASE WHEN athena_fail(s = 0, 'INVALID_FUNCTION_ARGUMENT: interval must not be "
    "zero') THEN NULL ELSE list_filter(list_transform(range(0, datediff('month', a, b) // s + 1), "
    "lambda i: a + to_months(CAST(i * s AS INTEGER))), lambda e: (s > 0 AND e <= b) OR (s < 0 AND e >= b)) END",
]
_TIMES = [
    "athena_now() AS {'u': date_trunc('milliseconds', timezone('UTC', current_timestamp)), 'z': 'UTC'}",
    "athena_zoned(u, z) AS CASE WHEN u IS NULL OR z IS NULL THEN NULL ELSE {'u': u, 'z': z} END",
    "athena_shift_of(z) AS to_minutes((CASE WHEN z[1] = '-' THEN -1 ELSE 1 END) * "
    "(CAST(substring(z, 2, 2) AS INTEGER) * 60 + CAST(substring(z, 5, 2) AS INTEGER)))",
    "athena_local_of(u, z) AS CASE WHEN z = 'UTC' THEN u WHEN z[1] IN ('+', '-') THEN u + athena_shift_of(z) "
    "ELSE timezone(z, timezone('UTC', u)) END",
    "athena_local(x) AS athena_local_of((x).u, (x).z)",
    "athena_utc(t, z) AS CASE WHEN z = 'UTC' THEN t WHEN z[1] IN ('+', '-') THEN t - athena_shift_of(z) "
    "ELSE timezone('UTC', timezone(z, t)) END",
    f"athena_zone_in(x) AS athena_zone(coalesce(nullif(trim(regexp_extract(x, '{_DAY}{_CLOCK}({_ZONE})?', 4)), ''), 'UTC'))",
    f"athena_text_to_timestamptz(x) AS CASE WHEN athena_fail(NOT regexp_full_match(x, '{_DAY}{_CLOCK}({_ZONE})?\\s*'), "
    "'INVALID_CAST_ARGUMENT: Value cannot be cast to timestamp with time zone: ' || x) THEN NULL ELSE athena_zoned("
    f"athena_utc(CAST(trim(regexp_extract(x, '{_DAY}{_CLOCK}')) AS TIMESTAMP), athena_zone_in(x)), athena_zone_in(x)) END",
    "athena_precision(t, p) AS CASE p WHEN 0 THEN date_trunc('second', t + INTERVAL 500 MILLISECOND) "
    "WHEN 3 THEN date_trunc('milliseconds', t + INTERVAL 500 MICROSECOND) "
    "ELSE make_timestamp(CAST(round(epoch_us(t) / pow(10, 6 - p)) * pow(10, 6 - p) AS BIGINT)) END",
    "athena_timestamp_text(t, p) AS CASE WHEN p = 0 THEN strftime(t, '%Y-%m-%d %H:%M:%S') "
    "ELSE strftime(t, '%Y-%m-%d %H:%M:%S.') || strftime(t, '%f')[1:p] END",
    "athena_zoned_text(x, p) AS athena_timestamp_text(athena_local(x), p) || ' ' || (x).z",
    "athena_zoned_result(x) AS athena_zoned_text(x, CASE WHEN epoch_us((x).u) % 1000 = 0 THEN 3 ELSE 6 END)",
    "athena_epoch(x) AS CASE WHEN athena_fail(isnan(x) OR isinf(x), 'INVALID_FUNCTION_ARGUMENT: not a time') THEN NULL "
    "ELSE epoch_ms(CAST(round(x * 1000) AS BIGINT)) END",
    "athena_millisecond(t) AS millisecond(t) % 1000",
    "athena_offset_minutes(x) AS datediff('minute', (x).u, athena_local(x))",
    "athena_offset_text(x) AS CASE WHEN (x).z = 'UTC' THEN 'Z' ELSE CASE WHEN athena_offset_minutes(x) < 0 THEN '-' "
    "ELSE '+' END || lpad(CAST(abs(athena_offset_minutes(x)) // 60 AS VARCHAR), 2, '0') || ':' || "
    "lpad(CAST(abs(athena_offset_minutes(x)) % 60 AS VARCHAR), 2, '0') END",
    "athena_to_iso8601(t, z) AS strftime(t, '%Y-%m-%dT%H:%M:%S.%g') || z",
    "athena_timestamp_plus_interval_day(t, i) AS t + to_milliseconds(i)",
    "athena_timestamp_plus_interval_year(t, i) AS t + to_months(CAST(i AS INTEGER))",
    "athena_timestamptz_plus_interval_day(x, i) AS athena_zoned((x).u + to_milliseconds(i), (x).z)",
    "athena_timestamptz_plus_interval_year(x, i) AS athena_zoned(athena_utc(athena_local(x) + "
    "to_months(CAST(i AS INTEGER)), (x).z), (x).z)",
    "athena_date_plus_interval_day(d, i) AS CASE WHEN athena_fail(i % 86400000 <> 0, "
    "'INVALID_FUNCTION_ARGUMENT: Cannot add hour, minutes or seconds to a date') THEN NULL "
    "ELSE d + CAST(i // 86400000 AS INTEGER) END",
    "athena_date_plus_interval_year(d, i) AS CAST(d + to_months(CAST(i AS INTEGER)) AS DATE)",
    "athena_interval_day_text(i) AS CASE WHEN i < 0 THEN '-' ELSE '' END || (abs(i) // 86400000) || ' ' || "
    "lpad(CAST(abs(i) // 3600000 % 24 AS VARCHAR), 2, '0') || ':' || lpad(CAST(abs(i) // 60000 % 60 AS VARCHAR), 2, '0') "
    "|| ':' || lpad(CAST(abs(i) // 1000 % 60 AS VARCHAR), 2, '0') || '.' || lpad(CAST(abs(i) % 1000 AS VARCHAR), 3, '0')",
    "athena_interval_year_text(i) AS CASE WHEN i < 0 THEN '-' ELSE '' END || (abs(i) // 12) || '-' || (abs(i) % 12)",
]


def _arguments(text: str, start: int) -> tuple[list[str], int]:
    """Return the arguments of a call whose bracket opens before `start`, and where it closes."""
    parts, depth, quoted, begin = [], 0, False, start
    for place in range(start, len(text)):
        char = text[place]
        quoted ^= char == "'"
        if quoted:
            continue
        if char in ",)" and depth == 0:
            parts.append(text[begin:place])
            begin = place + 1
            if char == ")":
                return parts, place + 1
        depth += (char in "([{") - (char in ")]}")
    raise AssertionError(text)


def guarded(text: str) -> str:
    """Spell out `athena_fail(condition, message) THEN NULL` in a macro whose last ELSE is its value.

    DuckDB computes constant conditions while it plans, so a condition that fails would do so outside TRY too.

    >>> guarded("CASE WHEN athena_fail(i = 0, 'no') THEN NULL ELSE a[i] END")
    "CASE WHEN i = 0 THEN athena_failed(a[i], 'no') ELSE a[i] END"
    """
    value = text[text.rfind(" ELSE ") + len(" ELSE ") : -len(" END")]
    while (found := text.find("athena_fail(")) >= 0:
        (condition, message), end = _arguments(text, found + len("athena_fail("))
        text = f"{text[:found]}{condition} THEN athena_failed({value},{message}){text[end:].removeprefix(' THEN NULL')}"
    return text


MACROS = [
    f"CREATE MACRO {text if 'athena_fail(' not in text else guarded(text)}"
    for text in [*_FAILURES, *map(_text_cast, _TEXT_CASTS), *_NUMBERS, *_TEXTS, *_LISTS, *_TIMES]
]
