"""Corrected rows sent again: as an object and a run, once."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cli_world import pipeline
from quarantine_world import BROKEN, MALFORMED, Quarantine
from scratch_duckdb import connect

from sources import zstd


def test_corrected_rows_become_an_object_and_a_run(quarantine: Quarantine) -> None:
    quarantine.reject(BROKEN, MALFORMED).written()
    quarantine.file.write_text(quarantine.file.read_text().replace('"many"', "12"))

    response = quarantine.resend()

    ((key, body),) = quarantine.resent().items()
    rows = list(csv.reader(io.StringIO(body.decode())))
    assert rows == [
        ["visit_id", "minutes", "name"],
        ["v1", "12", ""],
        ["v3", "7", "Anna, B."],
    ]
    (message,) = quarantine.world.sent()
    assert json.loads(message) == {
        "datasetName": "visits",
        "inputUrl": f"s3://data/{key}",
        "query": "minutes > 1",
        "index": "late",
        "runId": response["runId"],
    }
    assert response["rows"] == 2
    assert response["runId"].startswith("run-1-mend-")


def test_the_same_rows_are_sent_under_the_same_names(quarantine: Quarantine) -> None:
    quarantine.correct({"visit_id": "v1", "minutes": 3})

    first, second = quarantine.resend(), quarantine.resend()
    quarantine.correct({"visit_id": "v1", "minutes": 4})
    other = quarantine.resend()

    assert first["runId"] == second["runId"] != other["runId"]
    assert len(quarantine.resent()) == 2


@pytest.mark.parametrize(
    ("status", "reported", "sent"),
    [
        ("SUCCEEDED", "nothing was sent: these rows were", 0),
        ("RUNNING", "which is still active", 0),
        ("FAILED", "sent again as run", 1),
    ],
)
def test_what_was_sent_before_is_not_sent_for_nothing(
    quarantine: Quarantine, status: str, reported: str, sent: int
) -> None:
    quarantine.correct({"visit_id": "v1"})
    run_id = quarantine.resend()["runId"]
    (message,) = quarantine.world.sent()
    quarantine.world.put_run(run_id=run_id, status=status, request=request_of(message))

    result = pipeline("resend", str(quarantine.file), "--run", "run-1")

    assert result.exit_code == 0, result.output
    assert reported in result.output
    assert len(quarantine.world.sent()) == sent


def request_of(message: str) -> str:
    """As the ledger keeps it."""
    return json.dumps(json.loads(message))


@pytest.mark.parametrize("operation", ["put_object", "send_message"])
def test_a_resend_that_broke_off_is_repeated_to_the_same_end(
    quarantine: Quarantine, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine.correct({"visit_id": "v1", "minutes": 3})
    client = quarantine.world.deployment.client("s3" if operation == "put_object" else "sqs")
    done = getattr(client, operation)

    def lose_the_response(**arguments: Any) -> None:
        done(**arguments)
        raise ConnectionError("the response was lost")

    with monkeypatch.context() as patch:
        patch.setattr(client, operation, lose_the_response)
        broken = pipeline("resend", str(quarantine.file), "--run", "run-1")
    response = quarantine.resend()

    assert isinstance(broken.exception, ConnectionError)
    assert len(quarantine.resent()) == 1
    assert {json.loads(message)["runId"] for message in quarantine.world.sent()} == {
        response["runId"]
    }


@pytest.mark.parametrize(
    ("contract", "ending", "expected"),
    [
        (
            {"format": {"delimiter": ";", "quote": "'", "encoding": "utf-16"}},
            ".csv",
            "visit_id;minutes;name\r\nv1;;'ü;'''\r\n".encode("utf-16"),
        ),
        ({"format": {"header": False, "encoding": "latin-1"}}, ".csv", b"v1,,\xfc;'\r\n"),
        (
            {"format": {"type": "jsonl"}},
            ".jsonl",
            '{"visit_id": "v1", "name": "ü;\'"}\n'.encode(),
        ),
        (
            {"format": {"type": "json"}},
            ".json",
            '[\n{"visit_id": "v1", "name": "ü;\'"}\n]\n'.encode(),
        ),
        (
            {"format": {"type": "jsonl", "compression": "gzip"}},
            ".jsonl",
            gzip.compress('{"visit_id": "v1", "name": "ü;\'"}\n'.encode(), mtime=0),
        ),
        (
            {"format": {"type": "jsonl", "compression": "zstd"}},
            ".jsonl",
            zstd.compress('{"visit_id": "v1", "name": "ü;\'"}\n'.encode()),
        ),
    ],
)
def test_rows_are_sent_in_the_datasets_format(
    quarantine: Quarantine, contract: dict[str, Any], ending: str, expected: bytes
) -> None:
    quarantine.freeze(**contract).correct({"visit_id": "v1", "name": "ü;'"})

    quarantine.resend()

    ((key, body),) = quarantine.resent().items()
    assert key.endswith(ending)
    assert body == expected


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", " a ", "'a'"])
def test_texts_of_any_kind_survive_being_sent(quarantine: Quarantine, name: str) -> None:
    quarantine.correct({"visit_id": "v1", "name": name})

    quarantine.resend()

    ((_, body),) = quarantine.resent().items()
    assert list(csv.reader(io.StringIO(body.decode(), newline="")))[1] == ["v1", "", name]


def test_rows_for_a_parquet_dataset(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.freeze(format={"type": "parquet"}).correct({"visit_id": "v1", "minutes": 3})

    quarantine.resend()

    ((key, body),) = quarantine.resent().items()
    (tmp_path / "found.parquet").write_bytes(body)
    assert key.endswith(".parquet")
    with connect() as reader:
        found = reader.execute("FROM read_parquet(?)", [str(tmp_path / "found.parquet")])
        assert found.fetchall() == [("v1", "3", None)]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("", "there are no rows"),
        ('\n{"values": \n', "line 2: is not JSON"),
        ('{"raw": "a,b"}', "line 1: has no `values`"),
        ('{"values": {"minuts": 1}}', "`values.minuts` is no column of the contract; did you mean"),
        ('{"values": {"zzz": 1}}', "there are visit_id, minutes, name"),
        ('{"values": {"name": ["a"]}}', "must be a text, a number, true, false or null"),
        ('{"values": {"name": null}}', "line 1: every one of its `values` is null"),
        ('{"a": 1}\n' * 30, "and 10 more lines"),
    ],
)
def test_what_cannot_be_sent_is_reported_line_by_line(
    quarantine: Quarantine, text: str, reported: str
) -> None:
    quarantine.file.write_text(text)

    result = pipeline("resend", str(quarantine.file), "--run", "run-1")

    assert result.exit_code == 2
    assert reported in result.output
    assert not quarantine.resent()
    assert not quarantine.world.sent()


@pytest.mark.parametrize(
    ("contract", "reported"),
    [
        ({"format": {"encoding": "latin-1"}}, "'Ж' is no character of latin-1"),
    ],
)
def test_what_the_format_cannot_hold_is_reported(
    quarantine: Quarantine, contract: dict[str, Any], reported: str
) -> None:
    quarantine.freeze(**contract).correct({"visit_id": "Ж"})

    result = pipeline("resend", str(quarantine.file), "--run", "run-1")

    assert result.exit_code == 2
    assert reported in result.output
    assert not quarantine.resent()


@pytest.mark.usefixtures("quarantine")
def test_a_file_that_is_not_there() -> None:
    result = pipeline("resend", "nothing.jsonl", "--run", "run-1")

    assert result.exit_code == 2
    assert "cannot be read" in result.output
