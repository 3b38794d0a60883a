"""What a Glue job's DuckDB computes otherwise than the steps do.

A request's query is computed by the steps, or by the job that comes before them: on Glue by DuckDB
1.4, the last for its Python 3.9. `tests/jobs/test_engines_agree.py` compares typical
expressions. What differs is made equal by the job (`clean_csv_job.main`) or by the steps
(`tabular.workspace`), or stands here: found by calling the functions of both catalogues.
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
    "factorial": "the job takes a negative number for 0",
    "decode": "the job's takes no encoding",
    "epoch_ms": "the job cuts off what is below a millisecond; use epoch_us",
    "is_histogram_other_bin": "NULL is taken for something else",
    "timezone_hour": "the job's takes no time of day",
    "timezone_minute": "the job's takes no time of day",
}
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
    tildes = (TokenType.TILDE, TokenType.IRLIKE)
    if any(word.token_type in tildes for word in sqlglot.tokenize(sql, dialect="duckdb")):
        raise SqlError(
            f"~ differs {_WHERE}: there it fits the whole text, here a part; use regexp_full_match"
            " or regexp_matches"
        )
