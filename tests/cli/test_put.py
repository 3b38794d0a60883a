"""`pipeline put`: files to where a contract looks for its objects."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_world import World, pipeline
from json_documents import document

from cli.client.placing import CannotPlace, Place, place_of, range_of
from cli.commands import put
from cli.exit_codes import NOT_FOUND, REFUSED, SUCCEEDED
from contracts.dataset import Dataset

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
HALF_PAST_SIX = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def dataset(**source: Any) -> Dataset:
    return Dataset.model_validate(
        {
            "name": "readings",
            "source": {"prefix": "landing/readings/", **source},
            "format": {"type": "csv"},
            "columns": [{"name": "id", "type": "string"}],
            "targets": {"dynamodb": {"key": ["id"]}},
        }
    )


@pytest.mark.parametrize(
    ("source", "moment", "place"),
    [
        ({}, None, Place("landing/readings/a.csv", None)),
        ({"partition": "dt=%Y-%m-%d/"}, FIRST, ("dt=2026-11-01/a.csv")),
        ({"partition": "%Y/%m/%d/%H/"}, HALF_PAST_SIX, ("2026/11/01/06/a.csv")),
        ({"partition": "%Y/%m/%d-"}, FIRST, ("2026/11/01-a.csv")),
    ],
)
def test_a_file_is_placed_as_the_source_says(
    source: dict[str, Any], moment: datetime | None, place: Place | str
) -> None:
    if isinstance(place, str):
        place = Place(f"landing/readings/{place}", FIRST.date())
    assert place_of(dataset(**source), "a.csv", moment) == place


def test_a_file_that_has_its_date_already_does_not_get_it_twice() -> None:
    placed = place_of(dataset(partition="%Y/%Y%m%d-"), "20261101-a.csv", FIRST)
    assert placed.key == "landing/readings/2026/20261101-a.csv"


def test_a_partition_needs_its_marker() -> None:
    ready = {"partition": "dt=%Y-%m-%d/", "ready": {"marker": "_SUCCESS"}}
    placed = place_of(dataset(**ready), "a.csv", FIRST)
    assert placed.marker == "landing/readings/dt=2026-11-01/_SUCCESS"
    with pytest.raises(CannotPlace, match="marker"):
        place_of(dataset(**ready, hidden="read"), "_SUCCESS", FIRST)


def test_a_key_that_names_its_time_says_the_day() -> None:
    by_key = dataset(timeFrom="key", keyTime="readings_%Y%m%d")
    assert place_of(by_key, "readings_20261103.csv", None).day == datetime(2026, 11, 3).date()  # noqa: DTZ001
    with pytest.raises(CannotPlace, match="2026-11-03, not on 2026-11-01"):
        place_of(by_key, "readings_20261103.csv", FIRST)
    with pytest.raises(CannotPlace, match="names no time"):
        place_of(by_key, "readings.csv", None)


@pytest.mark.parametrize(
    ("source", "name", "why"),
    [
        ({"suffix": ".csv"}, "a.txt", "does not end with .csv"),
        ({}, "_a.csv", "begins with _ or"),
        ({"exclude": ["*.tmp"]}, "a.tmp", "source.exclude"),
    ],
)
def test_what_no_run_would_read_is_refused(source: dict[str, Any], name: str, why: str) -> None:
    with pytest.raises(CannotPlace, match=why):
        place_of(dataset(**source), name, None)


def test_where_time_is_that_of_writing_no_day_can_be_chosen() -> None:
    with pytest.raises(CannotPlace, match="--day cannot be chosen"):
        place_of(dataset(), "a.csv", FIRST)


def test_the_range_of_a_run_over_them() -> None:
    places = [Place("a", FIRST.date()), Place("b", None)]
    start, end = range_of(places, datetime(2026, 11, 5, tzinfo=UTC).date())
    assert (start.isoformat(), end.isoformat()) == ("2026-11-01", "2026-11-06")


CONTRACT = """
name: readings
source: {prefix: landing/readings/, partition: dt=%Y-%m-%d/, suffix: .csv}
format: {type: csv}
columns: [{name: id, type: string}]
targets: {dynamodb: {key: [id]}}
"""


@pytest.fixture
def contract(local: World) -> World:
    s3 = local.deployment.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="datasets/readings.yaml", Body=CONTRACT.encode())
    return local


def stored(local: World) -> dict[str, bytes]:
    s3 = local.deployment.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="data").get("Contents", ())]
    return {key: s3.get_object(Bucket="data", Key=key)["Body"].read() for key in keys}


def test_files_are_put_and_the_run_over_them_is_named(contract: World, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"id\n{name}\n")

    result = pipeline("put", "a.csv", "b.csv", "--dataset", "readings", "--day", "2026-11-01")

    assert result.exit_code == SUCCEEDED, result.output
    assert stored(contract) == {
        "landing/readings/dt=2026-11-01/a.csv": b"id\na.csv\n",
        "landing/readings/dt=2026-11-01/b.csv": b"id\nb.csv\n",
    }
    command = "pipeline run --dataset readings --start 2026-11-01 --end 2026-11-02 --wait"
    assert command in result.stdout

    again = pipeline("put", "a.csv", "--dataset", "readings", "--day", "2026-11-01", "--json")
    assert again.exit_code == REFUSED
    assert "there are objects already" in json.loads(again.stdout)["error"]["message"]

    (tmp_path / "a.csv").write_text("id\nnew\n")
    words = ("--dataset", "readings", "--day", "2026-11-01", "--replace", "--json")
    replaced = document("put", pipeline("put", "a.csv", *words).stdout)
    assert stored(contract)["landing/readings/dt=2026-11-01/a.csv"] == b"id\nnew\n"
    assert replaced["command"] == command
    assert replaced["objects"][0]["day"] == "2026-11-01"


@pytest.mark.parametrize("size", [10, 9_000_000], ids=["at once", "in parts"])
def test_an_object_that_another_puts_meanwhile_is_left(
    contract: World, tmp_path: Path, size: int
) -> None:
    (tmp_path / "a.csv").write_text("id\n")
    (tmp_path / "b.csv").write_text("id\n" + "1" * size + "\n")
    looked = put._refuse_existing

    def look_and_lose(deployment: Any, bucket: str, places: list[Place]) -> None:
        looked(deployment, bucket, places)
        s3 = deployment.client("s3")
        s3.put_object(Bucket=bucket, Key=places[1].key, Body=b"another's")

    words = ("a.csv", "b.csv", "--dataset", "readings", "--day", "2026-11-01", "--json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(put, "_refuse_existing", look_and_lose)
        result = pipeline("put", *words)

    assert result.exit_code == REFUSED
    assert "1 of 2 files were uploaded" in json.loads(result.stdout)["error"]["message"]
    assert stored(contract)["landing/readings/dt=2026-11-01/b.csv"] == b"another's"
    assert pipeline("put", "b.csv", *words[2:], "--replace").exit_code == SUCCEEDED
    assert len(stored(contract)["landing/readings/dt=2026-11-01/b.csv"]) > size


def test_every_problem_at_once_and_nothing_is_uploaded(contract: World, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "a.txt").write_text("id\n1\n")
    words = ("--dataset", "readings", "--day", "2026-11-01")

    result = pipeline("put", "a.csv", "a.txt", "no.csv", ".", *words)

    assert result.exit_code == REFUSED
    for problem in ("a.txt does not end with .csv", "no.csv is not there", ". is a folder"):
        assert problem in result.output
    assert stored(contract) == {}
    assert pipeline("put", "a.csv", "--dataset", "readings", "--day", "first").exit_code == REFUSED
    assert pipeline("put", "a.csv", *words, "--ready").exit_code == REFUSED
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.csv").write_text("id\n2\n")
    assert "would be put twice" in pipeline("put", "a.csv", "other/a.csv", *words).output
    assert stored(contract) == {}


def test_a_marker_is_put_last_or_asked_for(contract: World, tmp_path: Path) -> None:
    s3 = contract.deployment.client("s3")
    text = CONTRACT.replace("suffix: .csv", "ready: {marker: _SUCCESS}")
    s3.put_object(Bucket="code", Key="datasets/readings.yaml", Body=text.encode())
    (tmp_path / "a.csv").write_text("id\n1\n")
    words = ("put", "a.csv", "--dataset", "readings", "--day", "2026-11-01")

    assert "once the marker s3://data/landing/readings/dt=2026-11-01/_SUCCESS" in " ".join(
        pipeline(*words).stdout.split()
    )
    ready = document("put", pipeline(*words, "--replace", "--ready", "--json").stdout)
    assert ready["markerUrls"] == ["s3://data/landing/readings/dt=2026-11-01/_SUCCESS"]
    assert stored(contract)["landing/readings/dt=2026-11-01/_SUCCESS"] == b""


@pytest.mark.usefixtures("contract")
def test_a_dataset_that_is_not_there() -> None:
    result = pipeline("put", "a.csv", "--dataset", "reading", "--json")
    assert result.exit_code == NOT_FOUND
    error = json.loads(result.stdout)["error"]
    assert "there are readings" in error["message"]
    assert error["hint"] == "did you mean readings?"


def test_a_broken_contract_says_every_problem(contract: World) -> None:
    s3 = contract.deployment.client("s3")
    s3.put_object(Bucket="code", Key="datasets/readings.yaml", Body=b"name: readings\nformat: {}\n")
    result = pipeline("put", "a.csv", "--dataset", "readings")
    assert result.exit_code == REFUSED
    assert "source" in result.output
    assert "columns" in result.output
