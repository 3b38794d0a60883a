"""Contracts proposed from samples: what they say, and that they are right."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import yaml
from cli_world import World, pipeline
from proposals import proposed
from scratch_duckdb import connect

from cli.proposal.contract import Origin, dataset_name
from contracts.dataset import Column, Dataset, Limits
from contracts.source.key_time import KeyTime
from dataset_loading.check import check_dataset
from local import sample_data

FIXTURES = Path(__file__).parents[1] / "reading" / "fixtures"


def columns(dataset: Dataset) -> dict[str, Column]:
    return {column.name: column for column in dataset.columns}


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A day of the web shop, with its dirt."""
    path = tmp_path / "orders.csv"
    path.write_bytes(sample_data.make().files[0].body)
    return path


def test_dirty_orders_are_seen_for_what_they_are(orders: Path) -> None:
    dataset, text = proposed(orders, "--name", "shop")

    found = columns(dataset)
    assert dataset.name == "shop"
    assert {name: column.type for name, column in found.items()} == {
        "order_id": "string",
        "customer_id": "string",
        "ordered_at": "timestamp",
        "shipped_on": "date",
        "status": "string",
        "country": "string",
        "items": "integer",
        "amount": "decimal(18,2)",
        "currency": "string",
        "gift": "boolean",
        "note": "string",
    }
    assert found["order_id"].pattern == "ORD-[0-9]{8}"
    assert found["order_id"].required
    assert set(found["status"].allowed or ()) >= {"placed", "paid", "shipped"}
    assert "NO" in (found["country"].allowed or ())
    assert found["note"].allowed is None
    assert not found["gift"].required
    assert dataset.targets.dynamodb
    assert dataset.targets.dynamodb.key == ("order_id",)
    assert dataset.source.prefix == "landing/shop/"
    assert dataset.source.suffix == ".csv"
    assert "13 rows of the sample could not be read" in text
    assert "5 values of another type" in text
    assert "unique, absent in 4 rows" in text


def test_results_may_go_into_files_as_well(orders: Path) -> None:
    dataset, _ = proposed(orders, "--name", "shop", "--target", "files")

    assert dataset.targets.names() == ("files",)
    assert dataset.targets.files
    assert (dataset.targets.files.prefix, dataset.targets.files.ending) == ("results/shop/", "csv")


def test_text_with_semicolons_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "Kunden 2026-11-01.csv"
    lines = ["id;name;plz;umsatz", *(f"{n};Müller – {n};0{n}123;{n}.5" for n in range(1, 9))]
    path.write_bytes("\r\n".join(lines).encode("cp1252"))

    dataset, _ = proposed(path)

    assert dataset.name == "kunden"
    assert dataset.format.to_json() == {
        "type": "csv",
        "delimiter": ";",
        "quote": '"',
        "header": True,
        "encoding": "windows-1252",
        "compression": "auto",
    }
    found = columns(dataset)
    assert found["plz"].type == "string"  # a number would lose the leading zero
    assert found["umsatz"].type == "decimal(18,1)"
    assert found["umsatz"].minimum is None  # nothing says that it must be so


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_compression_are_reported_by_the_bytes(
    tmp_path: Path, encoding: str, packed: bool
) -> None:
    data = "id,name\n1,Käthe\n2,José\n".encode(encoding)
    path = tmp_path / "people.txt"
    path.write_bytes(gzip.compress(data) if packed else data)

    dataset, _ = proposed(path)

    reported = dataset.format.to_json()
    assert reported["encoding"] == encoding.removesuffix("-sig")
    assert reported["compression"] == ("gzip" if packed else "auto")
    assert list(columns(dataset)) == ["id", "name"]


def test_a_file_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv"
    path.write_text("".join(f"{n},2026-11-01T00:00:{n:02}Z,1e-{n}\n" for n in range(10)))

    dataset, _ = proposed(path)

    assert dataset.format.to_json()["header"] is False
    kinds = {name: column.type for name, column in columns(dataset).items()}
    assert kinds == {"column_1": "integer", "column_2": "timestamp", "column_3": "double"}


def test_json_lines_with_one_that_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    good = [json.dumps({"event_id": f"e{n}", "ok": n > 3, "tags": ["a"]}) for n in range(5)]
    path.write_text("\n".join([*good, '{"event_id": ']))

    dataset, text = proposed(path)

    assert dataset.format.to_json() == {"type": "jsonl", "compression": "auto"}
    kinds = {name: column.type for name, column in columns(dataset).items()}
    assert kinds == {"event_id": "string", "ok": "boolean", "tags": "string"}
    assert "1 rows of the sample could not be read" in text


def test_a_json_array_by_zstd_cannot_hide(tmp_path: Path) -> None:
    path = tmp_path / "things.json.zst"
    with connect() as maker:
        maker.execute(
            "COPY (SELECT range AS id, 'x' AS kind FROM range(3)) TO ?"
            " (FORMAT json, ARRAY true, COMPRESSION zstd)",
            [str(path)],
        )

    dataset, _ = proposed(path)

    assert dataset.format.to_json() == {"type": "json", "compression": "auto"}
    assert dataset.source.suffix == ".json.zst"
    assert columns(dataset)["id"].type == "integer"


def test_parquet_and_names_that_the_pipeline_adds_itself(tmp_path: Path) -> None:
    path = tmp_path / "sales.parquet"
    with connect() as maker:
        maker.execute(
            "COPY (SELECT range AS index, DATE '2026-11-01' + range::INTEGER AS day,"
            " range / 7.0 AS share FROM range(9)) TO ? (FORMAT parquet)",
            [str(path)],
        )

    dataset, _ = proposed(path)

    kinds = {name: column.type for name, column in columns(dataset).items()}
    assert kinds == {"source_index": "integer", "day": "date", "share": "double"}
    assert columns(dataset)["source_index"].source == "index"
    assert dataset.transform is None
    assert dataset.targets.dynamodb
    assert dataset.targets.dynamodb.key == ("source_index",)


def test_parquet_values_are_looked_at_as_the_pipeline_reads_them() -> None:
    path = FIXTURES / "nested.parquet"
    before = path.read_bytes()

    dataset, text = proposed(path)

    assert "3 rows" in text
    assert {column.type for name, column in columns(dataset).items() if name != "id"} == {"string"}
    assert columns(dataset)["tags"].required is False
    assert path.read_bytes() == before


def test_nanoseconds_are_proposed_as_texts() -> None:
    dataset, _ = proposed(FIXTURES / "int96.parquet")

    assert columns(dataset)["t"].type == "string"


def test_two_columns_are_the_key_where_none_is_alone(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    rows = [f"{day},{shop},9.99" for day in ("2026-11-01", "2026-11-02") for shop in "abc"]
    path.write_text("\n".join(["day,shop,price", *rows]))

    dataset, _ = proposed(path)

    assert dataset.targets.dynamodb
    assert dataset.targets.dynamodb.key == ("day", "shop")


def test_rows_that_nothing_reports_apart_get_a_key_of_all_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "same.csv"
    path.write_text("a,b,c\n" + "x,y,z\n" * 3)

    dataset, text = proposed(path)

    assert dataset.targets.dynamodb
    assert dataset.targets.dynamodb.key == ("row_key",)
    assert "SELECT DISTINCT" in (dataset.transform or "")
    assert "identify the sample's rows" in text


def test_what_loses_more_than_a_contract_allows_is_not_proposed(tmp_path: Path) -> None:
    path = tmp_path / "dirty.csv"
    path.write_text("id,n\n" + "".join(f"{n},{n}\n{n},{n},1\n" for n in range(100)))

    result = pipeline("dataset", "new", str(path))

    assert result.exit_code == 2
    assert "100 of the sample's 200 rows would be rejected (50%" in result.output
    assert "could not be read as a row, such as {'line': 3" in result.output


def test_one_bad_row_of_a_few_is_allowed_and_said(tmp_path: Path) -> None:
    path = tmp_path / "dirty.csv"
    path.write_text("id,n\n1,2\n2,3\n3,4,5\n")

    dataset, text = proposed(path)

    assert dataset.limits.rejected_percentage == 34 > Limits().rejected_percentage
    assert "one of the sample's few rows is rejected" in text


def test_of_a_large_sample_it_is_shown_what_is_being_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.csv"
    path.write_text("id,n\n1,2\n2,3\n")
    assert pipeline("dataset", "new", str(path)).stderr == ""

    monkeypatch.setattr("cli.commands.dataset.LARGE_SAMPLE", 1)

    shown = pipeline("dataset", "new", str(path)).stderr
    assert "large.csv (0 MB): looking at its columns" in shown
    assert "large.csv (0 MB): trying the proposal on it" in shown


def test_quotes_that_quote_nothing_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "pipes.tsv"
    path.write_text(
        "id\tnote\n" + "".join(f"{n}\t{chr(34) * (n % 7 == 0)}y {n}\n" for n in range(60))
    )

    dataset, _ = proposed(path)

    assert dataset.format.to_json()["quote"] == "\x01"


@pytest.mark.parametrize(
    ("key", "prefix", "partition", "name"),
    [
        ("landing/visits/dt=2026-11-01/a.csv", "landing/visits/", "dt=%Y-%m-%d/", "visits"),
        ("in/shop/2026/11/01/a.csv", "in/shop/", "%Y/%m/%d/", "shop"),
        ("in/shop/year=2026/month=11/day=01/a.csv", "in/shop/", None, "shop"),
        ("in/x/20261101/a.csv", "in/x/", "%Y%m%d/", "x"),
        ("in/Big Shop/a.csv", "in/Big Shop/", None, "big_shop"),
    ],
)
def test_an_object_in_s3_reports_where_its_siblings_lie(
    local: World, key: str, prefix: str, partition: str | None, name: str
) -> None:
    local.deployment.client("s3").put_object(Bucket="data", Key=key, Body=b"id\n1\n2\n")
    if "year=" in key:
        partition = "year=%Y/month=%m/day=%d/"

    result = pipeline("dataset", "new", f"s3://data/{key}")

    assert result.exit_code == 0, result.output
    dataset = check_dataset(result.output, name).dataset
    assert (dataset.source.prefix, dataset.source.partition) == (prefix, partition)
    assert dataset.source.bucket is None


@pytest.mark.parametrize(
    ("name", "key_time"),
    [
        ("events_20261101_06.csv", "events_%Y%m%d_%H.csv"),
        ("20261101T063059-part-7.csv", "%Y%m%dT%H%M%S"),
        ("shop7_2026-11-01.csv", "_%Y-%m-%d.csv"),
        ("100%_20261101-06-30.csv", "%%_%Y%m%d-%H-%M.csv"),
        ("events_20261345.csv", None),
        ("events_1202611011.csv", None),
        ("events.csv", None),
    ],
)
def test_a_time_in_the_samples_name_is_proposed_as_strftime_writes_it(
    local: World, name: str, key_time: str | None
) -> None:
    local.deployment.client("s3").put_object(
        Bucket="data", Key=f"in/events/{name}", Body=b"id\n1\n2\n"
    )

    result = pipeline("dataset", "new", f"s3://data/in/events/{name}")

    assert result.exit_code == 0, result.output
    found = check_dataset(result.output, "events").dataset.source
    assert (found.key_time, found.time_from) == (key_time, "key" if key_time else None)
    if key_time:
        assert KeyTime(key_time).instant(f"in/events/{name}").strftime("%Y%m%d") == "20261101"


def test_an_object_of_another_bucket(local: World) -> None:
    s3 = local.deployment.client("s3")
    s3.create_bucket(Bucket="theirs")
    s3.put_object(Bucket="theirs", Key="a.csv", Body=b"id\n1\n2\n")

    result = pipeline("dataset", "new", "s3://theirs/a.csv")

    assert yaml.safe_load(result.output)["source"]["bucket"] == "theirs"
    assert "SourceBucketArns" in result.output


def test_it_is_written_beside_the_others_but_never_over_one(orders: Path, tmp_path: Path) -> None:
    out = tmp_path / "shop.yaml"

    first = pipeline("dataset", "new", str(orders), "--out", str(out))
    text = out.read_text()
    second = pipeline("dataset", "new", str(orders), "--out", str(out))

    assert first.exit_code == 0
    assert f"pipeline dataset check {out}" in first.output
    assert "its key, which is a guess" in first.output
    assert pipeline("dataset", "check", str(out)).exit_code == 0
    assert text.startswith("# yaml-language-server: $schema=dataset.schema.json\n")
    assert second.exit_code == 2
    assert "exists already" in second.output


@pytest.mark.parametrize(
    ("key", "name"), [("2026-11-01.csv", "dataset_2026_11_01"), ("a/b/Ümlaut-1.csv", "b")]
)
def test_names_are_such_as_datasets_have(key: str, name: str) -> None:
    assert dataset_name(Origin(key)) == name


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (("2026-02-28", "2026-02-30", "2026-03-01"), "text, as 2026-02-30 is no date"),
        (("2026-02-28T10:00:00Z", "2026-02-30T10:00:00Z"), "text, as 2026-02-30 is no date"),
        (("2026-02-28", "2026-02-30", "soon"), None),
        (("2026-02-28", "2026-03-01"), None),
    ],
)
def test_a_day_that_no_calendar_has_is_said(
    tmp_path: Path, days: tuple[str, ...], said: str | None
) -> None:
    path = tmp_path / "visits.csv"
    path.write_text("".join(["id,day\n", *(f"v{n},{day}\n" for n, day in enumerate(days))]))
    dataset, text = proposed(path)
    assert ("is no date" in text) is (said is not None)
    if said is not None:
        assert columns(dataset)["day"].type == "string"
        assert said in text
