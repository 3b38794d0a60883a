"""The Spark job: what it does to rows, what it reports, how it reaches files, and how it fails."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from local.local_cloud.jobs.spark_submit import java_options
from tabular.workspace import connect

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "jobs" / "orders_spark.py"
COLUMNS = ["order_id", "country", "currency", "updated_at", "note"]
REJECTED = '{"source": "s", "line": 3, "rule": "malformed", "reason": "r", "raw": "x"}\n'

Row = tuple[str | None, ...]
Enriched = Callable[..., list[Row]]
spark_test = pytest.mark.spark


def order(
    order_id: str | None = "a",
    updated_at: str | None = "2026-11-01T06:30:00Z",
    note: str | None = None,
    country: str | None = "DE",
    currency: str | None = "EUR",
) -> Row:
    return (order_id, country, currency, updated_at, note)


class Table:
    """Rows in and out of Spark by files: `collect` would leave sockets to the garbage collector."""

    def __init__(self, spark: Any, directory: Path) -> None:
        self._spark, self._directory = spark, directory

    def frame(self, rows: Sequence[Row]) -> Any:
        path = self._directory / "rows.jsonl"
        lines = [json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in rows]
        path.write_text("\n".join(lines))
        schema = ", ".join(f"{name} string" for name in COLUMNS)
        return self._spark.read.schema(schema).json(path.as_uri())

    def rows(self, frame: Any) -> list[Row]:
        path = self._directory / "result"
        frame.write.mode("overwrite").parquet(path.as_uri())
        return parquet_rows(path)


def parquet_rows(directory: Path) -> list[Row]:
    with connect() as connection:
        connection.execute("SELECT * FROM read_parquet(?)", [f"{directory}/*.parquet"])
        return sorted(connection.fetchall(), key=repr)


class Outputs:
    """The output of a job before this one, and this one's, as directories."""

    def __init__(self, directory: Path) -> None:
        self.before = directory / "before"
        self.after = directory / "after"
        self.dataset = directory / "dataset.json"
        contract = {"dataset": {"columns": [{"name": name} for name in COLUMNS]}}
        directory.mkdir(exist_ok=True)
        self.dataset.write_text(json.dumps(contract))
        (self.before / "data").mkdir(parents=True)

    def write(self, rows: list[Row], **report: Any) -> None:
        """As clean_csv does: DuckDB writes the file."""
        path = self.before / "data" / "part-00000.csv"
        with connect() as connection:
            names = ", ".join(f"{name} VARCHAR" for name in COLUMNS)
            connection.execute(f"CREATE TABLE orders ({names})")
            if rows:
                connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
            connection.execute(
                f"COPY orders TO '{path}'"
                " (FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '')"
            )
        (self.before / "rejected.jsonl").write_text(REJECTED)
        counts = {"rowsOut": len(rows), "rowsFiltered": 2, "rowsBad": 1}
        reported = {"rowsIn": len(rows) + 3, **counts, "format": "csv", **report}
        (self.before / "report.json").write_text(json.dumps(reported))

    def options(self) -> Namespace:
        return Namespace(
            JOB_ID="job-2",
            RUN_ID="run-1",
            INPUT_URL=f"{self.before.as_uri()}/",
            OUTPUT_URL=f"{self.after.as_uri()}/",
            DATASET_URL=self.dataset.as_uri(),
            INPUT_URLS=None,
        )

    def rows(self) -> list[Row]:
        return parquet_rows(self.after / "data")


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(tmp_path)


@pytest.fixture
def enriched(job: Any, spark: Any, tmp_path: Path) -> Enriched:
    table = Table(spark, tmp_path)
    return lambda *rows: table.rows(job.enriched(table.frame(rows)))


# -- the rows


@spark_test
def test_of_an_order_the_newest_state_stays(enriched: Enriched) -> None:
    older = order(updated_at="2026-11-01T23:00:00Z", note="older")
    newest = order(updated_at="2026-11-02T00:30:00+01:00", note="newest")
    assert enriched(newest, older, order("b")) == [newest, order("b")]


@spark_test
def test_what_cannot_be_compared_stays_for_validation(enriched: Enriched) -> None:
    untold = [order(updated_at=text) for text in (None, "never", "2026", "2026-13-01")]
    nameless = [order(None, note="first"), order(None, note="second")]
    rows = [*untold, *nameless, order()]
    assert enriched(*rows) == sorted(rows, key=repr)


@spark_test
def test_of_states_of_the_same_moment_the_same_one_stays_in_any_order(
    enriched: Enriched,
) -> None:
    rows = [order(note=note) for note in ("x", "y", None, "y")]
    assert {tuple(enriched(*rows[turn:], *rows[:turn])) for turn in range(4)} == {
        (order(note="y"),)
    }


@spark_test
def test_spellings_are_made_alike_and_unknown_ones_left_to_validation(
    enriched: Enriched,
) -> None:
    written = [
        order("a ", country="Germany", currency="€"),
        order("b", country=" at", currency="gbp "),
        order("c", country="Österreich", currency=""),
        order("d", country="XX", currency=None, note="  stays  inside  "),
    ]
    assert enriched(*written) == [
        order("a", country="DE", currency="EUR"),
        order("b", country="AT", currency="GBP"),
        order("c", country="ÖSTERREICH", currency=None),
        order("d", country="XX", currency=None, note="stays  inside"),
    ]


@spark_test
def test_texts_of_the_job_before_are_read_as_they_were_written(
    job: Any, spark: Any, tmp_path: Path
) -> None:
    texts = ['say "hi"', '"', "a,b", "two\nlines", "cr\r\nlf", "back\\slash\\", '\\"', "'", "ü €"]
    rows = [order(str(number), note=text) for number, text in enumerate([*texts, None])]
    outputs = Outputs(tmp_path)
    outputs.write(rows)
    path = (outputs.before / "data" / "part-00000.csv").as_uri()
    frame = job.read_rows(spark, [path], "csv", COLUMNS)
    assert Table(spark, tmp_path).rows(frame) == sorted(rows, key=repr)


# -- files and the report


@spark_test
def test_the_report_goes_back_to_the_source(job: Any, spark: Any, outputs: Outputs) -> None:
    outputs.write([order(note="1"), order(updated_at="2026-11-02", note="2"), order("b")])
    report = job.run(outputs.options(), spark, job.HadoopFiles(spark))
    counts = {"rowsIn": 6, "rowsOut": 2, "rowsFiltered": 2, "rowsBad": 1, "rowsRemoved": 1}
    assert {name: report[name] for name in counts} == counts
    assert (report["jobId"], report["runId"]) == ("job-2", "run-1")
    assert report["format"] == "parquet"
    assert [(outputs.after / name).exists() for name in report["files"]] == [True]
    assert json.loads((outputs.after / "report.json").read_text()) == report
    assert (outputs.after / "rejected.jsonl").read_text() == REJECTED
    assert outputs.rows() == [order(updated_at="2026-11-02", note="2"), order("b")]


@spark_test
def test_objects_of_a_unit_are_read_and_reported_one_by_one(
    job: Any, spark: Any, tmp_path: Path
) -> None:
    """Of a key in two objects both rows stay; the job before has read more than is listed."""
    options, reports, listed = Outputs(tmp_path).options(), [], []
    for place in range(3):
        one = Outputs(tmp_path / f"object-{place}")
        one.write([order(note="old", updated_at="2026-11-01"), order(note=f"{place}"), order("b")])
        below = tmp_path / "before" / "objects" / f"{place:04d}"
        below.parent.mkdir(exist_ok=True)
        one.before.rename(below)
        about = json.loads((below / "report.json").read_text())
        reports.append({"place": place, "url": f"s3://b/{place}.csv", **about})
        listed.append({"place": place, "url": f"s3://b/{place}.csv"})
    (tmp_path / "before" / "report.json").write_text(json.dumps({"objects": reports}))
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"objects": listed[1:]}))
    options.INPUT_URLS = inputs.as_uri()

    report = job.run(options, spark, job.HadoopFiles(spark))

    counts = {"rowsIn": 6, "rowsOut": 2, "rowsFiltered": 2, "rowsBad": 1, "rowsRemoved": 1}
    assert [one["place"] for one in report["objects"]] == [1, 2]
    for one in report["objects"]:
        assert {name: one[name] for name in counts} == counts
        assert one["url"] == f"s3://b/{one['place']}.csv"
        below = tmp_path / "after" / "objects" / f"{one['place']:04d}"
        assert [(below / name).exists() for name in one["files"]] == [True]
        assert (below / "rejected.jsonl").read_text() == REJECTED
        assert parquet_rows(below / "data") == [order(note=f"{one['place']}"), order("b")]
    assert not (tmp_path / "after" / "objects" / "0000").exists()
    assert json.loads((tmp_path / "after" / "report.json").read_text()) == report


@spark_test
def test_a_repeat_replaces_what_was_there(job: Any, spark: Any, outputs: Outputs) -> None:
    for rows in ([order("a"), order("b")], [order("c")]):
        outputs.write(rows)
        job.run(outputs.options(), spark, job.HadoopFiles(spark))
    assert outputs.rows() == [order("c")]


@spark_test
def test_a_spark_job_reads_what_a_spark_job_wrote(job: Any, spark: Any, outputs: Outputs) -> None:
    outputs.write([order("a", note="1"), order("a", note="2"), order("b")])
    files = job.HadoopFiles(spark)
    job.run(outputs.options(), spark, files)
    outputs.before, outputs.after = outputs.after, outputs.after.with_name("again")
    report = job.run(outputs.options(), spark, files)
    assert (report["rowsIn"], report["rowsOut"], report["rowsRemoved"]) == (6, 2, 1)


@spark_test
def test_an_input_without_rows_gives_an_output_without_rows(
    job: Any, spark: Any, outputs: Outputs
) -> None:
    outputs.write([], rowsBad=0)
    report = job.run(outputs.options(), spark, job.HadoopFiles(spark))
    assert (report["rowsOut"], len(report["files"])) == (0, 1)
    assert outputs.rows() == []
    assert (outputs.after / "rejected.jsonl").read_text() == ""


@spark_test
def test_an_input_that_is_not_as_reported_fails_the_job(
    job: Any, spark: Any, outputs: Outputs
) -> None:
    outputs.write([order()], rowsOut=2)
    with pytest.raises(job.JobError, match="holds 1 rows, but its report says 2"):
        job.run(outputs.options(), spark, job.HadoopFiles(spark))
    assert not (outputs.after / "report.json").exists()


@spark_test
def test_an_object_of_the_source_is_refused(job: Any) -> None:
    given = ["--JOB_ID", "j", "--INPUT_URL", "s3://b/landing/a.csv"]
    given += ["--OUTPUT_URL", "s3://b/o/", "--DATASET_URL", "s3://b/d"]
    with pytest.raises(job.JobError, match="put clean-csv before it"):
        job.arguments(given)


@spark_test
def test_values_that_it_would_misread_are_refused_by_name(job: Any) -> None:
    job.refuse_written([{"name": "amount", "decimal": ","}, {"name": "updated_at", "trim": False}])
    with pytest.raises(job.JobError, match="field format of column updated_at"):
        job.refuse_written([{"name": "updated_at", "format": ["epoch-millis"]}])


@spark_test
def test_files_are_staged_only_where_spark_runs_in_one_process(
    job: Any, spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert isinstance(job.files_for(spark, "s3://b/o/", tmp_path), job.StagedFiles)
    assert isinstance(job.files_for(spark, "file:///o/", tmp_path), job.HadoopFiles)
    cluster = Cluster(spark)
    assert isinstance(job.files_for(cluster, "file:///o/", tmp_path), job.HadoopFiles)
    with pytest.raises(
        job.JobError, match=r"no file system for s3://.*spark\.hadoop\.fs\.s3\.impl"
    ):
        job.files_for(cluster, "s3://b/o/", tmp_path)


class Cluster:
    """A session whose executors are elsewhere."""

    def __init__(self, spark: Any) -> None:
        self._jvm, self._jsc = spark._jvm, spark._jsc
        self.sparkContext = Namespace(master="yarn")


# -- the script as a process, with S3


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("SPARK_LOCAL_IP", "127.0.0.1"),
        ("PYSPARK_SUBMIT_ARGS", "--master local[1] --conf spark.ui.enabled=false pyspark-shell"),
        ("SPARK_SUBMIT_OPTS", java_options()),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="data")
    yield client
    client.close()
    server.stop()


def run_script(*, input_url: str) -> subprocess.CompletedProcess[str]:
    urls = ["--INPUT_URL", input_url, "--OUTPUT_URL", "s3://data/after/"]
    added_by_glue = ["--JOB_NAME", "orders-spark", "--enable-metrics", "true"]
    line = [sys.executable, str(SCRIPT), "--JOB_ID", "job-2", *urls, *added_by_glue]
    line += ["--DATASET_URL", "s3://data/dataset.json"]
    return subprocess.run(  # noqa: S603 - our own script
        line, env=dict(os.environ), capture_output=True, text=True, check=False
    )


@spark_test
def test_the_script_runs_without_a_cluster_and_a_failure_ends_with_its_reason(
    s3: Any, outputs: Outputs
) -> None:
    outputs.write([order("a", note="two\nlines"), order("a", updated_at="2026-10-01")])
    for path in sorted(outputs.before.rglob("*.*")):
        key = f"before/{path.relative_to(outputs.before).as_posix()}"
        s3.put_object(Bucket="data", Key=key, Body=path.read_bytes())
    s3.put_object(Bucket="data", Key="dataset.json", Body=outputs.dataset.read_bytes())

    done = run_script(input_url="s3://data/before/")

    assert done.returncode == 0, done.stderr
    report = json.loads(s3.get_object(Bucket="data", Key="after/report.json")["Body"].read())
    assert report["files"] == ["data/part-00000.parquet"]
    assert (report["rowsIn"], report["rowsOut"], report["rowsRemoved"]) == (5, 1, 1)
    found = s3.list_objects_v2(Bucket="data", Prefix="after/")["Contents"]
    assert [entry["Key"] for entry in found] == [
        "after/data/part-00000.parquet",
        "after/rejected.jsonl",
        "after/report.json",
    ]

    failed = run_script(input_url="s3://data/nothing/")

    assert failed.returncode == 1
    last = failed.stderr.strip().splitlines()[-1]
    assert last.startswith("JobError: ")
    assert "NoSuchKey" in last


# -- without Spark


def test_the_script_keeps_to_python_3_7() -> None:
    assert ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 7)).body


def test_the_columns_that_it_works_on_are_in_its_contract() -> None:
    contract = (ROOT / "datasets" / "orders_spark.yaml").read_text(encoding="utf-8")
    for name in ("order_id", "updated_at", "country", "currency"):
        assert f"name: {name}," in contract


def test_the_sample_has_what_the_job_is_for() -> None:
    from local import sample_data

    for file in sample_data.make_exports().files:
        rows = list(csv.DictReader(io.StringIO(file.body.decode())))
        assert {row["country"] for row in rows} & {"Germany", "uk", " at"}
        ids = [row["order_id"] for row in rows if row["order_id"]]
        assert len(ids) - len(set(ids)) == file.outdated
