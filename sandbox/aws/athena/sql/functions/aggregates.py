"""Trino's aggregate and window functions, and the DuckDB text with their results.

In a text `#` is where DISTINCT goes, `~` where ORDER BY or IGNORE NULLS goes, and `@` where FILTER and OVER go.
"""

from sandbox.aws.athena.sql.functions.signatures import parse_table

_AGGREGATES = """
count(E) -> bigint = count(#{0})@
count_if(boolean) -> bigint = count(CASE WHEN {0} THEN 1 END)@
sum(tinyint) -> bigint = CAST(sum(#{0})@ AS BIGINT)
sum(smallint) -> bigint = CAST(sum(#{0})@ AS BIGINT)
sum(integer) -> bigint = CAST(sum(#{0})@ AS BIGINT)
sum(bigint) -> bigint = CAST(sum(#{0})@ AS BIGINT)
sum(decimal(p,s)) -> decimal(38,s) = sum(#{0})@
sum(real) -> real = CAST(sum(#{0})@ AS FLOAT)
sum(double) -> double = sum(#{0})@
sum(interval_day) -> interval_day = CAST(sum(#{0})@ AS BIGINT)
sum(interval_year) -> interval_year = CAST(sum(#{0})@ AS BIGINT)
avg(tinyint) -> double = avg(#CAST({0} AS DOUBLE))@
avg(smallint) -> double = avg(#CAST({0} AS DOUBLE))@
avg(integer) -> double = avg(#CAST({0} AS DOUBLE))@
avg(bigint) -> double = avg(#CAST({0} AS DOUBLE))@
avg(decimal(p,s)) -> decimal(p,s) = @average
avg(real) -> real = CAST(avg(#{0})@ AS FLOAT)
avg(double) -> double = avg(#{0})@
avg(interval_day) -> interval_day = CAST(avg(#{0})@ AS BIGINT)
min(E) -> E = @least
max(E) -> E = @greatest
min(E, bigint) -> array(E) = min({0}, {1})@
max(E, bigint) -> array(E) = max({0}, {1})@
min_by(V, K) -> V = arg_min_null({0}, {1})@
max_by(V, K) -> V = arg_max_null({0}, {1})@
min_by(V, K, bigint) -> array(V) = arg_min({0}, {1}, {2})@
max_by(V, K, bigint) -> array(V) = arg_max({0}, {1}, {2})@
arbitrary(E) -> E = any_value({0})@
any_value(E) -> E = any_value({0})@
array_agg(E) -> array(E) = list(#{0}~)@
set_agg(E) -> array(E) = list(DISTINCT {0})@
bool_and(boolean) -> boolean = bool_and({0})@
bool_or(boolean) -> boolean = bool_or({0})@
every(boolean) -> boolean = bool_and({0})@
approx_distinct(E) -> bigint = count(DISTINCT {0})@
approx_distinct(E, double) -> bigint = count(DISTINCT {0})@
approx_percentile(tinyint, double) -> tinyint = quantile_disc({0}, {1})@
approx_percentile(smallint, double) -> smallint = quantile_disc({0}, {1})@
approx_percentile(integer, double) -> integer = quantile_disc({0}, {1})@
approx_percentile(bigint, double) -> bigint = quantile_disc({0}, {1})@
approx_percentile(real, double) -> real = quantile_disc({0}, {1})@
approx_percentile(double, double) -> double = quantile_disc({0}, {1})@
approx_percentile(integer, array(double)) -> array(integer) = quantile_disc({0}, {1})@
approx_percentile(bigint, array(double)) -> array(bigint) = quantile_disc({0}, {1})@
approx_percentile(real, array(double)) -> array(real) = quantile_disc({0}, {1})@
approx_percentile(double, array(double)) -> array(double) = quantile_disc({0}, {1})@
approx_percentile(E, double, double) -> E = @unsupported
approx_percentile(E, double, array(double)) -> array(E) = @unsupported
approx_percentile(E, double, double, double) -> E = @unsupported
stddev(double) -> double = stddev_samp(#{0})@
stddev_samp(double) -> double = stddev_samp(#{0})@
stddev_pop(double) -> double = stddev_pop(#{0})@
variance(double) -> double = var_samp(#{0})@
var_samp(double) -> double = var_samp(#{0})@
var_pop(double) -> double = var_pop(#{0})@
skewness(double) -> double = @unsupported
kurtosis(double) -> double = @unsupported
corr(double, double) -> double = corr({0}, {1})@
covar_pop(double, double) -> double = covar_pop({0}, {1})@
covar_samp(double, double) -> double = covar_samp({0}, {1})@
regr_slope(double, double) -> double = regr_slope({0}, {1})@
regr_intercept(double, double) -> double = regr_intercept({0}, {1})@
geometric_mean(double) -> double = exp(avg(ln({0}))@)
checksum(E) -> varbinary = @unsupported
histogram(E) -> map(E, bigint) = CAST(histogram({0})@ AS {result})
map_agg(K, V) -> map(K, V) = @map_agg
multimap_agg(K, V) -> map(K, array(V)) = @unsupported
map_union(map(K, V)) -> map(K, V) = @unsupported
bitwise_and_agg(bigint) -> bigint = bit_and({0})@
bitwise_or_agg(bigint) -> bigint = bit_or({0})@
bitwise_xor_agg(bigint) -> bigint = bit_xor({0})@
"""

_WINDOWS = """
row_number() -> bigint = row_number()@
rank() -> bigint = rank()@
dense_rank() -> bigint = dense_rank()@
percent_rank() -> double = percent_rank()@
cume_dist() -> double = cume_dist()@
ntile(bigint) -> bigint = ntile({0})@
first_value(E) -> E = first_value({0}~)@
last_value(E) -> E = last_value({0}~)@
nth_value(E, bigint) -> E = nth_value({0}, {1}~)@
lag(E) -> E = lag({0}~)@
lag(E, bigint) -> E = lag({0}, CAST({1} AS BIGINT)~)@
lag(E, bigint, E) -> E = lag({0}, CAST({1} AS BIGINT), {2}~)@
lead(E) -> E = lead({0}~)@
lead(E, bigint) -> E = lead({0}, CAST({1} AS BIGINT)~)@
lead(E, bigint, E) -> E = lead({0}, CAST({1} AS BIGINT), {2}~)@
"""

AGGREGATES = parse_table(_AGGREGATES)
WINDOWS = parse_table(_WINDOWS)
# Functions that Trino has and the sandbox does not reproduce.
_UNSUPPORTED_WORDS = """
approx_most_frequent approx_set array_histogram bing_tile bing_tile_at char2hexint classify color
combinations contains_sequence convex_hull_agg cosine_distance current_groups empty_approx_set
evaluate_classifier_predictions features format_number from_base32 from_base64url from_big_endian_32
from_big_endian_64 from_ieee754_32 from_ieee754_64 from_iso8601_timestamp_nanos from_unixtime_nanos
great_circle_distance hash_counts index intersection_cardinality inverse_beta_cdf beta_cdf jaccard_index
json_array json_exists json_object json_query json_value json_table learn_classifier line_interpolate_point
make_set_digest map_zip_with merge merge_set_digest multimap_from_entries murmur3 ngrams numeric_histogram
parse_data_size parse_duration qdigest_agg reduce_agg regress render rgb bar shuffle spooky_hash_v2_32
spooky_hash_v2_64 split_to_multimap tdigest_agg timestamp_objectid to_base32 to_big_endian_32
to_big_endian_64 to_ieee754_32 to_ieee754_64 to_geometry value_at_quantile values_at_quantiles version
wilson_interval_lower wilson_interval_upper word_stem xxhash64 entropy approx_most_frequent timezone
array_last_n cast_to_json theta_sketch_union localtime
"""
UNSUPPORTED = frozenset(_UNSUPPORTED_WORDS.split())
