"""What a contract says of how values are written: nonsense is refused, with what is right."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scratch_duckdb import connect

from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidDataset
from dataset_loading.check import CheckedDataset, check_dataset
from reading_rules.values.forms import value_form, value_of, with_readings


def checked(*columns: dict[str, Any]) -> CheckedDataset:
    value = {
        "name": "orders",
        "source": {"prefix": "in/"},
        "columns": [{"name": "id"}, *({"name": f"c{n}", **c} for n, c in enumerate(columns))],
        "targets": {"dynamodb": {"key": ["id"]}},
    }
    return check_dataset(yaml.safe_dump(value, allow_unicode=True), "orders")


def problems(*columns: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidDataset) as caught:
        checked(*columns)
    return [str(problem) for problem in caught.value.problems]


DATE, TIME = {"type": "date"}, {"type": "timestamp"}
DECIMAL, TRUTH = {"type": "decimal(10,2)"}, {"type": "boolean"}


@pytest.mark.parametrize(
    ("column", "field", "message"),
    [
        ({"format": "%d.%m.%Y"}, "format", "is for columns of type date or timestamp, not string"),
        ({**DATE, "format": "dd.MM.yyyy"}, "format", "must hold a year (%Y), a month (%m)"),
        ({**DATE, "format": "%d.%m.%Y %Q"}, "format", "has %Q; of strftime's directives"),
        ({**DATE, "format": "%d.%m.%Y %H:%M"}, "format", "take type timestamp"),
        ({**DATE, "format": "epoch-millis"}, "format", "take type timestamp"),
        ({**DATE, "format": ["%Y%m%d", "%Y%m%d"]}, "format", "names a form twice"),
        ({**TIME, "format": ["epoch-millis", "epoch-seconds"]}, "format", "keep one of them"),
        ({**TIME, "format": ["epoch-millis", "%Y%m%d%H"]}, "format", "the same digits as"),
        ({**DATE, "zone": "Europe/Berlin"}, "zone", "is for columns of type timestamp, not date"),
        ({**TIME, "zone": "Europe/Berlim"}, "zone", "did you mean Europe/Berlin?"),
        ({**TIME, "zone": "europe/berlin"}, "zone", "did you mean Europe/Berlin?"),
        ({**TIME, "zone": "Europe/Berlin'"}, "zone", "should match pattern"),
        ({**TIME, "zone": "UTC", "format": "epoch-millis"}, "zone", "has no effect"),
        ({**TIME, "zone": "UTC", "format": "%Y%m%d%H%z"}, "zone", "has no effect"),
        ({"type": "integer", "decimal": ","}, "decimal", "decimal(p,s) or double, not integer"),
        ({**DECIMAL, "decimal": ";"}, "decimal", "should be '.' or ','"),
        ({**DATE, "thousands": "."}, "thousands", "integer, decimal(p,s) or double, not date"),
        ({**DECIMAL, "thousands": "."}, "thousands", 'say decimal: ","'),
        ({**DECIMAL, "decimal": ",", "thousands": ","}, "thousands", 'say decimal: "."'),
        ({"type": "integer", "percent": True}, "percent", "decimal(p,s) or double, not integer"),
        ({"type": "decimal(5,1)", "percent": True}, "percent", "needs a scale of 2 at least"),
        ({"trueValues": ["J"], "falseValues": ["N"]}, "trueValues", "type boolean, not string"),
        ({**TRUTH, "trueValues": ["J"]}, "falseValues", "falseValues is missing beside trueValues"),
        ({**TRUTH, "falseValues": ["N"]}, "falseValues", "trueValues is missing beside"),
        (
            {**TRUTH, "trueValues": ["J", "X"], "falseValues": ["X"]},
            "falseValues",
            "'X' is among trueValues, too",
        ),
        ({**TRUTH, "trueValues": [" J"], "falseValues": ["N"]}, "trueValues", "has spaces around"),
        (
            {**TRUTH, "trueValues": ["J"], "falseValues": ["N"], "nulls": ["N"]},
            "nulls",
            "'N' is true or false, too",
        ),
        ({"trim": True, "nulls": [" -"]}, "nulls", "which trim takes away before"),
        ({"nulls": []}, "nulls", "at least 1 item"),
        ({"trim": "yes"}, "trim", "should be a valid boolean"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_where_it_stands(
    column: dict[str, Any], field: str, message: str
) -> None:
    place = f"columns[1].{field} " if field in column else "columns[1] "
    (found,) = (each for each in problems(column) if each.startswith(place))
    assert message in found


def test_every_problem_is_reported_at_once() -> None:
    found = problems(
        {"type": "integer", "decimal": ",", "percent": True, "format": "%Y"},
        {**TIME, "format": "%H"},
    )
    places = [each.partition(" ")[0] for each in found]
    assert places == [
        "columns[1].format",
        "columns[1].decimal",
        "columns[1].percent",
        "columns[2].format",
    ]


RIGHT: list[dict[str, Any]] = [
    {},
    {"trim": True},
    {"nulls": ["NA", "-", "\\N"]},
    {**DATE, "format": "%d.%m.%Y"},
    {**DATE, "format": ["%d.%m.%Y", "%Y%m%d"], "nulls": ["00000000"]},
    {**TIME, "format": "epoch-millis"},
    {**TIME, "zone": "America/New_York"},
    {**TIME, "format": ["%d.%m.%Y %H:%M", "epoch-seconds"], "zone": "Europe/Berlin"},
    {**DECIMAL, "decimal": ",", "thousands": ".", "minimum": "0.5"},
    {"type": "double", "decimal": ",", "percent": True, "thousands": "\u00a0"},
    {"type": "integer", "thousands": ".", "allowed": ["1000"]},
    {**TRUTH, "trueValues": ["J", "1"], "falseValues": ["N", "0"], "trim": True},
]


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(RIGHT), max_size=4))
def test_what_makes_sense_is_taken_and_survives_its_snapshot(columns: list[dict[str, Any]]) -> None:
    found = checked(*columns)
    snapshot = DatasetSnapshot(
        dataset=found.dataset,
        version=found.version,
        index="i",
        run_id="r1",
        run_started_at="2026-11-20T08:15:00Z",
        output_columns=found.output_columns,
    )
    assert DatasetSnapshot.from_json(snapshot.to_json()) == snapshot


@pytest.mark.parametrize("column", RIGHT, ids=str)
def test_what_the_check_takes_can_be_computed(column: dict[str, Any]) -> None:
    form = value_form({"name": "x", **column})
    relation = with_readings("(SELECT 'x' AS \"text-x\")", [form])
    with connect() as connection:
        found = connection.execute(f"SELECT {value_of(form)} FROM {relation}").fetchall()
    assert found == [("x",)] if form.kind == "string" else [(None,)]


def test_an_end_of_rows_that_no_transform_can_cause_is_refused() -> None:
    value = {
        "name": "orders",
        "source": {"prefix": "in/"},
        "columns": [{"name": "id"}],
        "targets": {"dynamodb": {"key": ["id"]}},
        "onTransformError": "fail",
    }
    with pytest.raises(InvalidDataset, match="onTransformError .* without a transform"):
        check_dataset(yaml.safe_dump(value), "orders")
    assert (
        check_dataset(
            yaml.safe_dump({**value, "transform": "SELECT id FROM valid"}), "orders"
        ).dataset.on_transform_error
        == "fail"
    )
