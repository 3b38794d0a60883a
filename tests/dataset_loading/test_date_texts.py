"""Texts that end up as dates or times: words for a moment, and texts that are no date."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataset_loading.date_texts import refuse_moments
from dataset_loading.parsing import SqlError
from dataset_loading.sql import Binder, binder

COLUMNS = {
    "order_id": "integer",
    "country": "string",
    "ordered_on": "date",
    "changed_at": "timestamp",
    "amount": "decimal(10,2)",
}
DAYS = {"day": "date", "name": "string"}
REFUSED = "as a date or time is not allowed: a repeat of the run would compute another result"


@pytest.fixture(scope="module")
def bound() -> Any:
    with binder(COLUMNS, {"days": DAYS}) as made:
        yield made


EXPRESSIONS = [
    "coalesce(ordered_on, {}) IS NULL",
    "ifnull(ordered_on, {}) IS NULL",
    "CASE WHEN order_id = 1 THEN ordered_on ELSE {} END IS NULL",
    "CASE WHEN order_id = 1 THEN {} ELSE changed_at END IS NULL",
    "CASE ordered_on WHEN {} THEN true END",
    "if(order_id = 1, {}, ordered_on) IS NULL",
    "greatest(ordered_on, {}) = ordered_on",
    "nullif(changed_at, {}) IS NULL",
    "ordered_on > {}",
    "{} < changed_at + INTERVAL 1 DAY",
    "ordered_on IS DISTINCT FROM {}",
    "ordered_on NOT IN (DATE '2026-01-01', {})",
    "changed_at BETWEEN {} AND '2026-01-01'",
    "date_diff('day', ordered_on, {}) > 1",
    "date_trunc('day', {}::TIMESTAMP) = changed_at",
    "TRY_CAST({} AS TIMESTAMP) IS NULL",
    "{}::TIMESTAMPTZ IS NULL",
    "CAST({} AS TIMESTAMP_NS) IS NULL",
    "try({}::DATE) IS NULL",
    "[ordered_on, {}] IS NULL",
    "list_contains([ordered_on], {})",
    "list_transform([ordered_on], lambda x: coalesce(x, {})) IS NULL",
    "list_filter([ordered_on], lambda x: x > {}) IS NULL",
    "[{}]::DATE[] IS NULL",
    "{{'a': {}}}::STRUCT(a TIMESTAMP) IS NULL",
    "MAP {{'a': {}}}::MAP(VARCHAR, TIMESTAMP) IS NULL",
    "coalesce(country, {})::DATE IS NULL",
    "CAST(CASE WHEN order_id = 1 THEN country ELSE {} END AS DATE) IS NULL",
    "greatest(country, {})::DATE IS NULL",
    "lower({})::DATE IS NULL",
    "strftime(coalesce(ordered_on, {}), '%Y') = country",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("word", ["now", "Today", " yesterday ", "TOMORROW"])
def test_a_moment_is_refused_whatever_stands_around_it(
    bound: Binder, expression: str, word: str
) -> None:
    with pytest.raises(SqlError, match=REFUSED) as caught:
        bound.check_expression(expression.format(f"'{word}'"))
    assert str(caught.value).startswith(f"'{word}' ")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_date_is_taken_there(bound: Binder, expression: str) -> None:
    bound.check_expression(expression.format("'2026-01-01'"))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT coalesce(ordered_on, 'today') AS day FROM valid",
        "SELECT * REPLACE (coalesce(ordered_on, 'today') AS ordered_on) FROM valid",
        "SELECT COLUMNS('ordered_.*') > 'today' AS late FROM valid",
        "SELECT lag(ordered_on, 1, 'today') OVER (ORDER BY order_id) AS before FROM valid",
        "SELECT max(ordered_on) FILTER (WHERE ordered_on > 'today') AS day FROM valid",
        "SELECT order_id FROM valid WHERE ordered_on = 'today'",
        "SELECT order_id FROM valid GROUP BY order_id HAVING max(changed_at) > 'now'",
        "SELECT order_id FROM valid ORDER BY coalesce(ordered_on, 'today')",
        "SELECT order_id FROM valid"
        " QUALIFY row_number() OVER (ORDER BY coalesce(ordered_on, 'today')) = 1",
        "SELECT order_id FROM valid JOIN days ON days.day < 'today'",
        "SELECT order_id FROM valid WHERE EXISTS (SELECT 1 FROM days WHERE day = 'today')",
        "SELECT (SELECT max(day) FROM days WHERE day < coalesce(ordered_on, 'today')) AS day"
        " FROM valid",
        "WITH late AS (SELECT * FROM valid WHERE ordered_on > 'today') SELECT order_id FROM late",
        "WITH RECURSIVE r AS (SELECT ordered_on AS day FROM valid UNION ALL"
        " SELECT coalesce(day, 'today') FROM r WHERE day > '2026-01-01') SELECT day FROM r",
        "SELECT ordered_on AS day FROM valid UNION ALL SELECT DATE 'today'",
        "SELECT day FROM (VALUES (DATE '2026-01-01'), ('today')) v(day)",
        "SELECT unnest(range(ordered_on, DATE 'today', INTERVAL 1 DAY)) AS day FROM valid",
        "SELECT first(ordered_on ORDER BY coalesce(ordered_on, 'today')) AS day FROM valid",
        """SELECT '"now"'::JSON::TIMESTAMP AS at FROM valid""",
        "SELECT '[2026-01-01, now]'::DATE[] AS days FROM valid",
    ],
)
def test_a_moment_is_refused_anywhere_in_a_transform(bound: Binder, query: str) -> None:
    with pytest.raises(SqlError, match=REFUSED):
        bound.output_of(query)


@pytest.mark.parametrize(
    "expression",
    [
        "country = 'today'",
        "country IN ('now', 'later')",
        "CASE country WHEN 'now' THEN ordered_on END IS NULL",
        "CASE WHEN country = 'now' THEN ordered_on ELSE '2026-01-01' END IS NULL",
        "country = 'now' AND ordered_on > '2026-01-01'",
        "coalesce(country, 'today') = 'now'",
        "CAST(nullif(country, 'now') AS DATE) IS NULL",
        "ordered_on::VARCHAR = 'today'",
        "replace(country, 'today', '2026-01-01')::DATE IS NULL",
        "ordered_on > 'epoch' AND ordered_on < 'infinity'",
        "strptime(country, '%Y') IS NULL",
        "[country, 'now'] = ['today']",
    ],
)
def test_a_text_that_stays_one_is_taken(bound: Binder, expression: str) -> None:
    bound.check_expression(expression)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("ordered_on < '2026-13-01'", "'2026-13-01' is taken for a DATE, but is none"),
        ("coalesce(changed_at, 'never') IS NULL", "'never' is taken for a TIMESTAMP, but is none"),
        ("ordered_on = 'now()'", "is taken for a DATE, but is none"),
        ("ordered_on > 'current_date'", "is taken for a DATE, but is none"),
        ("CASE WHEN order_id = 1 THEN '01.02.2026' ELSE ordered_on END IS NULL", "but is none"),
    ],
)
def test_a_text_that_is_no_date_is_refused_where_it_is_taken_for_one(
    bound: Binder, expression: str, complaint: str
) -> None:
    with pytest.raises(SqlError) as caught:
        bound.check_expression(expression)
    assert complaint in str(caught.value)


def test_a_text_that_is_no_date_may_be_tried(bound: Binder) -> None:
    bound.check_expression("TRY_CAST('never' AS DATE) IS NULL")


@pytest.mark.parametrize("response", [json.dumps({"error": True}), "[" * 100_000 + "]" * 100_000])
def test_without_a_plan_the_words_are_refused_anywhere(response: str) -> None:
    tree = {"literal": {"kind": "STRING", "text": "now"}}
    with pytest.raises(SqlError, match=REFUSED):
        refuse_moments(tree, "SELECT 1", lambda _sql: [(response,)])
    harmless = {"literal": {"kind": "STRING", "text": "nowhere"}}
    refuse_moments(harmless, "SELECT 1", lambda _sql: [(response,)])


THROUGH_COLUMNS = [
    "SELECT order_id, x::DATE AS day FROM (SELECT order_id, {} AS x FROM valid)",
    "SELECT order_id, lower(x)::DATE AS day FROM (SELECT order_id, {} AS x FROM valid)",
    "WITH words AS (SELECT {} AS x) SELECT order_id, x::DATE AS day FROM valid, words",
    "SELECT order_id, x::DATE AS day FROM valid, (VALUES ('2026-01-01'), ({})) AS words(x)",
    "SELECT order_id, x::TIMESTAMP AS day FROM valid, (SELECT max({}) AS x FROM days)",
    "SELECT order_id, TRY_CAST(x AS DATE) AS day FROM valid, unnest([{}]) AS words(x)",
    "SELECT x::DATE AS day FROM (SELECT unnest([country, {}]) AS x FROM valid)",
    "SELECT order_id FROM valid, (SELECT {} AS x) WHERE ordered_on > x::DATE",
    "SELECT order_id FROM valid JOIN (SELECT {} AS x) ON ordered_on = x::DATE",
    "SELECT order_id, (SELECT {})::DATE AS day FROM valid",
    "SELECT order_id, x::DATE AS day"
    " FROM (SELECT order_id, country AS x FROM valid UNION ALL SELECT 1, {})",
    "SELECT order_id, y::DATE AS day FROM (SELECT order_id, lag(country, 1, {}) OVER () AS y"
    " FROM valid)",
    "WITH RECURSIVE words(x, n) AS (SELECT {}, 1 UNION ALL SELECT x, n + 1 FROM words WHERE n < 2)"
    " SELECT order_id, x::DATE AS day FROM valid, words",
]


@pytest.mark.parametrize("query", THROUGH_COLUMNS)
def test_a_moment_is_refused_that_a_column_of_a_subquery_hands_on(
    bound: Binder, query: str
) -> None:
    with pytest.raises(SqlError, match=REFUSED):
        bound.output_of(query.format("'now'"))
    bound.output_of(query.format("'2026-01-01'"))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT order_id, 'today' AS word, country::DATE AS day FROM valid",
        "SELECT 1 AS id, 'now' AS x, d FROM (SELECT country::DATE AS d FROM valid) ORDER BY x",
        "SELECT 'now' AS x, country::DATE AS d FROM valid UNION ALL SELECT 'today', day FROM days",
        "SELECT order_id FROM (SELECT order_id, country = 'today' AS t, country AS c FROM valid)"
        " WHERE c::DATE IS NOT NULL",
        "SELECT x FROM (SELECT 'now' AS x, ordered_on FROM valid)",
    ],
)
def test_a_word_that_no_date_is_made_of_is_taken(bound: Binder, query: str) -> None:
    assert bound.output_of(query)
