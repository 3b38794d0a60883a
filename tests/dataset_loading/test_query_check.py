"""A request's query against a contract: one boolean expression over the columns, nothing else."""

from __future__ import annotations

import re

import pytest
from control_fakes import DATASET

from contracts.dataset import Dataset
from contracts.errors import InvalidRequest
from dataset_loading import constants
from dataset_loading.check import check_dataset, check_query
from tabular.workspace import connect


def refusal(query: str, dataset: Dataset) -> str | None:
    try:
        check_query(query, dataset)
    except InvalidRequest as error:
        return str(error)
    return None


class TestQuery:
    CHECKED = check_dataset(DATASET, "orders")

    @pytest.mark.parametrize(
        "query",
        [
            "amount > 10",
            "Amount >= 10.5 AND country IN ('DE', 'AT')",
            "ordered_on BETWEEN DATE '2026-01-01' AND '2026-12-31' OR country IS NULL",
            "country LIKE 'D%;--' ",
            "CASE WHEN amount > 5 THEN true ELSE country = 'x' END",
            "TRY_CAST(country AS INTEGER) IS NULL",
            "len(list_filter([amount], lambda x: abs(x) > 1 AND x < 5)) = 1",
            "len(list_filter([[1]], lambda x: len(list_filter(x, lambda y: y > x[1])) > 1)) = 1",
            "order_id = 1" + " OR order_id = 2" * 200,
            '"amount" > 1',
        ],
    )
    def test_boolean_expressions_over_the_columns_are_taken(self, query: str) -> None:
        assert refusal(query, self.CHECKED.dataset) is None

    @pytest.mark.parametrize(
        ("query", "complaint"),
        [
            ("amont > 1", 'unknown column "amont"; did you mean "amount"?'),
            ("foo > 1 AND bar < 2", "there are order_id, amount, country, ordered_on"),
            ('country = "DE"', "text goes in single quotes"),
            ("amount", "must be true or false"),
            ("", "is empty"),
            ("-- nothing", "is empty"),
            ("amount > 1; DROP TABLE valid", "without semicolons"),
            ("amount > 1;", "without semicolons"),
            ("amount > 1 -- always", "comments"),
            ("amount > 1 /* x */", "comments"),
            ("SELECT 1", "not a statement"),
            ("DROP TABLE valid", "not a statement"),
            ("COPY valid TO 'x'", "not a statement|is not SQL"),
            ("amount > (SELECT 1)", "must use the row's columns only"),
            ("EXISTS (SELECT 1)", "must use the row's columns only"),
            ("amount IN (SELECT 1)", "must use the row's columns only"),
            ("amount > ?", "must use the row's columns only"),
            ("amount > $1", "must use the row's columns only"),
            ("COLUMNS(*) IS NULL", "must use the row's columns only"),
            ("valid.amount > 1", "bare names"),
            ("sum(amount) > 1", "aggregate"),
            ("row_number() OVER () > 1", "window"),
            ("unnest([true, false])", "(?i)unnest"),
            ("read_text('/etc/passwd') = 'x'", "read_text is not allowed"),
            ("current_setting('memory_limit') = 'x'", "current_setting is not allowed"),
            ("getenv('HOME') = 'x'", "getenv is not allowed"),
            ("nonsense(amount)", "nonsense"),
            ("amount > 1) OR (1 = 1", "is not SQL"),
            ("country = 'open", "is not SQL"),
            ("(" * 2000 + "true" + ")" * 2000, "nested too deeply"),
            ("rowid > 1", 'unknown column "rowid"'),
            ("len(list_filter([amount], lambda x: x > zz)) = 1", 'unknown column "zz"'),
            ("amount > 1 AS x", "not a statement"),
        ],
    )
    def test_anything_else_is_refused(self, query: str, complaint: str) -> None:
        with pytest.raises(InvalidRequest, match=complaint) as caught:
            check_query(query, self.CHECKED.dataset)

        assert [problem.path for problem in caught.value.problems] == ["query"]

    @pytest.mark.parametrize(
        "query", ["current_query() = 'x'", "version() = 'v'", "current_user = 'u'", "user() = 'u'"]
    )
    def test_what_a_repeat_would_compute_otherwise_is_refused(self, query: str) -> None:
        with pytest.raises(
            InvalidRequest, match="another result|not allowed|unknown|does not exist"
        ):
            check_query(query, self.CHECKED.dataset)

    @pytest.mark.parametrize(
        ("query", "complaint"),
        [
            ("ordered_on < ago(INTERVAL 1 DAY)", "function ago is not allowed, as it is .*current"),
            ("ordered_on < pg_conf_load_time()", "pg_conf_load_time is not allowed"),
            ("pg_catalog.pg_postmaster_start_time() > ordered_on", "time is not allowed"),
            ("ordered_on < CAST('now' AS TIMESTAMP)", "'now' as a date or time is not allowed"),
            ("TRY_CAST(' Today' AS DATE) IS NULL", "as a date or time is not allowed"),
            ("ordered_on < 'now'", "'now' as a date or time is not allowed"),
            ("ordered_on IN ('tomorrow')", "'tomorrow' as a date or time is not allowed"),
            ("ordered_on BETWEEN 'yesterday' AND 'today'", "as a date or time is not allowed"),
            ("COLUMNS('o.*') IS NULL", "must use the row's columns only"),
            ("COLUMNS(['order_id']) = 1", "must use the row's columns only"),
            ("country = 'a\0b'", "must not hold a NUL character"),
            ("current_localtimestamp() > ordered_on", "current_localtimestamp is not allowed"),
            ("current_localtime() IS NULL", "current_localtime is not allowed"),
            ("pg_sleep(1) IS NULL", "sleep_ms is not allowed"),
            ("get_block_size('memory') > 1", "beyond the rows"),
            ("list_aggr([1, 2], 'reservoir_quantile', 0.5) = 1", "reservoir_quantile is not"),
            ("list_aggr([1, 2], lower('FIRST')) = 1", "must name its aggregate"),
            ("vector_type(amount) = 'x'", "another result"),
            ("list_transform([1], lambda x: x + random()) = [1]", "random is not allowed"),
        ],
    )
    def test_calls_are_judged_by_the_engines_catalogue(self, query: str, complaint: str) -> None:
        assert re.search(complaint, refusal(query, self.CHECKED.dataset) or "passes")

    def test_no_function_makes_a_time_out_of_nothing(self) -> None:
        """Where the catalogue calls a clock consistent, `dataset_loading.catalogue` names it."""
        with connect() as connection:
            rows = connection.execute(
                "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type ="
                " 'scalar' AND len(parameters) = 0 AND return_type SIMILAR TO 'TIME.*|DATE'"
            ).fetchall()
        clocks = {name for (name,) in rows}
        dataset = self.CHECKED.dataset

        assert {"now", "today", "current_localtimestamp"} <= clocks
        assert {name for name in clocks if refusal(f"{name}() IS NULL", dataset) is None} == set()

    @pytest.mark.parametrize(
        "query",
        [
            "country = 'today'",
            "country IN ('now', 'later')",
            "date_diff('day', ordered_on, DATE '2026-01-01') > 1",
            "split_part(country, 'x', 1) = 'y' AND ifnull(amount, 1) > 0",
            "CASE WHEN amount IS NULL THEN error('no amount') ELSE true END",
            "list_aggr([1, 2], 'sum') = 3",
            "regexp_matches(country, '[A-Z]+') AND age(ordered_on, DATE '2020-01-01') IS NULL",
        ],
    )
    def test_what_a_repeat_computes_again_is_taken(self, query: str) -> None:
        assert refusal(query, self.CHECKED.dataset) is None

    @pytest.mark.slow
    @pytest.mark.timeout(120)
    @pytest.mark.parametrize(
        "query",
        [
            "length(lpad('x', 2000000000, 'y')) > 1",
            "list_sum(range(1000000000)) > 1",
            "len(string_split(repeat('x,', 50000000), ',')) > 1",
            "list_transform([2000000000], lambda n: length(repeat('x', n))) = [1]",
            "levenshtein(repeat('a', 300000), repeat('b', 300000)) > 1",
        ],
        ids=["text", "list", "split", "lambda", "time"],
    )
    def test_constants_are_computed_within_bounds(
        self, query: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "CPU_SECONDS", 1)  # the message was made before
        found = refusal(query, self.CHECKED.dataset) or "passes"
        assert "computes constants that take more than 5 seconds or 768 MB" in found

    @pytest.mark.parametrize(
        "query",
        ["country = lpad('x', 3, 'y')", "ordered_on > make_date(2020, 1, 1)", "len(range(9)) = 9"],
    )
    def test_small_constants_are_taken(self, query: str) -> None:
        assert refusal(query, self.CHECKED.dataset) is None

    def test_what_is_wrong_beside_a_constant_is_reported_as_anywhere(self) -> None:
        found = refusal("upper('x') = country AND round(1.5) > ordered_on", self.CHECKED.dataset)
        assert "Cannot compare values of type" in (found or "passes")
