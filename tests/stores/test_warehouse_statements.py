"""What the warehouse's SQL is made of: a closed set, each with its page of Redshift's guide."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import sqlglot
from local_warehouse import LocalWarehouse
from sqlglot import exp
from test_warehouse_rows import statements
from warehouse_run import COLUMNS, WarehouseRun, sales

from contracts.dataset import Group
from local.local_cloud.redshift.functions import KNOWN
from local.local_cloud.redshift.strict import called
from stores.redshift.sql import _TYPES, STATEMENTS_AT_MOST, column_type

# Pages of the Amazon Redshift Database Developer Guide:
# https://docs.aws.amazon.com/redshift/latest/dg/<page>.html
STATEMENTS: Final = {
    # One column at a time, no IF NOT EXISTS, no list of columns.
    "ALTER TABLE ADD COLUMN": "r_ALTER_TABLE",
    # Parquet by position, all columns; a manifest names each file's length.
    "COPY": "r_COPY",
    "CREATE SCHEMA IF NOT EXISTS": "r_CREATE_SCHEMA",
    "CREATE TABLE IF NOT EXISTS": "r_CREATE_TABLE_NEW",
    "CREATE TEMP TABLE": "r_CREATE_TABLE_NEW",
    "DELETE": "r_DELETE",
    "DELETE USING": "r_DELETE",
    "DROP TABLE": "r_DROP_TABLE",
    "INSERT SELECT": "r_INSERT_30",
    "INSERT VALUES": "r_INSERT_30",
    "LOCK TABLE": "r_LOCK",
    # The source is a table, the target has no alias, equal predicates, one of each branch.
    "MERGE": "r_MERGE",
    "SELECT": "r_SELECT_synopsis",
}
TYPES: Final = {
    "BIGINT": "r_Numeric_types201",
    "BOOLEAN": "r_Boolean_type",
    "DATE": "r_Datetime_types",
    "DECIMAL": "r_Numeric_types201",
    "DOUBLE": "r_Numeric_types201",
    "INT": "r_Numeric_types201",
    "TIMESTAMP": "r_Datetime_types",
    "VARCHAR": "r_Character_types",
}
# All run on compute nodes; none is in c_SQL_functions_leader_node_only.
FUNCTIONS: Final = {
    "cast": "r_CAST_function",
    "count": "r_COUNT",
    "getdate": "r_GETDATE",
    "left": "r_LEFT",
    "lpad": "r_LPAD",
    "row_number": "r_WF_ROW_NUMBER",
    "trim": "r_TRIM",
}
# Expressions and clauses, by sqlglot's names of their nodes.
SYNTAX: Final = {
    "And": "r_logical_condition",
    "Case": "r_CASE_function",
    "DPipe": "r_concat_op",
    "Distinct": "r_SELECT_list",
    "EQ": "r_comparison_condition",
    "Exists": "r_exists_condition",
    "GT": "r_comparison_condition",
    "Group": "r_GROUP_BY_clause",
    "In": "r_in_condition",
    "Is": "r_Boolean_type",  # IS NOT TRUE, in WHERE alone
    "Join": "r_Join_examples",
    "Limit": "r_ORDER_BY_clause",
    "Not": "r_logical_condition",
    "Or": "r_logical_condition",
    "Order": "r_ORDER_BY_clause",
    "Sub": "r_OPERATOR_SYMBOLS",
    "Subquery": "r_FROM_clause30",
    "Where": "r_WHERE_clause",
    "Window": "c_Window_functions",
}
RELATIONS: Final = {
    "pg_namespace": "c_join_PG",
    "svv_columns": "r_SVV_COLUMNS",
    "sys_load_error_detail": "SYS_LOAD_ERROR_DETAIL",
}
NEW: Final = (
    " is new in the warehouse's SQL: look its page up in the Amazon Redshift Database Developer"
    " Guide (does Redshift have it, on compute nodes, in this form?), name the page in"
    " tests/stores/test_warehouse_statements.py, and have a test in test_warehouse_on_postgres.py"
    " run it on PostgreSQL"
)
_NODES_WITHOUT_A_PAGE: Final = {
    *("Alias", "Alter", "Boolean", "Cast", "Column", "ColumnConstraint", "ColumnDef", "Copy"),
    *("CopyParameter", "Create", "CurrentTimestamp", "DataType", "DataTypeParam", "Credentials"),
    *("DefaultColumnConstraint", "Delete", "Drop", "From", "Identifier", "If", "IndexParameters"),
    *("Insert", "Left", "Pad"),
    *("Literal", "Merge", "NotNullColumnConstraint", "Null", "Ordered", "Paren", "PrimaryKey"),
    *("Properties", "RowNumber", "Schema", "Select", "Star", "Table", "TableAlias", "Count"),
    *("TemporaryProperty", "Trim", "Tuple", "Update", "Values", "Var", "When", "Whens"),
}


@pytest.fixture
def written(cloud: Any, warehouse: LocalWarehouse) -> list[str]:
    """Every kind of statement that the steps write, once at least."""
    run = WarehouseRun(cloud, warehouse)
    run.prepare()
    kinds = [*_TYPES, "decimal(38,10)"]
    more = [{"name": f"c{number}", "type": kind} for number, kind in enumerate(kinds)]
    wider = WarehouseRun(
        cloud,
        warehouse,
        run_id="run-2",
        started_at="2026-11-21T08:00:00Z",
        dataset=sales(columns=[*COLUMNS, *more]),
    )
    assert wider.prepare().statements
    other = {"redshift": {"table": "mart.other", "key": ["id", "note"]}}
    third = WarehouseRun(cloud, warehouse, run_id="run-3", dataset=sales(targets=other))
    third.prepare()
    third.output("('a', 1, 'x')").explain("ERROR: failed")
    grouped = WarehouseRun(cloud, warehouse, run_id="run-4", group=Group())
    grouped.output("('a', 1, 'x', 3)")
    asked = [
        sql
        for name, request in warehouse.requests
        for sql in ([request["Sql"]] if name == "ExecuteStatement" else request.get("Sqls", ()))
    ]
    units = [third.statements(1), grouped.statements(1), run.statements(0, files=0)]
    loads = [*units, statements()]
    assert all(len(load) <= STATEMENTS_AT_MOST for load in loads)
    return [*asked, *(sql for load in loads for sql in load)]


def test_each_kind_of_statement_has_its_page(written: list[str]) -> None:
    _check_same({_kind(sql) for sql in written}, STATEMENTS)


def test_each_type_has_its_page(written: list[str]) -> None:
    assert {str(column_type(kind)) for kind in _TYPES} <= {
        sql_type.sql("redshift") for sql in written for sql_type in _nodes(sql, exp.DataType)
    }
    _check_same({kind.this.value for sql in written for kind in _nodes(sql, exp.DataType)}, TYPES)


def test_each_function_has_its_page_and_the_local_redshift_knows_it(written: list[str]) -> None:
    functions = {name for sql in written if _tree(sql) for name in _calls(sql)}
    _check_same(functions, FUNCTIONS)
    assert functions <= KNOWN


def test_each_clause_and_operator_has_its_page(written: list[str]) -> None:
    nodes = {type(node).__name__ for sql in written for node in _nodes(sql, exp.Expr)}
    _check_same(nodes - _NODES_WITHOUT_A_PAGE, SYNTAX)


def test_each_system_view_has_its_page(written: list[str]) -> None:
    tables = {table.name for sql in written for table in _nodes(sql, exp.Table) if not table.db}
    ours = {name for name in tables if name.startswith("load_")}
    _check_same(tables - ours, RELATIONS)


def test_what_is_new_fails_and_says_what_to_do() -> None:
    with pytest.raises(AssertionError, match="median is new in the warehouse's SQL: look its page"):
        _check_same({"count", "median"}, {"count": "r_COUNT"})
    with pytest.raises(AssertionError, match="no longer used: count"):
        _check_same(set(), {"count": "r_COUNT"})


def _check_same(found: set[str], documented: dict[str, str]) -> None:
    new = sorted(found - set(documented))
    assert not new, ", ".join(new) + NEW
    unused = sorted(set(documented) - found)
    assert not unused, f"no longer used: {', '.join(unused)}"


def _kind(sql: str) -> str:
    words = re.sub(r'"[^"]*"(\."[^"]*")?', "", re.sub(r"'(?:[^'\\]|\\.|'')*'", "", sql)).split()
    if words[0] == "INSERT":
        return "INSERT VALUES" if "VALUES" in words else "INSERT SELECT"
    if words[0] == "DELETE":
        return "DELETE USING" if "USING" in words else "DELETE"
    if words[0] in ("SELECT", "COPY", "MERGE"):
        return words[0]
    return " ".join(word for word in _before_names(words))


def _before_names(words: list[str]) -> list[str]:
    known = {word for kind in STATEMENTS for word in kind.split()}
    found = []
    for word in words:
        if word.startswith("(") or (found[:1] == ["ALTER"] and word not in known):
            break
        found.append(word)
    return found


def _tree(sql: str) -> exp.Expr | None:
    """None: of LOCK and COPY, which sqlglot does not read, and which hold nothing but names."""
    if sql.startswith(("LOCK", "COPY")):
        return None
    tree = sqlglot.parse_one(sql, read="redshift")
    assert not isinstance(tree, exp.Command), sql
    return tree


def _nodes(sql: str, kind: type[Any]) -> list[Any]:
    tree = _tree(sql)
    return [] if tree is None else list(tree.find_all(kind))


def _calls(sql: str) -> set[str]:
    data = sql.startswith(("SELECT", "INSERT", "DELETE", "MERGE"))
    return called(sql) if data else set()
