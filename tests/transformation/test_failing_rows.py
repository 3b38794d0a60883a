"""transform: rows that the contract's SQL fails on are rejected, or fail the unit."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_run import UNIT, DataRun, dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import layout
from contracts.dataset import ItemArray
from contracts.errors import InvalidData
from dataset_loading.check import check_dataset
from transformation import failing_rows

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
SQL = "SELECT id, CAST(s AS INTEGER) AS n FROM valid"
OUTPUT = (("id", "integer"), ("n", "integer"))
TARGETS = {"dynamodb": {"key": ["id"]}}
COLUMNS = [{"name": "id", "type": "integer"}, {"name": "s"}]


def run_over(
    cloud: Any, texts: list[str], sql: str = SQL, output: Any = OUTPUT, **changes: Any
) -> DataRun:
    """A run of which these are the valid rows, numbered from 1."""
    described = dataset(transform=sql, columns=COLUMNS, targets=TARGETS, **changes)
    run = DataRun(cloud, described, output_columns=output).lay_out("id,s\n")
    rows = ", ".join(f"({n}::BIGINT, '{text}')" for n, text in enumerate(texts, start=1))
    return run.put_valid(f"SELECT * FROM (VALUES {rows}) AS rows(id, s)")


def findings(run: DataRun) -> dict[str, int]:
    document = json.loads(run.object(layout.transform_findings_key(run.run_id, UNIT)))
    return {rule["rule"]: rule["rows"] for rule in document["rules"]}


def test_rows_that_it_fails_on_are_rejected_and_the_others_stored(cloud: Any) -> None:
    run = run_over(cloud, ["1", "x", "3", "99999999999", "5"])
    response = run.transform()
    assert run.output_rows() == [(1, 1), (3, 3), (5, 5)]
    assert (response.rows, response.removed, response.rejected) == (3, 0, 2)
    first, second = run.set_aside()
    assert first == {
        "source": "s3://data-bucket/landing/sales/a.csv",
        "rule": "transform",
        "reason": "the transform cannot compute it: Conversion Error: Could not convert string 'x'"
        " to INT32 when casting from source column s",
        "valid_row": 2,
        "row": {"id": "2", "s": "x"},
    }
    assert (second["valid_row"], second["row"]["s"]) == (4, "99999999999")
    assert findings(run) == {"transform": 2}


def test_the_old_way_fails_the_unit(cloud: Any) -> None:
    run = run_over(cloud, ["1", "x"], onTransformError="fail")
    with pytest.raises(InvalidData, match="the transform fails in unit"):
        run.transform()
    assert not cloud.keys("quarantine/")


@pytest.mark.parametrize(
    ("sql", "stored"),
    [
        (f"{SQL} WHERE id <> 3", [(1, 1)]),
        ("SELECT id, CAST(s AS INTEGER) AS n FROM valid ORDER BY id DESC", [(1, 1), (3, 3)]),
        (f"{SQL} QUALIFY row_number() OVER (PARTITION BY id % 2 ORDER BY id) = 1", [(1, 1)]),
        ("SELECT id, sum(CAST(s AS INTEGER)) AS n FROM valid GROUP BY id", [(1, 1), (3, 3)]),
        ("WITH a AS (SELECT id, CAST(s AS INTEGER) AS n FROM valid) FROM a", [(1, 1), (3, 3)]),
    ],
)
def test_it_may_look_at_rows_in_any_way(cloud: Any, sql: str, stored: list[Any]) -> None:
    run = run_over(cloud, ["1", "x", "3"], sql)
    response = run.transform()
    assert run.output_rows() == stored
    assert (response.rejected, response.rows + response.removed) == (1, 2)
    assert [reject["valid_row"] for reject in run.set_aside()] == [2]


def test_a_failure_of_rows_together_fails_the_unit(cloud: Any) -> None:
    sql = "SELECT 1 AS id, CAST(sum(CAST(s AS BIGINT)) AS TINYINT) AS n FROM valid"
    run = run_over(cloud, ["100", "100"], sql)
    with pytest.raises(InvalidData, match="the transform fails in unit"):
        run.transform()


def test_failing_and_unstorable_rows_are_counted_together(cloud: Any) -> None:
    sql = "SELECT CAST(s AS INTEGER) AS id, 1 AS n FROM valid"
    run = run_over(cloud, ["x", "7", "y", "8", "7"], sql)
    response = run.transform()
    assert run.output_rows() == [(7, 1), (8, 1)]
    assert (response.rows, response.rejected) == (2, 3)
    assert [(reject["rule"], reject["valid_row"]) for reject in run.set_aside()] == [
        ("transform", 1),
        ("transform", 3),
        ("key-unique", 5),
    ]
    assert findings(run) == {"transform": 2, "key-unique": 1}


def test_each_item_of_an_array_knows_its_row(cloud: Any) -> None:
    sql = "SELECT DISTINCT ON (id) CAST(s AS INTEGER) AS id, 1 AS n FROM valid"
    run = run_over(cloud, ["x", "7", "8", "7"], sql)
    run.array = ItemArray(items_per_batch=25, megabytes=1)
    run.freeze()
    assert run.transform().rejected == 1
    assert [reject["valid_row"] for reject in run.set_aside()] == [1]


def test_more_than_the_contract_allows_fail_the_unit_and_are_shown(cloud: Any) -> None:
    run = run_over(cloud, ["1", "x", "y", "z"], limits={"rejectedPercentage": 25})
    with pytest.raises(InvalidData, match=r"fails on at least 2 rows, 50\.0 % of 4 rows.* 25 %"):
        run.transform()
    assert len(run.set_aside()) == 2
    assert not run.output_keys()


def test_rows_that_validation_rejected_count_as_well(cloud: Any) -> None:
    run = run_over(cloud, ["1", "x", "3", "4"], limits={"rejectedPercentage": 20})
    with pytest.raises(InvalidData, match="with the 1 that validation has rejected"):
        run.transform(rows_in=5, rejected=1)
    assert run.transform(rows_in=5, rejected=0).rejected == 1


def test_the_search_ends_where_too_many_fail(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing_rows, "ROWS_AT_MOST", 3)
    run = run_over(cloud, ["x"] * 9)
    with pytest.raises(InvalidData, match="fails on more than 3 rows"):
        run.transform()


def test_a_unit_all_of_whose_rows_fail_stores_none(cloud: Any) -> None:
    run = run_over(cloud, ["x", "y"])
    assert (run.transform().rejected, run.output_rows()) == (2, [])


def test_a_repeat_leaves_the_same(cloud: Any) -> None:
    run = run_over(cloud, ["1", "x", "3"])
    first = (run.transform(), run.set_aside(), run.output_rows())
    assert (run.transform(), run.set_aside(), run.output_rows()) == first


def test_a_row_can_be_sent_again_as_its_columns_say(cloud: Any) -> None:
    """1.234 would be another number where a dot stands between thousands."""
    columns = [
        {"name": "id", "type": "integer", "thousands": "."},
        {"name": "m", "type": "decimal(9,3)", "decimal": ",", "thousands": "."},
        {"name": "day", "type": "date", "format": "%d.%m.%Y"},
    ]
    sql = "SELECT CASE WHEN id > 1 THEN 1 ELSE CAST(error('no') AS INTEGER) END AS id, m FROM valid"
    described = dataset(transform=sql, columns=columns, targets=TARGETS)
    output = (("id", "integer"), ("m", "decimal(9,3)"))
    run = DataRun(cloud, described, output_columns=output)
    run.lay_out('id,m,day\n1,"1,234",31.12.2026\n2,"5.001,5",\n3,7,1.1.2026\n').validate()
    assert run.transform().rejected == 2
    assert [(reject["rule"], reject["row"]) for reject in run.set_aside()] == [
        ("transform", {"id": "1", "m": "1,234", "day": "31.12.2026"}),
        ("key-unique", {"id": "3", "m": "7,000", "day": "01.01.2026"}),
    ]


@pytest.mark.slow
@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(st.sampled_from(["1", "2", "x", "999999999999"]), min_size=1, max_size=40))
def test_every_row_is_stored_or_rejected(cloud: Any, texts: list[str]) -> None:
    run = run_over(cloud, texts)
    response = run.transform()
    good = [(n, int(text)) for n, text in enumerate(texts, start=1) if text in "12"]
    assert run.output_rows() == good
    assert response.rejected == len(texts) - len(good)
    rejected = [reject["valid_row"] for reject in run.set_aside()] if response.rejected else []
    assert rejected == [n for n, text in enumerate(texts, start=1) if text not in "12"]


def test_the_recipe_does_what_the_page_says(cloud: Any) -> None:
    section = PAGE.partition("### A transform cannot compute some rows\n")[2]
    contract, body, outcome = (
        re.findall(rf"^```{kind}\n(.*?)^```", section, flags=re.DOTALL | re.MULTILINE)[0]
        for kind in ("yaml", "csv", "text")
    )
    described = dataset(**yaml.safe_load(contract), targets={"dynamodb": {"key": ["item"]}})
    checked = check_dataset(yaml.safe_dump(described.to_json()), "sales")
    run = DataRun(cloud, checked.dataset, output_columns=checked.output_columns).lay_out(body)
    run.validate()
    run.transform()
    lines = {int(str(row[0])[1:]): f"{row[0]}, {row[1]}" for row in run.output_rows()}
    for reject in run.set_aside():
        lines[reject["valid_row"]] = f"valid row {reject['valid_row']}: {reject['reason']}"
    assert [lines[n] for n in sorted(lines)] == outcome.splitlines()
    assert run.output_rows()[0] == ("A1", Decimal("1299.99"))
