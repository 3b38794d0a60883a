"""validate: what a contract asks of rows together and of objects; what each severity does."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from data_run import UNIT, DataRun, dataset

from contracts import layout
from contracts.errors import InvalidData, Throttled

HEADER = "id,parent,amount\n"


def columns(**changes: dict[str, Any]) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = [
        {"name": "id"},
        {"name": "parent"},
        {"name": "amount", "type": "integer"},
    ]
    return [{**column, **changes.get(column["name"], {})} for column in plain]


def findings(run: DataRun) -> dict[str, dict[str, Any]]:
    document = run.cloud.read_json(layout.findings_key(run.run_id, UNIT))
    return {
        f"{rule['rule']} {rule['column']}" if rule["column"] else rule["rule"]: rule
        for rule in document["rules"]
    }


def test_of_rows_with_the_same_value_the_first_one_stays(cloud: Any) -> None:
    contract = dataset(columns=columns(id={"unique": True}))
    run = DataRun(cloud, contract).lay_out(
        HEADER + "a,,1\nb,,1\na,,2\nc,,3\na,,x\na,,4\n,,1\n,,1\n"
    )
    response = run.validate()
    assert (response.rows_in, response.valid, response.rejected) == (8, 5, 3)
    assert [row[0] for row in run.valid_rows()] == ["a", "b", "c", None, None]
    assert [(r["line"], r["rule"], r["reason"]) for r in run.rejects()] == [
        (6, "type", "'x' is not an integer"),
        (4, "unique", "'a' has occurred before"),
        (7, "unique", "'a' has occurred before"),
    ]


def test_a_value_is_unique_in_a_contract_that_checks_nothing_else(cloud: Any) -> None:
    contract = dataset(columns=[{"name": "id", "unique": True}, {"name": "note"}])
    run = DataRun(cloud, contract).lay_out("id,note\na,1\na,2\n")
    assert run.validate().rejected == 1
    assert run.valid_rows() == [("a", "1")]


def test_a_row_that_is_rejected_anyway_does_not_take_another_ones_value(cloud: Any) -> None:
    contract = dataset(columns=columns(id={"unique": True}))
    run = DataRun(cloud, contract).lay_out(HEADER + "a,,x\na,,1\n")
    assert run.validate().rejected == 1
    assert run.valid_rows() == [("a", None, 1)]


def test_values_are_compared_as_values_not_as_texts(cloud: Any) -> None:
    contract = dataset(columns=columns(amount={"unique": True}))
    run = DataRun(cloud, contract).lay_out(HEADER + "a,,1\nb,,+1\nc,,01\nd,,2\n")
    assert run.validate().rejected == 2
    assert [row[0] for row in run.valid_rows()] == ["a", "d"]


def test_a_value_must_occur_in_the_column_it_refers_to(cloud: Any) -> None:
    contract = dataset(columns=columns(parent={"references": "id"}))
    body = HEADER + "a,,1\nb,a,1\nc,z,1\nd,e,1\ne,,x\nf,y,1\n"
    run = DataRun(cloud, contract).lay_out(body)
    response = run.validate()
    assert (response.valid, response.rejected) == (3, 3)
    # The row of e is rejected itself, but it is there.
    assert [row[0] for row in run.valid_rows()] == ["a", "b", "d"]
    assert [(r["line"], r["rule"], r["reason"]) for r in run.rejects()] == [
        (6, "type", "'x' is not an integer"),
        (4, "references", "'z' does not occur in id"),
        (7, "references", "'y' does not occur in id"),
    ]


def test_both_together_report_all_that_is_wrong_with_a_row(cloud: Any) -> None:
    contract = dataset(columns=columns(id={"unique": True}, parent={"references": "id"}))
    run = DataRun(cloud, contract).lay_out(HEADER + "a,,1\na,z,1\n")
    assert run.validate().valid == 1
    assert run.rejects()[0]["broken"] == ["unique id", "references parent"]


@pytest.mark.parametrize("severity", ["warn", "quarantine", "fail"])
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"id": {"required": True}}, "required id"),
        ({"id": {"pattern": "[a-c]"}}, "pattern id"),
        ({"parent": {"allowed": ["a"]}}, "allowed parent"),
        ({"amount": {"minimum": 1}}, "minimum amount"),
        ({"amount": {"maximum": 9}}, "maximum amount"),
        ({"id": {"unique": True}}, "unique id"),
        ({"parent": {"references": "id"}}, "references parent"),
    ],
)
def test_every_check_of_a_column_has_three_severities(
    cloud: Any, change: dict[str, Any], rule: str, severity: str
) -> None:
    changes = {name: {**check, "severity": severity} for name, check in change.items()}
    run = DataRun(cloud, dataset(columns=columns(**changes)))
    rows = {
        "required id": ",,5",
        "pattern id": "x,,5",
        "allowed parent": "b,b,5",
        "minimum amount": "b,,0",
        "maximum amount": "b,,10",
        "unique id": "a,,5",
        "references parent": "b,z,5",
    }
    run.lay_out(HEADER + "a,a,5\n" + rows[rule] + "\n")
    if severity == "fail":
        with pytest.raises(InvalidData, match=rf"severity fail: {rule} \(1 rows\)"):
            run.validate()
        assert not cloud.keys(layout.valid_prefix("run-1", UNIT))
    else:
        response = run.validate()
        warned = severity == "warn"
        assert (response.valid, response.rejected, response.warned) == (
            (2, 0, 1) if warned else (1, 1, 0)
        )
        assert len(run.valid_rows()) == response.valid
    found = findings(run)[rule]
    assert (found["severity"], found["rows"]) == (severity, 1)
    assert found["examples"][0]["line"] == 3


def test_a_value_of_the_wrong_type_is_never_only_warned_of(cloud: Any) -> None:
    run = DataRun(cloud, dataset(columns=columns(amount={"severity": "warn"})))
    response = run.lay_out(HEADER + "a,,x\n").validate()
    assert (response.rejected, response.warned) == (1, 0)


def test_a_contract_that_only_warns_loses_no_row(cloud: Any) -> None:
    rules = [{"name": "known", "check": "note <> 'odd'", "severity": "warn"}]
    contract = dataset(columns=[{"name": "id"}, {"name": "note"}], rules=rules)
    run = DataRun(cloud, contract).lay_out("id,note\na,odd\nb,fine\n")
    response = run.validate()
    assert (response.valid, response.rejected, response.warned) == (2, 0, 1)
    assert run.valid_rows() == [("a", "odd"), ("b", "fine")]


def test_a_rule_that_warns_is_counted_and_shown_with_examples_but_loses_nothing(
    cloud: Any,
) -> None:
    rules = [
        {"name": "round", "check": "amount % 10 = 0", "severity": "warn"},
        {"name": "small", "check": "amount < 50"},
    ]
    run = DataRun(cloud, dataset(columns=columns(), rules=rules))
    body = HEADER + "".join(f"r{n},,{n}\n" for n in range(60)) + "bad\n"
    response = run.lay_out(body).validate()
    assert (response.rows_in, response.valid, response.rejected, response.warned) == (
        61,
        50,
        11,
        45,
    )
    found = findings(run)
    assert (found["round"]["rows"], found["round"]["severity"]) == (45 + 9, "warn")
    assert [example["line"] for example in found["round"]["examples"]] == [3, 4, 5]
    assert found["small"]["rows"] == 10
    assert found["malformed"]["examples"] == [{"line": 62, "value": "bad"}]
    assert response.findings_url == f"s3://data-bucket/{layout.findings_key('run-1', UNIT)}"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"minimum": 3}, "row-count: has 2 rows, fewer than 3"),
        ({"maximum": 1}, "row-count: has 2 rows, more than 1"),
    ],
)
def test_an_object_with_too_few_or_too_many_rows_fails_or_is_warned_of(
    cloud: Any, limits: dict[str, Any], message: str
) -> None:
    body = HEADER + "a,,1\nb,,x\n"
    with pytest.raises(InvalidData, match=message):
        DataRun(cloud, dataset(columns=columns(), rows=limits)).lay_out(body).validate()
    mild = DataRun(cloud, dataset(columns=columns(), rows={**limits, "severity": "warn"}))
    response = mild.lay_out(body).validate()
    assert response.valid == 1
    assert findings(mild)["row-count"]["reason"] in message


def test_rows_within_the_limits_are_no_finding(cloud: Any) -> None:
    contract = dataset(columns=columns(), rows={"minimum": 2, "maximum": 2})
    run = DataRun(cloud, contract).lay_out(HEADER + "a,,1\nb,,1\n")
    assert run.validate().findings_url is None


@pytest.mark.parametrize("kind", ["date", "timestamp"])
@pytest.mark.parametrize(("hours", "stale"), [(7, False), (6.5, True)])
def test_an_objects_age_is_that_of_its_newest_row_when_it_was_written(
    cloud: Any, kind: str, hours: float, stale: bool
) -> None:
    """The object is of 07:00; its newest row of midnight."""
    freshness = {"column": "at", "maximumAgeHours": hours, "severity": "fail"}
    contract = dataset(columns=[{"name": "id"}, {"name": "at", "type": kind}], freshness=freshness)
    run = DataRun(cloud, contract).lay_out("id,at\na,2026-11-18\nb,2026-11-20\nc,\n")
    if stale:
        with pytest.raises(InvalidData, match=r"its newest at, 2026-11-20T00:00:00Z, was 7\.0 h"):
            run.validate()
    else:
        assert run.validate().valid == 3


def test_checks_of_a_jobs_output_name_the_file_and_its_line(cloud: Any) -> None:
    run = DataRun(cloud, dataset(columns=columns(id={"unique": True}))).lay_out("unreadable")
    report = {"rowsIn": 3, "rowsOut": 3, "rowsFiltered": 0, "rowsBad": 0}
    url = run.put_job_output(report, HEADER + "a,,1\nb,,1\na,,1\n")
    assert run.validate(url).rejected == 1
    (reject,) = run.rejects()
    assert (reject["source"], reject["line"]) == (f"{url}data/part-00000.csv", 4)


def test_filtered_rows_take_no_part_in_what_is_unique(cloud: Any) -> None:
    contract = dataset(columns=columns(id={"unique": True}))
    run = DataRun(cloud, contract, query="amount > 1")
    response = run.lay_out(HEADER + "a,,1\na,,2\na,,3\nb,,1\n").validate()
    assert (response.filtered, response.rejected, response.valid) == (2, 1, 1)
    assert run.valid_rows() == [("a", None, 2)]


@pytest.mark.parametrize("operation", ["upload_fileobj", "put_object"])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_any_write_is_fixed_by_a_repeat(
    cloud: Any, clients: Any, operation: str, after: bool
) -> None:
    rules = [{"name": "round", "check": "amount % 10 = 0", "severity": "warn"}]
    run = DataRun(cloud, dataset(columns=columns(), rules=rules))
    run.lay_out(HEADER + "a,,1\nb,,x\n")
    response: Any = {
        "Error": {"Code": "SlowDown", "Message": "slow down"},
        "ResponseMetadata": {"HTTPStatusCode": 503},
    }
    clients.break_once("s3", operation, ClientError(response, operation), after=after)
    with pytest.raises(Throttled):
        run.validate()
    first = run.validate()
    left = {key: run.object(key) for key in cloud.keys("")}
    assert run.validate() == first
    assert {key: run.object(key) for key in cloud.keys("")} == left
    assert (first.valid, first.rejected, first.warned) == (1, 1, 1)


@pytest.mark.parametrize("severity", ["quarantine", "warn"])
def test_a_row_on_which_a_rule_cannot_be_computed_breaks_it(cloud: Any, severity: str) -> None:
    rules = [
        {"name": "share", "check": "CAST(n AS DATE) IS NOT NULL OR n IS NULL", "severity": severity}
    ]
    columns = [{"name": "id"}, {"name": "n"}]
    contract = dataset(columns=columns, rules=rules, limits={"rejectedPercentage": 100})
    run = DataRun(cloud, contract).lay_out(b"id,n\na,2026-11-01\nb,soon\nc,\n", "a.csv")
    response = run.validate()
    rejected, warned = (1, 0) if severity == "quarantine" else (0, 1)
    assert (response.rows_in, response.rejected, response.warned) == (3, rejected, warned)


def test_timestamps_are_taken_to_the_microsecond_and_never_cut(cloud: Any) -> None:
    good = ["00.5Z", "00.123456", "00.123456000Z", "00.1234560000000Z"]
    bad = ["00.1234567Z", "00.123456001"]
    contract = dataset(columns=[{"name": "id"}, {"name": "at", "type": "timestamp"}])
    body = "".join(f"{n},2026-11-01T10:00:{time}\n" for n, time in enumerate(good + bad))
    run = DataRun(cloud, contract).lay_out(f"id,at\n{body}")

    assert run.validate().valid == 4

    assert [row[1].microsecond for row in run.valid_rows()] == [500_000, *[123_456] * 3]
    assert [reject["reason"] for reject in run.rejects()] == [
        f"'2026-11-01T10:00:{time}' is not a timestamp (ISO 8601, to the microsecond)"
        for time in bad
    ]
