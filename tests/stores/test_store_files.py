"""store_files: files that read back alike, keys of partitions, repeats, crashes, later attempts."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import DATA_BUCKET, OUTPUT_BUCKET, Clients
from botocore.exceptions import ClientError
from data_run import UNIT, DataRun, dataset

from contracts import layout
from contracts.errors import Conflict, InvalidData, NotConfigured, OwnershipLost, TransientFailure
from contracts.messages import StoredFiles, StoreFiles
from contracts.output.files import NULL_PARTITION, UnitFiles
from sources.zstd import ZstdDecompressor
from stores.files.records import FileRecords
from stores.files.writer import store_unit
from tabular.capacity import Capacity
from tabular.workspace import connect

COLUMNS = [
    {"name": "id"},
    {"name": "n", "type": "integer"},
    {"name": "x", "type": "double"},
    {"name": "d", "type": "decimal(38,10)"},
    {"name": "b", "type": "boolean"},
    {"name": "day", "type": "date"},
    {"name": "at", "type": "timestamp"},
]
TYPES = {
    "id": "VARCHAR",
    "n": "BIGINT",
    "x": "DOUBLE",
    "d": "DECIMAL(38,10)",
    "b": "BOOLEAN",
    "day": "DATE",
    "at": "TIMESTAMP",
}
ROWS = """
    SELECT * FROM (VALUES
        ('plain', 9007199254740993, 0.1::DOUBLE,
         1234567890123456789012345678.0123456789::DECIMAL(38,10), true, DATE '2026-11-01',
         TIMESTAMP '2026-11-01 06:30:00.5'),
        ('comma, "quote"', -1, 1e300, -0.0000000001, false, DATE '0001-01-01',
         TIMESTAMP '9999-12-31 23:59:59.999999'),
        (E'two\\nlines\\r', 0, 'NaN', 0, NULL, NULL, NULL),
        ('', NULL, '-Infinity', NULL, true, DATE '9999-12-31', TIMESTAMP '2026-03-29 02:30:00'),
        (NULL, 1, NULL, 1, true, NULL, TIMESTAMP '0001-01-01 00:00:00'),
        (' blank ', 1, 5e-324, 1, true, NULL, NULL),
        ('NULL', 2, 1, 1, true, NULL, NULL),
        ('ü€𝄞', 3, 2, 1, true, NULL, NULL)
    ) AS rows(id, n, x, d, b, day, "at")
"""


def files_run(cloud: Any, query: str = ROWS, **target: Any) -> DataRun:
    """A run whose unit has these rows, to be written below `out/`."""
    fields = {"prefix": "out/", **target}
    columns = fields.pop("columns", COLUMNS)
    changes = {"columns": columns, "targets": {"files": fields}}
    limits = fields.pop("limits", None)
    run = DataRun(cloud, dataset(**changes, **({"limits": limits} if limits else {}))).freeze()
    return run.put_part(query)


def store(run: DataRun, **fields: Any) -> StoredFiles:
    message = StoreFiles(run_id=run.run_id, unit_id=UNIT, **fields)
    return store_unit(message, DATA_BUCKET, OUTPUT_BUCKET, Capacity(1024, 512))


def keys(cloud: Any) -> list[str]:
    found: list[str] = cloud.keys(bucket=OUTPUT_BUCKET)
    return found


def body(cloud: Any, key: str) -> bytes:
    found: bytes = cloud.client("s3").get_object(Bucket=OUTPUT_BUCKET, Key=key)["Body"].read()
    return found


def record(cloud: Any, run: DataRun) -> UnitFiles:
    return UnitFiles.from_json(cloud.read_json(layout.files_record_key(run.run_id, UNIT)))


def read_back(cloud: Any, reader: str, **options: str) -> list[tuple[Any, ...]]:
    """All files of the output bucket as DuckDB reads them, partitions included."""
    given = "".join(f", {name} = {value}" for name, value in options.items())
    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        for key in keys(cloud):
            path = Path(folder, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body(cloud, key))
        return connection.execute(f"FROM {reader}('{folder}/out/**/*.*'{given})").fetchall()


def expected(query: str = ROWS) -> list[tuple[Any, ...]]:
    with connect() as connection:
        return connection.execute(query).fetchall()


def same(found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> bool:
    return repr(found) == repr(wanted)  # NaN is not equal to itself


TYPED = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in TYPES.items()) + "}"


@pytest.mark.parametrize(
    ("compression", "ending"), [(None, "csv"), ("gzip", "csv.gz"), ("zstd", "csv.zst")]
)
@pytest.mark.parametrize("form", [{}, {"header": False}, {"delimiter": "-"}, {"delimiter": "\t"}])
def test_csv_reads_back_as_it_was(
    cloud: Any, compression: str | None, ending: str, form: dict[str, Any]
) -> None:
    chosen = {"compression": compression} if compression else {}
    run = files_run(cloud, **chosen, **form)
    response = store(run, rows=8)
    assert keys(cloud) == [f"out/run-1-00000-000-00000.{ending}"]
    assert (response.rows, response.files, response.bytes) == (
        8,
        1,
        len(body(cloud, keys(cloud)[0])),
    )
    options = {
        "header": "false" if form.get("header") is False else "true",
        "delim": f"'{form.get('delimiter', ',')}'",
        "quote": "'\"'",
        "escape": "'\"'",
        "columns": TYPED,
        "allow_quoted_nulls": "false",
        "auto_detect": "false",
        "compression": f"'{compression or 'none'}'",
    }
    assert same(read_back(cloud, "read_csv", **options), expected())


def test_csv_is_as_the_documentation_says(cloud: Any) -> None:
    run = files_run(cloud)
    store(run)
    lines = body(cloud, keys(cloud)[0]).decode()
    assert lines.split("\n")[:3] == [
        "id,n,x,d,b,day,at",
        "plain,9007199254740993,0.1,1234567890123456789012345678.0123456789,true,2026-11-01,"
        "2026-11-01T06:30:00.5Z",
        '"comma, ""quote""",-1,1e+300,-0.0000000001,false,0001-01-01,9999-12-31T23:59:59.999999Z',
    ]
    assert '\n"",,-inf,,true,9999-12-31,2026-03-29T02:30:00Z\n' in lines
    assert "\n,1,,1.0000000000,true,,0001-01-01T00:00:00Z\n" in lines


def test_a_file_of_one_column_has_no_empty_lines(cloud: Any) -> None:
    query = "SELECT * FROM (VALUES ('a'), (NULL), (''), ('b')) AS rows(id)"
    store(files_run(cloud, query, columns=COLUMNS[:1]))
    assert body(cloud, keys(cloud)[0]) == b'id\na\n""\n""\nb\n'


@pytest.mark.parametrize(
    ("compression", "ending"), [(None, "jsonl"), ("gzip", "jsonl.gz"), ("zstd", "jsonl.zst")]
)
def test_json_lines_hold_every_value_exactly(
    cloud: Any, compression: str | None, ending: str
) -> None:
    chosen = {"compression": compression} if compression else {}
    store(files_run(cloud, format="jsonl", **chosen), rows=8)
    (key,) = keys(cloud)
    assert key.endswith(f".{ending}")
    data = body(cloud, key)
    if compression == "gzip":
        data = gzip.decompress(data)
    if compression == "zstd":
        data = ZstdDecompressor().decompress(data)
    lines = data.decode().removesuffix("\n").split("\n")
    assert len(lines) == 8
    first = json.loads(lines[0], parse_float=str)
    assert first == {
        "id": "plain",
        "n": 9007199254740993,
        "x": "0.1",
        "d": "1234567890123456789012345678.0123456789",
        "b": True,
        "day": "2026-11-01",
        "at": "2026-11-01T06:30:00.5Z",
    }
    others = [json.loads(line, parse_constant=_refuse) for line in lines]
    assert [row["x"] for row in others[2:5]] == ["NaN", "-Infinity", None]
    assert [row["id"] for row in others[3:5]] == ["", None]
    assert others[2]["id"] == "two\nlines\r"


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("compression", [None, "snappy", "gzip", "zstd", "none"])
def test_parquet_has_the_contracts_types(cloud: Any, compression: str | None) -> None:
    chosen = {"compression": compression} if compression else {}
    store(files_run(cloud, format="parquet", **chosen))
    assert keys(cloud) == ["out/run-1-00000-000-00000.parquet"]
    assert same(read_back(cloud, "read_parquet"), expected())
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, connect() as connection:
        file.write(body(cloud, keys(cloud)[0]))
        file.flush()
        described = connection.execute(f"DESCRIBE FROM read_parquet('{file.name}')").fetchall()
        used = connection.execute(
            f"SELECT DISTINCT compression FROM parquet_metadata('{file.name}')"
        ).fetchall()
    assert {row[0]: row[1] for row in described} == TYPES
    names = {None: "SNAPPY", "none": "UNCOMPRESSED"}
    assert used == [(names.get(compression, str(compression).upper()),)]


PLACES = """
    SELECT * FROM (VALUES
        (1, 'New York', DATE '2026-01-02'), (2, 'a/b=c%d', DATE '2026-01-02'),
        (3, NULL, DATE '2026-01-02'), (4, 'New York', NULL), (5, 'Zürich', DATE '2026-01-02'),
        (6, 'New York', DATE '2026-01-02'), (7, 'NULL', DATE '2026-01-02'),
        (8, E'\\x01"{}^', DATE '2026-01-02')
    ) AS rows(n, city, day)
"""
PLACE_COLUMNS = [
    {"name": "n", "type": "integer"},
    {"name": "city"},
    {"name": "day", "type": "date"},
]


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_partitions_become_folders_that_readers_of_hive_read(cloud: Any, form: str) -> None:
    target = {"format": form, "partitionBy": ["day", "city"], "columns": PLACE_COLUMNS}
    run = files_run(cloud, PLACES, **target)
    assert store(run, rows=8).files == 7
    name = f"run-1-00000-000-00000.{form}"
    assert set(keys(cloud)) == {
        f"out/day=2026-01-02/city=New%20York/{name}",
        f"out/day=2026-01-02/city=a%2Fb%3Dc%25d/{name}",
        f"out/day=2026-01-02/city={NULL_PARTITION}/{name}",
        f"out/day={NULL_PARTITION}/city=New%20York/{name}",
        f"out/day=2026-01-02/city=Zürich/{name}",
        f"out/day=2026-01-02/city=NULL/{name}",
        f"out/day=2026-01-02/city=%01%22%7B%7D%5E/{name}",
    }
    reader = {"csv": "read_csv", "parquet": "read_parquet", "jsonl": "read_json"}[form]
    hive = {"hive_partitioning": "true", "hive_types": "{'day': DATE, 'city': VARCHAR}"}
    found = {(row[0], row[-2], row[-1]) for row in read_back(cloud, reader, **hive)}
    assert found in (
        {(n, c, d) for n, c, d in expected(PLACES)},
        {(n, d, c) for n, c, d in expected(PLACES)},
    )
    files = record(cloud, run)
    assert (files.rows, files.run_attempt, len(files.files)) == (8, 1, 7)
    assert files.bytes == sum(len(body(cloud, key)) for key in keys(cloud))
    by_partition = {tuple(file.partition.items()): file.rows for file in files.files}
    assert by_partition[("day", "2026-01-02"), ("city", "New York")] == 2
    assert by_partition[("day", "2026-01-02"), ("city", None)] == 1


@pytest.mark.slow
def test_rows_keep_their_order_within_a_partition_and_parts_follow(cloud: Any) -> None:
    value = "(i * 1000003 * 7919) % 1000000007"
    query = f"SELECT 'k' || (i % 3) AS id, {value} AS n FROM range({{}}, {{}}) t(i)"
    columns = COLUMNS[:2]
    run = files_run(
        cloud,
        query.format(0, 200_000),
        columns=columns,
        partitionBy=["id"],
        limits={"partMegabytes": 1},
    )
    run.put_part(query.format(200_000, 600_000), number=1)
    response = store(run, rows=600_000)
    assert response.rows == 600_000
    for remainder in range(3):
        prefix = f"out/id=k{remainder}/"
        parts = cloud.keys(prefix, OUTPUT_BUCKET)
        assert parts == [f"{prefix}run-1-00000-000-{n:05d}.csv" for n in range(len(parts))]
        lines = [line for key in parts for line in body(cloud, key).decode().split()[1:]]
        wanted = [
            str((i * 1000003 * 7919) % 1000000007) for i in range(600_000) if i % 3 == remainder
        ]
        assert lines == wanted
    assert response.files > 3


def test_no_rows_make_no_files_but_a_record(cloud: Any) -> None:
    run = files_run(cloud, f"{ROWS} LIMIT 0")
    assert store(run, rows=0) == StoredFiles(rows=0, files=0, bytes=0)
    assert keys(cloud) == []
    assert record(cloud, run).files == ()


def test_more_partitions_than_there_may_be_are_refused_before_anything_is_written(
    cloud: Any,
) -> None:
    query = "SELECT 'k' || i AS id, i AS n FROM range(1001) t(i)"
    run = files_run(cloud, query, columns=COLUMNS[:2], partitionBy=["id"])
    with pytest.raises(InvalidData, match=r"partitionBy id makes 1,001 partitions of unit 00000"):
        store(run)
    assert keys(cloud) == []


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("''", "'' in column id cannot be part of a file's key: it is an empty text"),
        (f"'{NULL_PARTITION}'", f"'{NULL_PARTITION}' in column id cannot be part"),
        ("repeat('/', 340)", r"column id cannot be part of a file's key: the key would have 1,0"),
    ],
)
def test_a_value_that_cannot_be_part_of_a_key_is_refused_with_its_column(
    cloud: Any, value: str, why: str
) -> None:
    run = files_run(cloud, f"SELECT {value} AS id, 1 AS n", columns=COLUMNS[:2], partitionBy=["id"])
    with pytest.raises(InvalidData, match=why):
        store(run)
    assert keys(cloud) == []


def test_other_rows_than_transform_has_counted_are_refused(cloud: Any) -> None:
    with pytest.raises(InvalidData, match="unit 00000-000 has 8 rows, not 9"):
        store(files_run(cloud), rows=9)
    assert keys(cloud) == []


def test_a_bucket_that_is_not_there_is_named(cloud: Any) -> None:
    run = files_run(cloud)
    cloud.client("s3").delete_bucket(Bucket=OUTPUT_BUCKET)
    with pytest.raises(NotConfigured, match="the output bucket output-bucket cannot be written"):
        store(run)


def test_a_bucket_that_may_not_be_written_is_named(cloud: Any, clients: Clients) -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")
    run = files_run(cloud)
    clients.break_once("s3", "put_object", denied, after=False, call=2)
    with pytest.raises(NotConfigured, match="OutputBucketName"):
        store(run)


def partitioned(cloud: Any, ids: str) -> DataRun:
    """The unit's rows: one for each letter, a partition each."""
    query = f"SELECT unnest(string_split('{ids}', '')) AS id, 1 AS n"
    return files_run(cloud, query, columns=COLUMNS[:2], partitionBy=["id"])


def letters(cloud: Any) -> str:
    return "".join(sorted(key.split("/")[1].removeprefix("id=") for key in keys(cloud)))


def test_a_repeat_changes_nothing(cloud: Any) -> None:
    run = partitioned(cloud, "abc")
    first = store(run)
    before = {key: body(cloud, key) for key in keys(cloud)}
    assert store(run) == first
    assert {key: body(cloud, key) for key in keys(cloud)} == before


def test_a_later_attempt_with_fewer_files_removes_the_others(cloud: Any) -> None:
    store(partitioned(cloud, "abc"), run_attempt=1)
    run = partitioned(cloud, "bd")
    store(run, run_attempt=2)
    assert letters(cloud) == "bd"
    assert [file.partition for file in record(cloud, run).files] == [{"id": "b"}, {"id": "d"}]


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("operation", ["put_object", "delete_object", "head_object", "get_object"])
def test_killed_at_any_call_a_repeat_comes_to_the_same_end(
    cloud: Any, clients: Clients, operation: str, number: int, after: bool
) -> None:
    """The first attempt dies at a call, or the second does; the second's rows are what stays."""
    store(partitioned(cloud, "abc"), run_attempt=1)
    run = partitioned(cloud, "bd")
    lost = ClientError({"Error": {"Code": "InternalError", "Message": "gone"}}, operation)
    clients.break_once("s3", operation, lost, after=after, call=number)
    for _ in range(3):
        try:
            store(run, run_attempt=2)
        except (TransientFailure, Conflict):
            continue
        break
    else:
        pytest.fail("it never came to an end")
    assert letters(cloud) == "bd"
    assert {file.key for file in record(cloud, run).files} == set(keys(cloud))


@pytest.mark.parametrize("number", range(1, 6))
def test_files_of_a_try_that_died_are_removed_although_it_recorded_nothing(
    cloud: Any, clients: Clients, number: int
) -> None:
    lost = ClientError({"Error": {"Code": "InternalError", "Message": "gone"}}, "PutObject")
    clients.break_once("s3", "put_object", lost, after=True, call=number)
    first = partitioned(cloud, "abc")
    with pytest.raises(TransientFailure):
        store(first, run_attempt=1)
    store(partitioned(cloud, "cd"), run_attempt=2)
    assert letters(cloud) == "cd"


def test_an_attempt_that_lost_the_run_begins_nothing(cloud: Any) -> None:
    store(partitioned(cloud, "ab"), run_attempt=2)
    run = partitioned(cloud, "abc")
    with pytest.raises(OwnershipLost, match="attempt 2 of run run-1"):
        store(run, run_attempt=1)
    assert letters(cloud) == "ab"
    assert record(cloud, run).run_attempt == 2


@pytest.mark.parametrize("number", range(2, 6))
def test_an_attempt_that_loses_the_run_midway_changes_nothing_of_the_later_one(
    cloud: Any, clients: Clients, number: int
) -> None:
    """Before any of its puts, another attempt stores the unit with other rows."""
    run = partitioned(cloud, "abc")

    def later() -> None:
        store(run, run_attempt=2)

    clients.meanwhile("s3", "put_object", later, call=number)
    with pytest.raises(OwnershipLost):
        store(run, run_attempt=1)
    assert letters(cloud) == "abc"
    heads = [cloud.client("s3").head_object(Bucket=OUTPUT_BUCKET, Key=key) for key in keys(cloud)]
    assert {head["Metadata"]["run-attempt"] for head in heads} == {"2"}
    assert record(cloud, run).run_attempt == 2


def test_an_extra_file_that_a_later_attempt_writes_meanwhile_stays(
    cloud: Any, clients: Clients
) -> None:
    store(partitioned(cloud, "ab"), run_attempt=1)
    run = partitioned(cloud, "b")

    def later() -> None:
        store(partitioned(cloud, "aab"), run_attempt=3)

    clients.meanwhile("s3", "delete_object", later)
    store(run, run_attempt=2)
    assert letters(cloud) == "ab"
    assert record(cloud, run).run_attempt == 3


def test_once_a_later_attempt_has_begun_an_earlier_one_removes_nothing_more(
    cloud: Any, clients: Clients
) -> None:
    """The later one may have put the same bytes again, which no condition can distinguish."""
    store(partitioned(cloud, "ab"), run_attempt=1)
    run, both = partitioned(cloud, "b"), keys(cloud)

    def later() -> None:
        FileRecords(DATA_BUCKET, run.run_id, UNIT, run_attempt=3).begin(both)

    clients.meanwhile("s3", "put_object", later, call=2)
    with pytest.raises(OwnershipLost, match="attempt 3 of run run-1"):
        store(run, run_attempt=2)
    assert letters(cloud) == "ab"


def test_the_function_needs_the_target(cloud: Any) -> None:
    run = DataRun(cloud, dataset()).freeze().put_part("SELECT 'a' AS id")
    with pytest.raises(NotConfigured, match="dataset sales has no target files"):
        store(run)


def test_a_unit_too_large_for_the_disk_is_refused(cloud: Any) -> None:
    run = files_run(cloud)
    message = StoreFiles(run_id=run.run_id, unit_id=UNIT)
    with pytest.raises(InvalidData, match="the function has 0 MB: make the objects smaller"):
        store_unit(message, DATA_BUCKET, OUTPUT_BUCKET, Capacity(1024, 0))
