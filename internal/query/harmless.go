package query

import "strings"

// What a user's statement may call. A function is here because it computes from its arguments and nothing else: it reads no
// file, setting, catalog or environment, keeps no state, writes no log, and does not make much out of little. That last
// point keeps out repeat, lpad, rpad, bar, format, printf, the scalar range and generate_series, and the resizing of lists:
// DuckDB's memory limit does not count a vector's strings. A new version of DuckDB adds nothing to the list by itself.

var tableFunctions = set(`range generate_series unnest json_each json_tree`)

var functions = set(`
	!__postfix !~~ !~~* % & && * ** + - -> ->> / // <-> <=> << <@ >> @ @> ^ ^@ | || ~ ~~ ~~* ~~~ like_escape ilike_escape
	not_like_escape not_ilike_escape add subtract multiply divide mod fmod fdiv xor

	abs acos acosh asin asinh atan atan2 atanh cbrt ceil ceiling cos cosh cot degrees even exp factorial floor gamma gcd
	greatest greatest_common_divisor isfinite isinf isnan lcm least least_common_multiple lgamma ln log log10 log2 nextafter
	pi pow power radians random round round_even roundbankers sign signbit sin sinh sqrt tan tanh trunc bit_count

	array_to_string ascii base64 bin bit_length char_length character_length chr concat concat_ws contains damerau_levenshtein
	decode editdist3 encode ends_with from_base64 from_binary from_hex hamming hash hex instr jaccard jaro_similarity
	jaro_winkler_similarity lcase left left_grapheme len length length_grapheme levenshtein lower ltrim md5 md5_number
	md5_number_lower md5_number_upper mismatches nfc_normalize octet_length ord parse_dirname parse_dirpath parse_filename
	parse_path position prefix regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches
	regexp_replace regexp_split_to_array replace reverse right right_grapheme rtrim sha1 sha256 split split_part starts_with
	str_split str_split_regex string_split string_split_regex string_to_array strip_accents strlen strpos substr substring
	substring_grapheme suffix to_base to_base64 to_binary to_hex translate trim ucase unbin unhex unicode upper url_decode
	url_encode format_bytes formatReadableSize formatReadableDecimalSize pg_size_pretty parse_formatted_bytes

	age ago century current_date current_localtime current_localtimestamp date_add date_diff date_part date_sub date_trunc
	datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms
	epoch_ns epoch_us era get_current_time get_current_timestamp hour isodow isoyear julian last_day make_date make_time
	make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium millisecond minute month
	monthname nanosecond normalized_interval now quarter second strftime strptime time_bucket timezone timezone_hour
	timezone_minute to_centuries to_days to_decades to_hours to_microseconds to_millennia to_milliseconds to_minutes
	to_months to_quarters to_seconds to_timestamp to_weeks to_years today transaction_timestamp try_strptime week weekday
	weekofyear year yearweek

	constant_or_null ifnull if nullif typeof pg_typeof equi_width_bins uuid uuidv4 uuidv7 gen_random_uuid
	uuid_extract_timestamp uuid_extract_version

	array_aggr array_aggregate array_append array_apply array_cat array_concat array_contains array_distinct array_extract
	array_filter array_grade_up array_has array_has_all array_has_any array_indexof array_intersect array_length
	array_pop_back array_pop_front array_position array_prepend array_push_back array_push_front array_reduce array_reverse
	array_reverse_sort array_select array_slice array_sort array_to_string_comma_default array_transform array_unique
	array_value array_where array_zip apply cardinality element_at filter flatten grade_up list_aggr list_aggregate
	list_any_value list_append list_apply list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor
	list_bool_and list_bool_or list_cat list_concat list_contains list_count list_distinct list_element list_entropy
	list_extract list_filter list_first list_grade_up list_has list_has_all list_has_any list_histogram list_indexof
	list_intersect list_kurtosis list_kurtosis_pop list_last list_mad list_max list_median list_min list_mode list_pack
	list_position list_prepend list_product list_reduce list_reverse list_reverse_sort list_select list_sem list_skewness
	list_slice list_sort list_stddev_pop list_stddev_samp list_string_agg list_sum list_transform list_unique list_value
	list_var_pop list_var_samp list_where list_zip reduce unnest

	map map_concat map_contains map_contains_entry map_contains_value map_entries map_extract map_extract_value
	map_from_entries map_keys map_values row struct_concat struct_contains struct_extract struct_extract_at struct_has
	struct_indexof struct_insert struct_keys struct_pack struct_position struct_update struct_values unpivot_list

	array_to_json from_json from_json_strict json json_array json_array_length json_contains json_exists json_extract
	json_extract_path json_extract_path_text json_extract_string json_keys json_merge_patch json_object json_pretty
	json_quote json_structure json_transform json_transform_strict json_type json_valid json_value row_to_json to_json

	any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last arg_min
	arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count count_if
	count_star countif covar_pop covar_samp entropy favg first fsum geomean geometric_mean group_concat histogram
	histogram_exact json_group_array json_group_object json_group_structure kahan_sum kurtosis kurtosis_pop last list
	listagg mad max max_by mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy
	regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile sem skewness stddev stddev_pop
	stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp variance wavg weighted_avg

	cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank rank_dense row_number
`)

// The nodes that DuckDB's parser may make of a statement.
var (
	expressionClasses = set(`BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA LAMBDA_REF
		OPERATOR POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW`)
	queryNodes = set(`SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE`)
	tableRefs  = set(`EMPTY BASE_TABLE SUBQUERY JOIN TABLE_FUNCTION EXPRESSION_LIST PIVOT SHOW_REF`)
)

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}
