"""Probes that read tables: file formats, partitions and their projection, hidden columns, tables about tables."""

from tests.sandbox.fidelity.tables.probe import Probe, Rejected
from tests.sandbox.fidelity.tables.world import BUCKET, DATABASE

_LAZY = "Trino: hive-formats, encodings/text"
_CSV = "Trino: hive-formats, line/csv/CsvDeserializer"
_OPENX = "Trino: hive-formats, line/openxjson"
_JSON = "Trino: hive-formats, line/json"
_PROJECTION = "Athena documentation: partition projection, supported types"
_SCHEMA = "Athena documentation: querying the Glue catalog"

# ruff: noqa: E501 - a probe is a line
# fmt: off
PROBES = [
    Probe("hidden-path", 'SELECT DISTINCT "$path" FROM base', [[f"s3://{BUCKET}/base/part-0"]], "Athena: $path"),
    Probe("hidden-star", "SELECT * FROM base WHERE id = 1", [["1", "a", "1.5", "2020-01-01 10:00:00.123"]], "Trino"),
    Probe("hidden-where", "SELECT count(*) FROM pt WHERE \"$path\" LIKE '%y=9/%'", [["1"]], "Athena: $path"),
    Probe("hidden-size", 'SELECT "$file_size" > 0 FROM base LIMIT 1', [["true"]], "Trino: Hive connector"),
    Probe("partitions", 'SELECT * FROM "pt$partitions" ORDER BY y', [["9", "2009-02-06"], ["2020", "2020-01-05"], ["2021", "2021-02-06"]], "Athena: $partitions"),
    Probe("partitions-none", 'SELECT * FROM "base$partitions"', Rejected("TABLE_NOT_FOUND|does not exist"), "Trino"),
    Probe("key-int", "SELECT id FROM pt WHERE y > 10 ORDER BY id", [["1"], ["2"]], "Trino: keys are typed"),
    Probe("key-date", "SELECT id FROM pt WHERE d BETWEEN DATE '2020-01-01' AND DATE '2020-12-31'", [["1"]], "Trino"),
    Probe("key-text", "SELECT id FROM pt WHERE y = '2020'", Rejected("TYPE_MISMATCH"), "Trino"),
    Probe("no-catalog", "SELECT 1 FROM nowhere.DB.base", Rejected("CATALOG_NOT_FOUND"), "Trino"),
    Probe("no-schema", "SELECT 1 FROM nodb.base", Rejected("SCHEMA_NOT_FOUND"), "Trino"),
    Probe("no-table", "SELECT 1 FROM nope", Rejected("TABLE_NOT_FOUND"), "Trino"),
    Probe("catalog", 'SELECT count(*) FROM "AwsDataCatalog"."DB"."base"', [["3"]], "Athena documentation"),
    Probe("qualified", "SELECT DB.base.id FROM DB.base WHERE id = 2", [["2"]], "Trino"),
    Probe("cte-hides", "WITH base AS (SELECT 7 AS x) SELECT * FROM base", [["7"]], "SQL: scope of WITH"),
    Probe("cte-before", "WITH a AS (SELECT count(*) AS n FROM base), base AS (SELECT 7 AS x) SELECT n FROM a", [["3"]], "SQL: scope of WITH"),
    Probe("bad-type", "SELECT id FROM wide", Rejected("HIVE_BAD_DATA|Unsupported"), "Trino: Parquet DOUBLE as bigint"),
    Probe("nested", "SELECT a, s, d FROM nest", [["[1, 2]", "{x=1, y=z}", "1.50"]], "Athena's text of values"),
    Probe("information-tables", "SELECT table_type FROM information_schema.tables WHERE table_schema = 'DB' AND table_name = 'base'", [["BASE TABLE"]], _SCHEMA),
    Probe("information-columns", "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'DB' AND table_name = 'nest' ORDER BY ordinal_position", [["a", "array(integer)"], ["s", "row(x integer, y varchar)"], ["d", "decimal(5,2)"]], _SCHEMA),
    Probe("information-schemata", "SELECT schema_name FROM information_schema.schemata WHERE schema_name = 'DB'", [[DATABASE]], _SCHEMA),
    Probe("information-none", "SELECT * FROM information_schema.nope", Rejected("TABLE_NOT_FOUND"), "Trino"),
    Probe("lazy-int", "SELECT i FROM lazy WHERE s IN ('a', '', 'c', 'd', 'e') ORDER BY s", [["2"], ["1"], [None], ["1"], ["4"]], _LAZY),
    Probe("lazy-double", "SELECT d FROM lazy WHERE s IN ('a', '', 'c', 'd', 'e') ORDER BY s", [[None], ["1.5"], ["NaN"], [None], ["1000.0"]], _LAZY),
    Probe("lazy-boolean", "SELECT b FROM lazy WHERE s IN ('a', '', 'c', 'd', 'e') ORDER BY s", [["true"], ["true"], [None], [None], ["false"]], _LAZY),
    Probe("lazy-null", "SELECT count(*) FROM lazy WHERE s IS NULL", [["1"]], _LAZY),
    Probe("lazy-times", "SELECT t FROM times", [["2020-01-01 10:11:12.000"], ["2020-01-01 10:11:12.500"], [None], ["2020-01-01 00:00:00.000"]], "Trino: HiveFormatUtils"),
    Probe("lazy-dates", "SELECT d FROM times", [["2020-01-01"], ["2020-01-02"], [None], ["2021-01-01"]], "Trino: HiveFormatUtils, lenient"),
    Probe("lazy-escape", "SELECT s, i FROM odd", [["a,b", "1"], ["", None], ["q", "2"]], _LAZY),
    Probe("lazy-null-format", "SELECT s, t FROM nulls", [["x", None], [None, "y"]], _LAZY),
    Probe("csv-quotes", "SELECT s, t FROM quoted", [["a,b", 'say "x"'], ["", "c"], ["d", None], ["'e'", 'f"g']], _CSV),
    Probe("csv-empty", "SELECT count(*) FROM quoted WHERE s = ''", [["1"]], _CSV),
    Probe("csv-marks", "SELECT s, t FROM semi", [["a;b", "c"]], _CSV),
    Probe("csv-typed", "SELECT i, b, d, t, f FROM typed", [["1", "true", "2020-01-01", "2020-01-15 03:44:40.000", "1.5"]], "Athena documentation: OpenCSVSerDe"),
    Probe("csv-bad", "SELECT i FROM bad", Rejected("HIVE_BAD_DATA: Error parsing"), "Athena documentation"),
    Probe("csv-empty-number", "SELECT i FROM empty", Rejected("HIVE_BAD_DATA: Error parsing"), "Athena documentation"),
    Probe("openx", "SELECT * FROM ox", [["1", '{"k":[1,2.50]}', "{a=1}", "[x, null]"], ["2", "t", None, None]], _OPENX),
    Probe("openx-broken", "SELECT * FROM broken", Rejected("not a valid JSON"), "Athena documentation: JSON SerDes"),
    Probe("openx-forgiven", "SELECT * FROM forgiven", [["1"], [None]], "Athena documentation: ignore.malformed.json"),
    Probe("openx-mapped", "SELECT * FROM mapped", [["x", "1"]], "Athena documentation: mapping, dots.in.keys"),
    Probe("json", "SELECT * FROM hj", [["1", "1.01", "2020-01-02 03:04:05.678"], [None, None, None]], _JSON),
    Probe("avro", "SELECT * FROM avro", [], "Athena documentation: Avro"),
    Probe("projected-date", "SELECT id, dt FROM pd", [["1", "2020-01-03"]], _PROJECTION),
    Probe("projected-where", "SELECT count(*) FROM pd WHERE dt > '2020-01-03'", [["0"]], _PROJECTION),
    Probe("projected-integer", "SELECT n FROM pi ORDER BY n", [["05"], ["10"]], _PROJECTION),
    Probe("projected-enum", "SELECT id FROM pe ORDER BY id", [["97"], ["98"]], _PROJECTION),
    Probe("projected-injected", "SELECT id, k FROM pj WHERE k = 'c'", [["99", "c"]], _PROJECTION),
    Probe("projected-several", "SELECT id FROM pj WHERE k IN ('a', 'c') ORDER BY id", [["97"], ["99"]], _PROJECTION),
    Probe("projected-open", "SELECT id FROM pj", Rejected("CONSTRAINT_VIOLATION|static equality"), _PROJECTION),
    Probe("projected-range", "SELECT id FROM pj WHERE k > 'a'", Rejected("CONSTRAINT_VIOLATION|equality"), _PROJECTION),
    Probe("projected-now", "SELECT count(*) FROM pn", [["0"]], _PROJECTION),
    Probe("projected-invalid", "SELECT id FROM px", Rejected("INVALID_TABLE_PROPERTY|projection.m.format"), _PROJECTION),
]
# fmt: on
