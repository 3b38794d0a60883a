"""The functions that Redshift has, by the page of its Database Developer Guide that lists them.

What is not here is refused, also where DuckDB has it. Functions that run on the leader node only
are left out, as they fail on tables (c_SQL_functions_leader_node_only), but those of the catalog.
"""

from __future__ import annotations

from typing import Final

FUNCTIONS: Final = {
    "c_Aggregate_Functions": "any_value avg count listagg max median min percentile_cont"
    " percentile_disc stddev stddev_pop stddev_samp sum var_pop var_samp variance",
    "c_Array_Functions": "array array_concat array_contains array_distinct array_except"
    " array_flatten array_intersection array_position array_positions array_sort array_union"
    " get_array_length split_to_array subarray",
    "c_bitwise_aggregate_functions": "bit_and bit_or bool_and bool_or",
    "c_conditional_expressions": "coalesce decode greatest isnull least nullif nvl nvl2",
    "r_Data_type_formatting": "cast convert text_to_int_alt text_to_numeric_alt to_char to_date"
    " to_number try_cast",
    "Date_functions_header": "add_months convert_timezone date_cmp date_cmp_timestamp"
    " date_cmp_timestamptz date_part date_part_year date_trunc dateadd datediff extract getdate"
    " interval_cmp last_day months_between next_day timeofday timestamp_cmp timestamp_cmp_date"
    " timestamp_cmp_timestamptz timestamptz_cmp timestamptz_cmp_date timestamptz_cmp_timestamp"
    " timezone to_timestamp trunc",
    "hash-functions": "checksum farmfingerprint64 fnv_hash func_sha1 md5 murmur3_32_hash sha sha1"
    " sha2",
    "hyperloglog-functions": "hll hll_cardinality hll_combine hll_combine_sketches"
    " hll_create_sketch",
    "json-functions": "can_json_parse is_valid_json is_valid_json_array json_array_length"
    " json_extract_array_element_text json_extract_path_text json_parse json_serialize"
    " json_serialize_to_varbyte",
    "Math_functions": "abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees dexp dlog1 dlog10"
    " exp floor ln log mod pi pow power radians random round sign sin sqrt tan to_hex trunc",
    "Object_Functions": "get_number_attributes lower_attribute_names object object_transform"
    " upper_attribute_names",
    "String_functions_header": "ascii bpcharcmp btrim bttext_pattern_cmp char_length"
    " character_length charindex chr collate concat crc32 difference initcap left len length lower"
    " lpad ltrim octet_length octetindex position quote_ident quote_literal regexp_count"
    " regexp_instr regexp_replace regexp_substr repeat replace replicate reverse right rpad rtrim"
    " soundex split_part strpos strtol substring textlen translate trim upper",
    "c_Type_Info_Functions": "decimal_precision decimal_scale is_array is_bigint is_boolean is_char"
    " is_decimal is_float is_integer is_object is_scalar is_smallint is_varchar json_size"
    " json_typeof size",
    "varbyte-functions": "from_hex from_varbyte getbit to_varbyte",
    "c_Window_functions": "cume_dist dense_rank first_value lag last_value lead nth_value ntile"
    " percent_rank rank ratio_to_report row_number",
    "r_System_information_functions": "current_database current_namespace current_schema"
    " current_schemas has_database_privilege has_schema_privilege has_table_privilege"
    " pg_backend_pid pg_last_copy_count pg_last_copy_id pg_last_query_id pg_last_unload_count"
    " pg_last_unload_id slice_num version",
    "r_System_administration_functions": "current_setting pg_cancel_backend pg_terminate_backend"
    " set_config",
    # Without a page of its own: the same as SUBSTRING; on tables, too, as its page's examples show.
    "r_SUBSTRING": "substr",
}
KNOWN: Final = frozenset(name for names in FUNCTIONS.values() for name in names.split())
