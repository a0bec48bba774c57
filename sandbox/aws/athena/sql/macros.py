"""DuckDB macros with Trino's results, where DuckDB's own function of that name differs."""

_TEXT = "CAST(x AS VARCHAR)"
_INTEGERS = "('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT')"
_INT = r"'[+-]?[0-9]+'"
_REAL = r"'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity'"
_DATE = r"'[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}'"
_TIMESTAMP = r"'[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}( [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]+)?)?)?'"
_ZONED = _TIMESTAMP[:-1] + "( ?(UTC|Z|[+-][0-9]{2}:[0-9]{2}))?'"
_BOOLEAN = "'(?i)t|true|f|false|1|0'"

# name of the checked cast from varchar → (pattern of the text, DuckDB type, Trino type in the message)
TEXT_CASTS = {
    "tinyint": (_INT, "TINYINT", "TINYINT"),
    "smallint": (_INT, "SMALLINT", "SMALLINT"),
    "integer": (_INT, "INTEGER", "INT"),
    "bigint": (_INT, "BIGINT", "BIGINT"),
    "real": (_REAL, "FLOAT", "REAL"),
    "double": (_REAL, "DOUBLE", "DOUBLE"),
    "decimal": (_REAL, "VARCHAR", "DECIMAL"),
    "date": (_DATE, "DATE", "DATE"),
    "timestamp": (_TIMESTAMP, "TIMESTAMP", "timestamp"),
    "timestamptz": (_ZONED, "TIMESTAMPTZ", "timestamp with time zone"),
    "boolean": (_BOOLEAN, "BOOLEAN", "BOOLEAN"),
}


def _text_casts() -> list[str]:
    """Return one checked cast from varchar per type; DuckDB's casts also take ' 1 ', '1_000', '0x1F' and '1.5'."""
    return [
        f"CREATE MACRO athena_text_to_{name}(x) AS CASE WHEN x IS NULL OR regexp_full_match(x, {shape}) "
        f"THEN CAST(x AS {duck}) ELSE error('INVALID_CAST_ARGUMENT: Cannot cast ''' || x || ''' to {shown}') END"
        for name, (shape, duck, shown) in TEXT_CASTS.items()
    ] + [
        f"CREATE MACRO athena_try_text_to_{name}(x) AS CASE WHEN regexp_full_match(x, {shape}) "
        f"THEN TRY_CAST(x AS {duck}) ELSE NULL END"
        for name, (shape, duck, _) in TEXT_CASTS.items()
    ]


MACROS = [
    # Trino truncates the quotient of two integers; the guard catches wrongly inferred types.
    f"CREATE MACRO athena_integer_division(a, b) AS CASE WHEN typeof(a) IN {_INTEGERS} AND typeof(b) IN {_INTEGERS} "
    "THEN a // b ELSE error('NOT_SUPPORTED: division of ' || typeof(a) || ' by ' || typeof(b)) END",
    "CREATE MACRO athena_real_division(a, b) AS CASE WHEN typeof(a) IN ('DOUBLE', 'FLOAT') "
    "OR typeof(b) IN ('DOUBLE', 'FLOAT') THEN CAST(a AS DOUBLE) / CAST(b AS DOUBLE) "
    "ELSE error('NOT_SUPPORTED: division of ' || typeof(a) || ' by ' || typeof(b) || "
    "': the sandbox does not reproduce decimal division; CAST one side AS double') END",
    "CREATE MACRO athena_no_decimal(x) AS CASE WHEN starts_with(typeof(x), 'DECIMAL') "
    "THEN error('NOT_SUPPORTED: avg of a decimal: CAST it AS double') ELSE x END",
    "CREATE MACRO athena_double_to_text(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) AND x > 0 THEN 'Infinity' "
    "WHEN isinf(x) THEN '-Infinity' WHEN x = 0 OR (abs(x) >= 1e-3 AND abs(x) < 1e7) THEN CAST(x AS VARCHAR) "
    "WHEN x IS NULL THEN NULL ELSE error('NOT_SUPPORTED: varchar of a double below 1E-3 or from 1E7 on') END",
    "CREATE MACRO athena_timestamp_to_text(x) AS strftime(x, '%Y-%m-%d %H:%M:%S.%g')",
    "CREATE MACRO athena_substr(s, a) AS CASE WHEN s IS NULL OR a IS NULL THEN NULL "
    "WHEN a = 0 OR -a > length(s) THEN '' ELSE substring(s, a) END",
    "CREATE MACRO athena_substr3(s, a, n) AS CASE WHEN s IS NULL OR a IS NULL OR n IS NULL THEN NULL "
    "WHEN a = 0 OR -a > length(s) OR n <= 0 THEN '' ELSE substring(s, a, n) END",
    "CREATE MACRO athena_split_part(s, d, n) AS CASE WHEN n < 1 "
    "THEN error('INVALID_FUNCTION_ARGUMENT: Index must be greater than zero') "
    "WHEN n > len(string_split(s, d)) THEN NULL ELSE split_part(s, d, n) END",
    "CREATE MACRO athena_subscript(a, i) AS CASE WHEN i = 0 "
    "THEN error('INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1') "
    "WHEN i < 0 THEN error('INVALID_FUNCTION_ARGUMENT: Array subscript is negative: ' || i) WHEN i > len(a) THEN "
    "error('INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length: ' || i || ' > ' "
    "|| len(a)) ELSE a[i] END",
    "CREATE MACRO athena_from_base(s, radix) AS CASE WHEN s IS NULL THEN NULL "
    "WHEN radix = 16 AND regexp_full_match(s, '[0-9a-fA-F]+') THEN CAST('0x' || s AS BIGINT) "
    "WHEN radix = 10 AND regexp_full_match(s, '[+-]?[0-9]+') THEN CAST(s AS BIGINT) "
    "WHEN radix = 2 AND regexp_full_match(s, '[01]+') THEN CAST('0b' || s AS BIGINT) "
    "WHEN radix IN (2, 10, 16) THEN error('INVALID_FUNCTION_ARGUMENT: Not a valid base-' || radix || ' number: ' || s) "
    "ELSE error('NOT_SUPPORTED: from_base with radix ' || radix) END",
    "CREATE MACRO athena_json_scalar(j, p) AS CASE WHEN NOT json_valid(j) THEN NULL "
    "WHEN json_type(j, p) IN ('OBJECT', 'ARRAY', 'NULL') THEN NULL ELSE json_extract_string(j, p) END",
    "CREATE MACRO athena_regexp_extract(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) "
    "ELSE NULL END",
    *_text_casts(),
]
