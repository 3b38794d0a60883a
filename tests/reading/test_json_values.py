"""JSON comes as it is written: digits, also of nested numbers; blank lines are no records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from data_run import UNIT, DataRun, dataset
from scratch_duckdb import connect

from contracts import layout
from contracts.errors import InvalidData
from reading_rules.json.records import _DELICATE

COLUMNS = [{"name": "id", "required": True}, {"name": "x"}]
TARGETS = {"dynamodb": {"key": ["id"]}}


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_nested_numbers_are_stored_as_they_are_written(cloud: Any, kind: str) -> None:
    items = [
        '{"id": "1", "x": {"price": 0.10, "big": 123456789012345678901234567890, "e": 1e400}}',
        '{"id": "2", "x": [0.3, -0.0, 100000.0, 1.50E+3]}',
    ]
    body = "\n".join(items) if kind == "jsonl" else f"[{','.join(items)}]"
    run = DataRun(cloud, dataset(format={"type": kind}, columns=COLUMNS, targets=TARGETS))
    run.lay_out(body, f"a.{kind}").validate()
    assert run.valid_rows() == [
        ("1", '{"price":0.10,"big":123456789012345678901234567890,"e":1e400}'),
        ("2", "[0.3,-0.0,100000.0,1.50E+3]"),
    ]


def test_a_line_of_blanks_is_no_record(cloud: Any) -> None:
    run = DataRun(cloud, dataset(format={"type": "jsonl"}, columns=COLUMNS, targets=TARGETS))
    run.lay_out(' {"id": "1"}\n\n  \t \n{"id": "2"}\n \n x\n', "a.jsonl")
    validated = run.validate()
    assert (validated.rows_in, validated.valid) == (3, 2)
    assert [(reject["line"], reject["raw"]) for reject in run.rejects()] == [(6, " x")]


@pytest.mark.parametrize(
    ("kind", "text", "stored"),
    [
        ("double", "1e-400", None),
        ("double", "-0.001e-400", None),
        ("double", "0." + "0" * 400 + "1", None),
        ("double", "0e-400", 0.0),
        ("double", "-0.0", 0.0),
        ("double", "5e-324", 5e-324),
        ("decimal(10,2)", "1e-400", None),
        ("decimal(10,2)", "0e-400", 0),
        ("decimal(10,2)", "1e-2", 0.01),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_number_too_small_for_its_type_is_rejected_as_one_too_large_is(
    cloud: Any, form: str, kind: str, text: str, stored: float | None
) -> None:
    columns = [COLUMNS[0], {"name": "x", "type": kind}]
    body = f"id,x\n1,{text}\n" if form == "csv" else f'{{"id": "1", "x": {text}}}'
    run = DataRun(cloud, dataset(format={"type": form}, columns=columns, targets=TARGETS))
    run.lay_out(body, f"a.{form}").validate()
    if stored is None:
        assert [(reject["rule"], reject["column"]) for reject in run.rejects()] == [("type", "x")]
    else:
        assert [float(row[1]) for row in run.valid_rows()] == [stored]


def run_of(cloud: Any, columns: list[dict[str, Any]], *records: dict[str, Any]) -> DataRun:
    contract = dataset(format={"type": "jsonl"}, columns=columns, targets=TARGETS)
    body = "\n".join(map(json.dumps, records))
    return DataRun(cloud, contract).lay_out(body, "a.jsonl")


NOTE = [{"name": "id", "source": "orderId", "required": True}, {"name": "note"}]


def test_a_key_in_other_letters_is_a_finding_with_the_nearest_key(cloud: Any) -> None:
    run = run_of(cloud, NOTE, {"orderId": "1", "Note": "a"}, {"orderId": "2", "Note": "b"})
    validated = run.validate()
    assert (validated.valid, validated.warned, validated.rejected) == (2, 0, 0)
    assert validated.findings_url is not None
    (found,) = cloud.read_json(layout.findings_key("run-1", UNIT))["rules"]
    assert (found["rule"], found["column"], found["severity"]) == ("missing-key", "note", "warn")
    assert found["reason"].startswith('no record has the key "note", but there is "Note": make')
    assert found["rows"] == 2


@pytest.mark.parametrize("near", ["orderid", "ORDER_ID", "order-id", "Id", " orderId"])
def test_a_required_key_in_other_letters_fails_the_unit(cloud: Any, near: str) -> None:
    run = run_of(cloud, NOTE, {near: "1", "note": "a"}, {near: "2"})
    with pytest.raises(InvalidData, match=f'no record has the key "orderId", .* "{near}"'):
        run.validate()


@pytest.mark.parametrize(
    "records",
    [
        [{"orderId": "1", "Note": "a"}, {"orderId": "2", "note": None}],
        [{"orderId": "1", "Note": "a"}, {"orderId": None, "note": "rejected"}],
        [{"orderId": "1"}, {"orderId": "2", "notes": "a"}],
        [{"orderId": "1", "x": {"Note": "a"}}],
        [],
    ],
)
def test_a_key_that_some_record_has_or_none_is_near_is_no_finding(
    cloud: Any, records: list[dict[str, Any]]
) -> None:
    run = run_of(cloud, NOTE, *records)
    run.validate()
    keys = cloud.keys(layout.findings_key("run-1", UNIT))
    rules = cloud.read_json(keys[0])["rules"] if keys else []
    assert "missing-key" not in [rule["rule"] for rule in rules]


def test_a_key_of_another_column_is_not_taken_for_a_near_one(cloud: Any) -> None:
    columns = [*NOTE, {"name": "big", "source": "no te"}]
    run = run_of(cloud, columns, {"orderId": "1", "no te": "a"})
    assert run.validate().findings_url is None


def test_a_key_that_is_read_in_another_case_is_no_finding(cloud: Any) -> None:
    form = {"type": "jsonl", "caseInsensitive": True}
    run = DataRun(cloud, dataset(format=form, columns=COLUMNS, targets=TARGETS))
    validated = run.lay_out('{"ID": "1", "X": null}\n', "a.jsonl").validate()
    assert (validated.valid, validated.findings_url) == (1, None)


def test_what_is_no_object_is_known_beside_columns_from_the_key(cloud: Any) -> None:
    columns = [*COLUMNS, {"name": "file", "from": "key"}]
    limits = {"rejectedPercentage": 50}
    contract = dataset(format={"type": "jsonl"}, columns=columns, targets=TARGETS, limits=limits)
    run = DataRun(cloud, contract)
    validated = run.lay_out('{"id": "1"}\n5\n{"id": "2"}\n', "a.jsonl").validate()
    assert (validated.valid, validated.rejected) == (2, 1)
    assert [(reject["line"], reject["raw"]) for reject in run.rejects()] == [(2, "5")]
    assert run.rejects()[0]["reason"].startswith("not a JSON object")


@pytest.mark.parametrize(
    ("value", "is_delicate"),
    [
        *((number, True) for number in ("1234567890123456", "-1234567890.123456", "0.50", "-0.0")),
        *(
            (number, True)
            for number in ("1e5", "1.50E+3", "-2e-7", "0.0001", "-0.0001", "-0", "10.0")
        ),
        *((number, False) for number in ("1", "-1", "100", "0.5", "-12.25", "true", "null")),
        *((f'"{text}"', False) for text in ("2026-01-02T03:04:05Z", "1817.30", "12E3", "0.0001")),
        ('"1234567890123456"', False),
    ],
)
@pytest.mark.parametrize("form", ['{{"a":{}}}', '{{"a": {} }}', '{{"a":[{},1]}}', '{{"a":[1,{}]}}'])
def test_only_numbers_that_a_double_changes_take_a_second_look(
    form: str, value: str, *, is_delicate: bool
) -> None:
    with connect() as connection:
        found = connection.execute(
            "SELECT regexp_matches(?, ?)", [form.format(value), _DELICATE]
        ).fetchone()
    assert found == (is_delicate,)
