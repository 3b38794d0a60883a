"""validator: every row is valid, filtered or rejected with its reason, and the counts agree."""

from __future__ import annotations

import base64
import datetime
import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from data_run import DATA_BUCKET, UNIT, DataRun, dataset
from scratch_duckdb import connect

from contracts import layout
from contracts.errors import InvalidData, NotFound, OutOfMemory, Throttled
from contracts.messages import Validate
from tabular.capacity import Capacity
from validation import scanner
from validation.validator import validate_unit

HEADER = "id,amount,seen_on,country\n"


def throttled(operation: str) -> ClientError:
    response: Any = {
        "Error": {"Code": "SlowDown", "Message": "slow down"},
        "ResponseMetadata": {"HTTPStatusCode": 503},
    }
    return ClientError(response, operation)


def test_valid_rows_have_the_contracts_types(cloud: Any) -> None:
    run = DataRun(cloud).lay_out(HEADER + "a,1.50,2026-11-01,AT\nb,2,,\n")
    response = run.validate()
    assert run.valid_rows() == [
        ("a", Decimal("1.50"), datetime.date(2026, 11, 1), "AT"),
        ("b", Decimal("2.00"), None, None),
    ]
    assert (response.rows_in, response.valid, response.rejected, response.filtered) == (2, 2, 0, 0)
    assert response.rejected_url is None
    assert response.valid_url == f"s3://data-bucket/{layout.valid_prefix('run-1', UNIT)}"


def test_each_rejected_row_says_where_it_was_and_why(cloud: Any) -> None:
    body = HEADER + (
        'a,1,2026-11-01,AT\nb,-1,01.11.2026,XX\n,1,,\nc,1\nd,1,2026-11-01,"A"T\nE,1,,\n'
    )
    response = DataRun(cloud).lay_out(body).validate()
    source = "s3://data-bucket/landing/sales/a.csv"
    assert (response.rows_in, response.valid, response.rejected) == (6, 1, 5)
    assert DataRun(cloud).rejects() == [
        {
            "source": source,
            "line": 3,
            "rule": "minimum",
            "column": "amount",
            "value": "-1",
            "reason": "'-1' is below the minimum 0",
            "broken": ["minimum amount", "type seen_on", "allowed country"],
            "raw": "b,-1,01.11.2026,XX",
            "row": {"id": "b", "amount": "-1", "seen_on": "01.11.2026", "country": "XX"},
        },
        {
            "source": source,
            "line": 4,
            "rule": "required",
            "column": "id",
            "reason": "must not be empty",
            "raw": ",1,,",
            "row": {"id": None, "amount": "1", "seen_on": None, "country": None},
        },
        {
            "source": source,
            "line": 5,
            "rule": "malformed",
            "reason": "2 columns instead of 4",
            "raw": "c,1",
        },
        {
            "source": source,
            "line": 6,
            "rule": "malformed",
            "column": "country",
            "reason": "a quote is not closed, or text follows a closing quote",
            "raw": 'd,1,2026-11-01,"A"T',
        },
        {
            "source": source,
            "line": 7,
            "rule": "pattern",
            "column": "id",
            "value": "E",
            "reason": "'E' does not match [a-z]+[0-9]*",
            "raw": "E,1,,",
            "row": {"id": "E", "amount": "1", "seen_on": None, "country": None},
        },
    ]


def test_a_rule_rejects_rows_for_which_it_is_false_but_not_null(cloud: Any) -> None:
    rules = [{"name": "old-enough", "check": "seen_on < DATE '2026-11-02' -- not after"}]
    run = DataRun(cloud, dataset(rules=rules))
    response = run.lay_out(HEADER + "a,1,2026-11-01,\nb,1,2026-11-02,\nc,1,,\n").validate()
    assert (response.valid, response.rejected) == (2, 1)
    (reject,) = run.rejects()
    assert reject["rule"] == "old-enough"
    assert "seen_on < DATE '2026-11-02'" in reject["reason"]


def test_a_broken_rule_of_severity_fail_fails_the_unit_and_keeps_the_evidence(cloud: Any) -> None:
    rules = [{"name": "no-cents", "check": "amount = floor(amount)", "severity": "fail"}]
    run = DataRun(cloud, dataset(rules=rules)).lay_out(HEADER + "a,1,,\nb,1.5,,\n")
    with pytest.raises(InvalidData, match=r"severity fail: no-cents \(1 rows\).*quarantine/sales"):
        run.validate()
    assert [reject["raw"] for reject in run.rejects()] == ["b,1.5,,"]
    assert not cloud.keys(layout.valid_prefix("run-1", UNIT))


def test_too_many_rejected_rows_fail_the_unit_before_anything_is_valid(cloud: Any) -> None:
    run = DataRun(cloud, dataset(limits={"rejectedPercentage": 25}))
    run.lay_out(HEADER + "a,1,,\nb,1,,\nc,x,,\nd,,,\n")
    with pytest.raises(InvalidData) as failure:
        run.validate()
    message = str(failure.value)
    assert "2 of 4 rows are rejected (50.0 %, the contract allows 25 %)" in message
    assert "required amount (1), type amount (1)" in message
    assert len(run.rejects()) == 2
    assert not cloud.keys(layout.valid_prefix("run-1", UNIT))


def test_exactly_the_allowed_share_of_rejected_rows_is_tolerated(cloud: Any) -> None:
    run = DataRun(cloud, dataset(limits={"rejectedPercentage": 50}))
    assert run.lay_out(HEADER + "a,1,,\nb,x,,\n").validate().rejected == 1


@pytest.mark.parametrize("body", [HEADER, HEADER.strip(), ""])
def test_an_object_without_rows_is_fine(cloud: Any, body: str) -> None:
    run = DataRun(cloud).lay_out(body)
    assert run.validate().valid == 0
    assert run.valid_rows() == []


def test_the_query_filters_but_uncastable_rows_are_rejected_instead(cloud: Any) -> None:
    run = DataRun(cloud, query="country = 'AT' -- Austria")
    response = run.lay_out(HEADER + "a,1,,AT\nb,1,,DE\nc,x,,DE\nd,1,,\n").validate()
    assert (response.rows_in, response.filtered, response.rejected, response.valid) == (4, 2, 1, 1)
    assert run.rejects()[0]["row"]["id"] == "c"


def test_a_missing_column_is_named_with_the_file(cloud: Any) -> None:
    with pytest.raises(InvalidData, match=r"a\.csv, line 1: the header lacks seen_on, country"):
        DataRun(cloud).lay_out("amount,id,x\n1,a,2\n").validate()


def test_columns_may_stand_in_any_order_and_others_are_ignored(cloud: Any) -> None:
    run = DataRun(cloud).lay_out("x,Country , amount,id,seen_on\n9,AT,1,a,\n")
    run.validate()
    assert run.valid_rows() == [("a", Decimal("1.00"), None, "AT")]


def test_an_object_that_changed_since_the_listing_is_refused(cloud: Any) -> None:
    run = DataRun(cloud).lay_out(HEADER + "a,1,,\n", etag="0" * 32)
    with pytest.raises(InvalidData, match="has changed since the run listed it"):
        run.validate()


def test_an_object_that_is_gone_is_named_with_what_to_do(cloud: Any) -> None:
    run = DataRun(cloud).lay_out(HEADER + "a,1,,\n")
    cloud.client("s3").delete_object(Bucket="data-bucket", Key="landing/sales/a.csv")
    reported = r"^there is no object s3://data-bucket/landing/sales/a\.csv any more; upload it"
    with pytest.raises(NotFound, match=reported):
        run.validate()


def test_an_object_over_the_limit_is_refused_unreadable(cloud: Any, clients: Any) -> None:
    run = DataRun(cloud, dataset(limits={"objectMegabytes": 1}))
    run.lay_out(HEADER, size=2 * 1024 * 1024)
    reads = clients.watch("s3", "get_object")
    reported = r"2 MB, over .* limit of 1 MB .*split it, raise .*up to 3413 MB of .* Spark job"
    with pytest.raises(InvalidData, match=reported):
        run.validate()
    assert all(call["Key"].startswith("runs/") for call in reads)


def test_two_gigabytes_of_text_are_taken_by_a_contract_that_sets_no_limit(cloud: Any) -> None:
    run = DataRun(cloud).lay_out(HEADER + "a,1,,\n", size=2 * 1024**3)
    assert run.validate().valid == 1


def test_an_object_that_is_gone_is_not_found(cloud: Any) -> None:
    run = DataRun(cloud).lay_out(HEADER)
    cloud.client("s3").delete_object(Bucket="data-bucket", Key="landing/sales/a.csv")
    with pytest.raises(NotFound):
        run.validate()


def test_compressed_objects_read_alike(cloud: Any) -> None:
    body = (HEADER + 'a,1,,AT\n"b",2\n').encode()
    run = DataRun(cloud).lay_out(gzip.compress(body), "a.csv.gz")
    response = run.validate()
    assert (response.valid, response.rejected) == (1, 1)
    assert run.rejects()[0]["line"] == 3


def test_json_lines_keep_their_line_numbers(cloud: Any) -> None:
    lines = [
        b'{"id": "a", "amount": 1.5, "country": "AT", "more": [1]}',
        b'{"id": "b", "amount": "2"',
        b"",
        b'{"id": "\xff"}',
        b"[1]",
        b'{"id": "c", "amount": 3, "seen_on": "2026-11-01", "country": ""}',
    ]
    run = DataRun(cloud, dataset(format={"type": "jsonl"}))
    response = run.lay_out(b"\n".join(lines) + b"\n", "a.jsonl").validate()
    assert (response.rows_in, response.valid, response.rejected) == (5, 2, 3)
    assert [(r["line"], r["reason"], r["raw"]) for r in run.rejects()] == [
        (
            2,
            "not a JSON object: it is cut off at the line's end (format.concatenated: true reads"
            " such objects over several lines)",
            '{"id": "b", "amount": "2"',
        ),
        (4, "not UTF-8", '{"id": "\ufffd"}'),
        (5, "not a JSON object, but an array", "[1]"),
    ]
    exact = [base64.b64decode(r["rawBase64"]) for r in run.rejects() if "rawBase64" in r]
    assert exact == [b'{"id": "\xff"}']
    assert [row[0] for row in run.valid_rows()] == ["a", "c"]


def test_parquet_is_read_by_column_name(cloud: Any, tmp_path: Any) -> None:
    file = tmp_path / "a.parquet"
    with connect() as connection:
        connection.execute(
            "COPY (SELECT 'AT' AS country, 1.25::DECIMAL(5,2) AS amount, 'a' AS id,"
            f" DATE '2026-11-01' AS seen_on, 1 AS x) TO '{file}' (FORMAT parquet)"
        )
    run = DataRun(cloud, dataset(format={"type": "parquet"}))
    run.lay_out(file.read_bytes(), "a.parquet").validate()
    assert run.valid_rows() == [("a", Decimal("1.25"), datetime.date(2026, 11, 1), "AT")]


def test_what_is_not_parquet_is_refused_with_its_name(cloud: Any) -> None:
    run = DataRun(cloud, dataset(format={"type": "parquet"})).lay_out(b"no", "a.parquet")
    with pytest.raises(
        InvalidData, match=r"a\.parquet is text \(it begins with 'no'\), not Parquet"
    ):
        run.validate()


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", ["1", " -2 ", "+3"], ["1.5", "1e3", "x", "9223372036854775808"]),
        ("double", ["1", "1.5e3"], ["nan", "inf", "1e400", "one"]),
        ("boolean", ["true", "NO", "1"], ["maybe", "2"]),
        ("date", ["2026-02-28"], ["2026-02-30", "1.2.2026", "2026-02-28 10:00"]),
        ("timestamp", ["2026-11-01T06:30:00Z", "2026-11-01"], ["2026-11-01T25:00:00Z", "now"]),
        (
            "decimal(5,2)",
            ["1", "1.20", "1.200", "-.5", "1e2", "25E-1"],
            ["1.234", "1234.5", "1e3", "1e-3", "."],
        ),
    ],
)
def test_casts_take_no_half_understood_values(
    cloud: Any, kind: str, good: list[str], bad: list[str]
) -> None:
    columns = [{"name": "n", "type": "integer"}, {"name": "v", "type": kind}]
    run = DataRun(cloud, dataset(columns=columns, targets={"dynamodb": {"key": ["n"]}}))
    rows = [f'{n},"{value}"\n' for n, value in enumerate(good + bad)]
    response = run.lay_out("n,v\n" + "".join(rows)).validate()
    assert [row[0] for row in run.valid_rows()] == list(range(len(good)))
    assert [reject["value"] for reject in run.rejects()] == bad
    assert response.rejected == len(bad)


def test_times_are_stored_in_utc(cloud: Any) -> None:
    columns = [{"name": "at", "type": "timestamp"}]
    run = DataRun(cloud, dataset(columns=columns, targets={"dynamodb": {"key": ["at"]}}))
    run.lay_out("at\n2026-11-01T06:30:00+02:00\n2026-11-01 06:30:00\n").validate()
    assert run.valid_rows() == [
        (datetime.datetime(2026, 11, 1, 4, 30),),  # noqa: DTZ001
        (datetime.datetime(2026, 11, 1, 6, 30),),  # noqa: DTZ001
    ]


def test_contract_texts_with_quotes_and_braces_are_taken_as_they_are(cloud: Any) -> None:
    columns = [{"name": "id", "pattern": "it's{1}"}, {"name": "o", "allowed": ["O'Neil", "{x}"]}]
    run = DataRun(cloud, dataset(columns=columns))
    run.lay_out("id,o\nit's,O'Neil\nits,{x}\nit's,{y}\n").validate()
    assert run.valid_rows() == [("it's", "O'Neil")]
    assert run.rejects()[1]["reason"] == "'{y}' is not one of O'Neil, {x}"


def test_a_job_output_is_held_against_its_report(cloud: Any) -> None:
    """The job has applied the query to what it read: what it made of a row is not filtered."""
    run = DataRun(cloud, query="country = 'AT'").lay_out("unreadable")
    bad = json.dumps({"source": "s", "line": 3, "rule": "malformed", "reason": "r", "raw": "x"})
    report = {"rowsIn": 6, "rowsOut": 3, "rowsFiltered": 2, "rowsBad": 1, "format": "csv"}
    url = run.put_job_output(report, HEADER + "a,1,,AT\nb,-1,,AT\nc,2,,DE\n", bad + "\n")
    response = run.validate(url)
    assert (response.rows_in, response.filtered, response.rejected, response.valid) == (6, 2, 2, 2)
    assert [reject["rule"] for reject in run.rejects()] == ["malformed", "minimum"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rowsOut": 2, "rowsIn": 2}, "rowsOut should be 2, but there are 1"),
        ({"rowsIn": 7}, "rowsIn should be 7, but there are 1"),
        ({"rowsBad": 1, "rowsIn": 2}, "rowsBad should be 1, but there are 0"),
        ({"rowsRemoved": 1}, "rowsIn should be 1, but there are 2"),
        ({"rowsOut": "many"}, "not a job's report"),
        ({"format": "orc"}, "1 files of the format 'orc'"),
        ({"files": []}, "0 files"),
        ({"files": ["data/a.csv", "data/b.csv"]}, "one file of csv"),
    ],
)
def test_a_report_that_does_not_fit_the_output_fails_the_unit(
    cloud: Any, change: dict[str, Any], message: str
) -> None:
    run = DataRun(cloud).lay_out("unreadable")
    report = {"rowsIn": 1, "rowsOut": 1, "rowsFiltered": 0, "rowsBad": 0, **change}
    url = run.put_job_output(report, HEADER + "a,1,,\n")
    with pytest.raises(InvalidData, match=message):
        run.validate(url)


def test_parquet_files_of_a_spark_job_are_read_as_one(cloud: Any) -> None:
    run = DataRun(cloud).lay_out("unreadable")
    report = {"rowsIn": 7, "rowsOut": 3, "rowsFiltered": 1, "rowsBad": 0, "rowsRemoved": 3}
    row = "SELECT '{}' AS id, '{}' AS amount, NULL::VARCHAR AS seen_on, 'AT' AS country"
    both = f"{row.format('a', '1.50')} UNION ALL {row.format('b', 'many')}"
    url = run.put_parquet_output(report, both, row.format("c", "2"))
    response = run.validate(url)
    assert (response.rows_in, response.filtered, response.removed) == (7, 1, 3)
    assert [row[0] for row in run.valid_rows()] == ["a", "c"]
    assert [(reject["line"], reject["rule"]) for reject in run.rejects()] == [(2, "type")]


def test_an_output_without_rows_is_read(cloud: Any) -> None:
    run = DataRun(cloud).lay_out("unreadable")
    report = {"rowsIn": 2, "rowsOut": 0, "rowsFiltered": 2, "rowsBad": 0}
    columns = "SELECT '' AS id, '' AS amount, '' AS seen_on, '' AS country LIMIT 0"
    response = run.validate(run.put_parquet_output(report, columns))
    assert (response.rows_in, response.filtered, response.valid) == (2, 2, 0)


def test_a_job_that_wrote_no_report_is_not_found(cloud: Any) -> None:
    run = DataRun(cloud).lay_out("unreadable")
    with pytest.raises(NotFound, match=r"report\.json"):
        run.validate("s3://data-bucket/runs/run-1/units/00000-000/jobs/clean/1/")


def test_a_repeat_writes_the_same_objects(cloud: Any) -> None:
    run = DataRun(cloud).lay_out(HEADER + "a,1,,\nb,x,,\n")
    first = run.validate()
    before = {key: run.object(key) for key in cloud.keys("")}
    assert run.validate() == first
    assert {key: run.object(key) for key in cloud.keys("")} == before


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_the_write_is_fixed_by_a_repeat(
    cloud: Any, clients: Any, after: bool
) -> None:
    run = DataRun(cloud).lay_out(HEADER + "a,1,,\nb,x,,\n")
    clients.break_once("s3", "upload_fileobj", throttled("PutObject"), after=after)
    with pytest.raises(Throttled):
        run.validate()
    response = run.validate()
    assert (response.valid, response.rejected) == (1, 1)
    assert len(run.rejects()) == 1


def test_rows_that_take_more_memory_than_there_is_are_not_the_objects_fault(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = DataRun(cloud).lay_out(HEADER + "a,1.50,2026-11-01,AT\n")
    greedy = "SELECT list(i) AS numbers FROM range(100000000) AS t(i)"
    monkeypatch.setattr(scanner, "scan_query", lambda *_: greedy)
    message = Validate(run_id=run.run_id, unit_id=UNIT)
    with pytest.raises(OutOfMemory, match="too little memory or disk"):
        validate_unit(message, DATA_BUCKET, Capacity(256, 512))
