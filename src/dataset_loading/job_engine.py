"""What a Glue job's DuckDB computes otherwise than the steps do.

A request's query is computed by the steps, or by the job that comes before them: on Glue by DuckDB
1.4, the last for its Python 3.9. `tests/jobs/test_engines_agree.py` compares typical
expressions, `test_functions_agree.py` every function. What differs is made equal by the job
(`clean_csv_job.main`) or by the steps (`tabular.workspace`), or stands here.
"""

from __future__ import annotations

from typing import Final

import sqlglot
from sqlglot import TokenType

from dataset_loading.catalogue import Node, called_by, nodes_of
from dataset_loading.parsing import SqlError

_LACKS: Final = frozenset(
    {"assert_true", "binom", "bitstring_byte_comparable", "days_in_month", "decimal_division"}
    | {"get_type", "hive_partition_component", "index_key", "invoke", "json_copy_strftime_if_date"}
    | {"json_copy_strftime_if_timestamp", "json_deep_merge", "json_insert", "json_merge_patch_diff"}
    | {"json_normalize", "json_remove", "json_replace", "json_set", "json_strip_nulls"}
    | {"make_type", "overlay", "parse_formatted_bytes", "path_join", "struct_keys"}
    | {"struct_values", "switch", "to_aggregate_state", "vertex_extract"}
    | {"arg_max_nulls_last", "arg_min_nulls_last", "lttb"}  # by list_aggregate
    | {"decimal_average", "sum_no_overflow", "approx_top_k", "corr", "covar_pop", "covar_samp"}
    | {"arg_max", "arg_max_null", "arg_min", "arg_min_null", "argmax", "argmin", "max_by", "min_by"}
    | {"regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope"}
    | {"regr_sxx", "regr_sxy", "regr_syy"}
)
_LACKS_LIKE: Final = ("__", "collate_", "icu_", "st_", "variant_")
_OF_NUMBERS: Final = "where it has no result for a number (NaN here), the job fails"
_OTHERWISE: Final = {
    **dict.fromkeys(
        ("acos", "asin", "atanh", "cot", "gamma", "lgamma", "ln", "log", "log10", "log2", "sqrt"),
        _OF_NUMBERS,
    ),
    **dict.fromkeys(
        ("array_intersect", "list_intersect"), "the list has another order; use list_has_all"
    ),
    **dict.fromkeys(("round_even", "roundbankers"), "the job returns a double; use round"),
    **dict.fromkeys(
        ("parse_dirname", "parse_dirpath", "parse_filename"),
        "NULL is taken for something else; use regexp_extract",
    ),
    **dict.fromkeys(
        ("array_cosine_distance", "array_cosine_similarity", "list_cosine_distance")
        + ("list_cosine_similarity", "<=>", "array_cosine", "list_cosine"),
        "of numbers that are too large for a FLOAT it has another result",
    ),
    **dict.fromkeys(("favg", "kurtosis_pop", "list_kurtosis_pop"), "the last digits differ"),
    "array_value": "texts in it are written without quotes; use a list",
    "json_contains": "a text that is no JSON fails there; use json_extract",
    "normalized_interval": "months are counted otherwise",
    "substring_grapheme": "places before the first character count otherwise; use substring",
    "factorial": "the job takes a negative number for 0",
    "decode": "the job's takes no encoding",
    "epoch_ms": "the job cuts off what is below a millisecond; use epoch_us",
    "is_histogram_other_bin": "NULL is taken for something else",
    "timezone_hour": "the job's takes no time of day",
    "timezone_minute": "the job's takes no time of day",
}
_TIMES: Final = frozenset({"TIME", "TIMETZ", "TIME WITH TIME ZONE"})
_ZONED: Final = frozenset({"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"})
_UNSIGNED: Final = frozenset({"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"})
_WHERE: Final = "in the Glue job of this dataset, which computes the query"


def refuse_for_job(tree: Node, sql: str) -> None:
    """Judge a query, itself right, that a Glue job is to compute.

    Args:
        tree: its syntax tree (`catalogue.syntax_tree`).

    Raises:
        SqlError: the job would compute something else, or not compute it.
    """
    for node in nodes_of(tree):
        name = called_by(node) or "" if "function_name" in node else ""
        if name in _LACKS or name.startswith(_LACKS_LIKE):
            raise SqlError(f"function {name} is not there {_WHERE}")
        if name in _OTHERWISE:
            raise SqlError(f"function {name} differs {_WHERE}: {_OTHERWISE[name]}")
        if why := _why_otherwise(name, node):
            raise SqlError(f"{why} {_WHERE}")
    tildes = (TokenType.TILDE, TokenType.IRLIKE)
    if any(word.token_type in tildes for word in sqlglot.tokenize(sql, dialect="duckdb")):
        raise SqlError(
            f"~ differs {_WHERE}: there it fits the whole text, here a part; use regexp_full_match"
            " or regexp_matches"
        )


def _why_otherwise(name: str, node: Node) -> str | None:
    """What the job does with a type, or with a function of the arguments that it has here."""
    given = len(node.get("arguments", []))
    if str(node.get("type_name", "")).upper() == "TIME_NS":
        return "the type TIME_NS is not there"
    if name == "row" and given == 1:
        return "a row of one field (use a struct) is written otherwise"
    if name in ("max", "min") and node["function_name"] != name and given > 2:
        return f"{name} takes no count"
    if name in ("-", "subtract") and given == 1 and _types_in(node) & _UNSIGNED:
        return "a number without a sign (cast it to HUGEINT) is negated otherwise"
    if name == "strftime" and "literal" in node["arguments"][0].get("expression", {}):
        zoned = _types_in(node) & _ZONED
        return "strftime takes a time with a zone before the format" if zoned else None
    if name in ("time_bucket", "timezone") and _types_in(node) & _TIMES:
        return f"{name} takes no time of day"
    return None


def _types_in(node: Node) -> set[str]:
    """The types that are cast to within a call."""
    return {str(part["type_name"]).upper() for part in nodes_of(node) if "type_name" in part}
