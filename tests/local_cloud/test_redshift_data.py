"""The Redshift Data API through boto3: what it does to tables, and how it describes statements."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from json_services import make_client, served
from scratch_duckdb import connect

from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.services import ServiceError
from local.local_cloud.redshift.data import RedshiftDataService

pytestmark = pytest.mark.cloud  # ports, and half a minute

BUCKET = "data"
FOREVER = "SELECT count(*) FROM numbers a, numbers b, numbers c WHERE a.n * b.n % 7 = c.n % 11"


def numbers(count: int) -> str:
    """A query for 0, 1, … as column n, without a table function, which Redshift does not have."""
    digit = f"({' UNION ALL '.join(f'SELECT {n}::BIGINT AS d' for n in range(10))})"
    places = [f"{digit} AS p{place}" for place in range(len(str(count - 1)))]
    value = " + ".join(f"p{place}.d * {10**place}" for place in range(len(places)))
    tables = " CROSS JOIN ".join(places)
    return f"SELECT n FROM (SELECT {value} AS n FROM {tables}) AS counted WHERE n < {count}"


class Warehouse:
    """The service under test, its client, and S3 for COPY and UNLOAD."""

    def __init__(self, client: Any, s3: Any, events: list[dict[str, Any]]) -> None:
        self.client, self.s3, self.events = client, s3, events
        self.target = {"WorkgroupName": "analytics", "Database": "dev"}

    def submit(self, sql: str | list[str], **request: Any) -> str:
        if isinstance(sql, str):
            response = self.client.execute_statement(Sql=sql, **self.target, **request)
        else:
            response = self.client.batch_execute_statement(Sqls=sql, **self.target, **request)
        return str(response["Id"])

    def ended(self, statement_id: str) -> dict[str, Any]:
        described: dict[str, Any] = self.client.describe_statement(
            Id=statement_id, WaitTimeSeconds=20
        )
        assert described["Status"] in ("FINISHED", "FAILED", "ABORTED"), described
        return described

    def run(self, sql: str | list[str], **request: Any) -> dict[str, Any]:
        """Run to success."""
        described = self.ended(self.submit(sql, **request))
        assert described["Status"] == "FINISHED", described.get("Error")
        return described

    def error(self, sql: str | list[str], **request: Any) -> str:
        """Run to failure; return the error."""
        described = self.ended(self.submit(sql, **request))
        assert described["Status"] == "FAILED"
        return str(described["Error"])

    def rows(self, sql: str, **request: Any) -> list[list[Any]]:
        described = self.run(sql, **request)
        records = self.client.get_statement_result(Id=described["Id"])["Records"]
        return [[plain(field) for field in record] for record in records]

    def put(self, key: str, body: bytes | str) -> str:
        content = body.encode() if isinstance(body, str) else body
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    def get(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body


def plain(field: dict[str, Any]) -> Any:
    return None if field.get("isNull") else next(iter(field.values()))


def parquet(query: str, tmp_path: Path) -> bytes:
    file = tmp_path / "made.parquet"
    with connect() as connection:
        connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
    return file.read_bytes()


@pytest.fixture
def make_service(moto_endpoint: str) -> Iterator[Callable[[Path, list[Any]], RedshiftDataService]]:
    made: list[RedshiftDataService] = []

    def make(directory: Path, events: list[Any]) -> RedshiftDataService:
        service = RedshiftDataService(moto_endpoint, directory, events.append)
        service.start()
        made.append(service)
        return service

    yield make
    for service in made:
        service.stop()


@pytest.fixture
def dwh(
    make_service: Callable[[Path, list[Any]], RedshiftDataService],
    moto_endpoint: str,
    tmp_path: Path,
) -> Iterator[Warehouse]:
    events: list[dict[str, Any]] = []
    s3 = make_client("s3", moto_endpoint)
    s3.create_bucket(Bucket=BUCKET)
    with served([make_service(tmp_path / "redshift", events)]) as endpoint:
        client = make_client("redshift-data", endpoint)
        yield Warehouse(client, s3, events)
        client.close()
    for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    s3.close()


def test_the_service_is_one_that_the_front_can_route_to(tmp_path: Path) -> None:
    service: JsonService = RedshiftDataService("http://127.0.0.1:1", tmp_path, print)
    assert (service.target_prefix, service.forwards) == ("RedshiftData", False)
    assert "BatchExecuteStatement" in service.operations
    with pytest.raises(ServiceError, match="does not emulate redshift-data ListSessions"):
        service.call("ListSessions", {})


# What SQL does


def test_a_query_returns_typed_fields_and_metadata(dwh: Warehouse) -> None:
    statement = dwh.run(
        "SELECT 1 AS n, 2.50::decimal(10,2) AS d, 'x' AS s, true AS b, 1.5::float8 AS f, NULL AS e,"
        " DATE '2026-11-20' AS day, TIMESTAMP '2026-11-20 08:15:00' AS at,"
        " json_parse('{\"a\":1}') AS j, '2026-01-02 03:04:05+00'::timestamptz AS tz, count(*)"
    )
    assert statement["HasResultSet"]
    assert statement["ResultRows"] == 1
    response = dwh.client.get_statement_result(Id=statement["Id"])
    types = [(column["name"], column["typeName"]) for column in response["ColumnMetadata"]]
    assert types == [
        ("n", "int4"),
        ("d", "numeric"),
        ("s", "varchar"),
        ("b", "bool"),
        ("f", "float8"),
        ("e", "varchar"),
        ("day", "date"),
        ("at", "timestamp"),
        ("j", "super"),
        ("tz", "timestamptz"),
        ("count", "int8"),
    ]
    assert response["ColumnMetadata"][1]["scale"] == 2
    assert response["Records"] == [
        [
            {"longValue": 1},
            {"stringValue": "2.50"},
            {"stringValue": "x"},
            {"booleanValue": True},
            {"doubleValue": 1.5},
            {"isNull": True},
            {"stringValue": "2026-11-20"},
            {"stringValue": "2026-11-20 08:15:00"},
            {"stringValue": '{"a":1}'},
            {"stringValue": "2026-01-02 03:04:05+00"},
            {"longValue": 1},
        ]
    ]


def test_integers_divide_as_integers_and_casts_to_text_cut(dwh: Warehouse) -> None:
    assert dwh.rows("SELECT 7 / 2, 7 / 2.0, 'abcdef'::varchar(3)") == [[3, 3.5, "abc"]]


def test_sums_of_integers_are_numerics_and_those_are_texts(dwh: Warehouse) -> None:
    assert dwh.rows(f"SELECT SUM(n), COUNT(*) FROM ({numbers(4)}) AS v") == [["6", 4]]


def test_errors_read_as_redshifts(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (a INT)")
    assert dwh.error("CREATE TABLE T (a INT)") == 'ERROR: Relation "t" already exists'
    assert dwh.error("SELECT nope FROM t") == 'ERROR: column "nope" does not exist'
    assert dwh.error("INSERT INTO t (nope) VALUES (1)") == 'ERROR: column "nope" does not exist'
    assert dwh.error("SELECT 1 / 0") == "ERROR: division by zero"
    assert dwh.error("SELECT 'x'::int") == 'ERROR: invalid input syntax for integer: "x"'


def test_texts_longer_than_their_column_are_refused(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (s VARCHAR(3), n INT NOT NULL)")
    assert dwh.error("INSERT INTO t VALUES ('äö', 1)") == (
        "ERROR: value too long for type character varying(3)"
    )
    assert dwh.error("INSERT INTO t VALUES ('a', NULL)") == (
        "ERROR: Cannot insert a NULL value into column n"
    )
    dwh.run("CREATE TABLE u (LIKE t)")
    assert "too long" in dwh.error("INSERT INTO u VALUES ('abcd', 1)")


def test_keys_are_not_enforced_and_identities_count(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (id BIGINT IDENTITY(10, 5), k INT PRIMARY KEY)")
    assert dwh.run("INSERT INTO t (k) VALUES (1), (1)")["ResultRows"] == 2
    assert dwh.rows("SELECT id, k FROM t ORDER BY 1") == [[10, 1], [15, 1]]


def test_merge_updates_and_inserts(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t AS SELECT 1 AS id, 'old' AS v")
    dwh.run("CREATE TABLE s AS SELECT 1 AS id, 'new' AS v UNION ALL SELECT 2, 'two'")
    dwh.run(
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v"
        " WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)"
    )
    assert dwh.rows("SELECT id, v FROM t ORDER BY id") == [[1, "new"], [2, "two"]]


def test_temporary_tables_end_with_their_batch(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (a INT DEFAULT 7)")
    dwh.run(["CREATE TEMP TABLE stage (LIKE t)", "INSERT INTO stage VALUES (1)"])
    assert dwh.error("SELECT * FROM stage") == 'ERROR: relation "stage" does not exist'


def test_schemas_search_paths_views_and_alterations(dwh: Warehouse) -> None:
    dwh.run("CREATE SCHEMA IF NOT EXISTS Lake")
    dwh.run(["SET search_path TO lake, public", "CREATE TABLE t (a INT)"])
    dwh.run("ALTER TABLE lake.t ADD COLUMN b VARCHAR(9) ENCODE lzo DEFAULT 'x'")
    dwh.run("INSERT INTO lake.t (a) VALUES (1)")
    dwh.run("CREATE OR REPLACE VIEW v AS SELECT a, b FROM lake.t WITH NO SCHEMA BINDING")
    assert dwh.rows("SELECT * FROM v") == [[1, "x"]]
    dwh.run("ALTER TABLE lake.t RENAME COLUMN a TO id")
    assert dwh.rows(
        "SELECT column_name FROM svv_columns WHERE table_name = 't' ORDER BY ordinal_position"
    ) == [["id"], ["b"]]
    dwh.run("DROP TABLE lake.t CASCADE")
    assert dwh.error("LOCK lake.t") == 'ERROR: relation "lake.t" does not exist'


def test_what_is_not_emulated_fails_by_name(dwh: Warehouse) -> None:
    assert dwh.error("CALL p()") == "ERROR: CALL is not emulated by the local Redshift"
    assert "frobnicate" in dwh.error("SELECT frobnicate(1)")


# Batches are transactions


def test_a_failing_statement_undoes_the_whole_batch(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (a INT)")
    described = dwh.ended(
        dwh.submit(["INSERT INTO t VALUES (1)", "SELECT * FROM nope", "INSERT INTO t VALUES (2)"])
    )
    assert described["Status"] == "FAILED"
    assert described["Error"] == 'Query #2 failed with ERROR: relation "nope" does not exist'
    parts = described["SubStatements"]
    assert [part["Status"] for part in parts] == ["FINISHED", "FAILED", "ABORTED"]
    assert parts[1]["Id"] == f"{described['Id']}:2"
    assert dwh.rows("SELECT count(*) FROM t") == [[0]]


def test_truncate_commits_what_was_done_before_it(dwh: Warehouse) -> None:
    dwh.run(["CREATE TABLE t (a INT)", "CREATE TABLE u (a INT)", "INSERT INTO u VALUES (1)"])
    dwh.error(["INSERT INTO t VALUES (1)", "TRUNCATE u", "SELECT * FROM nope"])
    assert dwh.rows("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM u)") == [[1, 0]]


def test_vacuum_is_refused_in_a_batch_only(dwh: Warehouse) -> None:
    dwh.run("VACUUM")
    assert "cannot run inside a transaction block" in dwh.error(["SELECT 1", "VACUUM"])


def test_results_of_a_batch_are_asked_for_by_number(dwh: Warehouse) -> None:
    described = dwh.run(["CREATE TABLE t (a INT)", "SELECT 2 AS two"])
    assert described["HasResultSet"]
    response = dwh.client.get_statement_result(Id=f"{described['Id']}:2")
    assert response["Records"] == [[{"longValue": 2}]]
    missing = dwh.client.exceptions.ResourceNotFoundException
    with pytest.raises(missing, match="does not have result"):
        dwh.client.get_statement_result(Id=f"{described['Id']}:1")
    assert dwh.client.describe_statement(Id=f"{described['Id']}:2")["QueryString"] == (
        "SELECT 2 AS two"
    )


def test_loads_that_run_side_by_side_each_happen_once(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (a INT)")
    guarded = [
        "LOCK t",
        "INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM t WHERE a = 1)",
    ]
    for statement_id in [dwh.submit(guarded) for _ in range(8)]:
        assert dwh.ended(statement_id)["Status"] == "FINISHED"
    assert dwh.rows("SELECT count(*) FROM t") == [[1]]


# COPY and UNLOAD


def make_orders(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE orders (id INT, name VARCHAR(10), amount DECIMAL(10,2), at TIMESTAMP)")


def test_copy_loads_all_objects_of_a_prefix(dwh: Warehouse) -> None:
    make_orders(dwh)
    dwh.put("in/1.csv", 'id,name\n1,"a ""b"", c",\\N,2026-11-20 01:02:03\n2,,,\n')
    dwh.put("in/2.csv", "id,name\n3,\\N,1.5,2026-11-20T00:00:00Z\n")
    url = f"s3://{BUCKET}/in/"
    done = dwh.run(f"COPY orders FROM '{url}' IAM_ROLE default CSV IGNOREHEADER 1")
    assert done["ResultRows"] == 3
    assert dwh.rows("SELECT * FROM orders ORDER BY id") == [
        [1, 'a "b", c', None, "2026-11-20 01:02:03"],
        [2, "", None, None],
        [3, None, "1.50", "2026-11-20 00:00:00"],
    ]


def test_copy_takes_delimited_text_gzip_and_a_column_list(dwh: Warehouse) -> None:
    make_orders(dwh)
    url = dwh.put("x.gz", gzip.compress(b'say "hi"|7\n'))
    dwh.run(f"COPY orders (name, id) FROM '{url}' IAM_ROLE default GZIP")
    assert dwh.rows("SELECT id, name FROM orders") == [[7, 'say "hi"']]
    assert "has no GZIP" in dwh.error(f"COPY orders FROM '{url}' IAM_ROLE default")


def test_copy_takes_json_by_name(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE j (id INT, name VARCHAR, price DECIMAL(20,10), more SUPER)")
    url = dwh.put(
        "x.json",
        '{"id": 1, "name": "a,\\"b\\"", "price": 1.10, "more": {"k": [1, null]}}\n{"id": 2}',
    )
    dwh.run(f"COPY j FROM '{url}' IAM_ROLE default JSON 'auto'")
    assert dwh.rows("SELECT * FROM j ORDER BY id") == [
        [1, 'a,"b"', "1.1000000000", '{"k": [1, null]}'],
        [2, None, None, None],
    ]
    bad = dwh.put("bad.json", '{"id": 1}\n{"id": }')
    error = dwh.error(f"COPY j FROM '{bad}' IAM_ROLE default FORMAT JSON 'auto'")
    assert f"{bad}: row 2: Invalid JSON" in error


def test_copy_takes_parquet_by_position(dwh: Warehouse, tmp_path: Path) -> None:
    make_orders(dwh)
    query = f"SELECT 'a' AS x, 1::INTEGER AS y FROM ({numbers(3)}) AS v"
    url = dwh.put("x.parquet", parquet(query, tmp_path))
    copy = f"COPY orders (name, id) FROM '{url}' IAM_ROLE default FORMAT AS PARQUET"
    assert dwh.run(copy)["ResultRows"] == 3
    assert dwh.rows("SELECT DISTINCT id, name FROM orders") == [[1, "a"]]
    all_columns = f"COPY orders FROM '{url}' IAM_ROLE default PARQUET"
    assert "Table columns: 4, Data columns: 2" in dwh.error(all_columns)
    swapped = f"COPY orders (id, name) FROM '{url}' IAM_ROLE default PARQUET"
    error = dwh.error(swapped)
    assert f"{url}: incompatible Parquet schema for column id" in error
    assert "Column type: INTEGER, Parquet type: VARCHAR" in error


def test_copy_reads_a_manifest(dwh: Warehouse) -> None:
    make_orders(dwh)
    there = dwh.put("in/there.csv", "1,a,,\n")
    gone = f"s3://{BUCKET}/in/gone.csv"
    entries = [{"url": there, "mandatory": True}, {"url": gone, "mandatory": False}]
    manifest = dwh.put("m", json.dumps({"entries": entries}))
    copy = f"COPY orders FROM '{manifest}' IAM_ROLE default CSV MANIFEST"
    assert dwh.run(copy)["ResultRows"] == 1
    entries[1]["mandatory"] = True
    dwh.put("m", json.dumps({"entries": entries}))
    assert f"{gone}, mandatory" in dwh.error(copy)
    parquet_copy = f"COPY orders FROM '{manifest}' IAM_ROLE default PARQUET MANIFEST"
    assert "lacks meta.content_length" in dwh.error(parquet_copy)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1,a,1.0,\n2,b,x,\n", "row 2, column amount: not a valid DECIMAL(10,2) (value 'x')"),
        ("1,a,1.0\n", "line 1: Delimiter not found: 3 columns where 4 were expected"),
        ("1,a,1.0,,9\n", "line 1: Extra column(s) found: 5 columns where 4 were expected"),
        ("1,abcdefghijk,,\n", "row 1, column name: String length exceeds DDL length of 10 bytes"),
        ("1,a,,2026-13-01\n", "row 1, column at: not a valid TIMESTAMP (value '2026-13-01')"),
        (b"1,\xff,,\n", "line 1: not valid UTF-8"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_row_and_column(
    dwh: Warehouse, content: bytes | str, reason: str
) -> None:
    make_orders(dwh)
    good = dwh.put("in/1.csv", "1,a,1.0,\n")
    bad = dwh.put("in/2.csv", content)
    error = dwh.error(f"COPY orders FROM '{good[:-5]}' IAM_ROLE default CSV")
    assert error.startswith("ERROR: Load into table 'orders' failed")
    assert f"{bad}: {reason}" in error
    assert dwh.rows("SELECT count(*) FROM orders") == [[0]]


def test_copy_without_objects_table_or_column_fails(dwh: Warehouse) -> None:
    make_orders(dwh)
    nothing = f"s3://{BUCKET}/nothing/"
    assert dwh.error(f"COPY orders FROM '{nothing}' IAM_ROLE default CSV") == (
        "ERROR: The specified S3 prefix 'nothing/' does not exist"
    )
    assert "NoSuchBucket" in dwh.error("COPY orders FROM 's3://nope/x' IAM_ROLE default CSV")
    url = dwh.put("x.csv", "1\n")
    assert dwh.error(f"COPY nope FROM '{url}' IAM_ROLE default CSV") == (
        "ERROR: Cannot COPY into nonexistent table nope"
    )
    assert dwh.error(f"COPY orders (nope) FROM '{url}' IAM_ROLE default CSV") == (
        'ERROR: column "nope" of relation "orders" does not exist'
    )


def test_copy_leaves_identities_to_the_table_and_is_counted(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (id INT IDENTITY(1, 1), v VARCHAR(9))")
    url = dwh.put("x.csv", "a\nb\n")
    described = dwh.run(
        [f"COPY t FROM '{url}' IAM_ROLE default CSV", "SELECT pg_last_copy_count()"]
    )
    response = dwh.client.get_statement_result(Id=f"{described['Id']}:2")
    assert response["Records"] == [[{"longValue": 2}]]
    assert dwh.rows("SELECT * FROM t ORDER BY id") == [[1, "a"], [2, "b"]]


def test_unload_writes_files_and_overwrites_only_when_reported(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t AS SELECT 1 AS a, 'x,\"y' AS b, NULL::int AS c, true AS d")
    unload = "UNLOAD ('SELECT * FROM t') TO 's3://data/out/%s' IAM_ROLE default "
    assert dwh.run(unload % "c" + "FORMAT CSV HEADER")["ResultRows"] == 1
    assert dwh.get("out/c0000_part_00") == b'a,b,c,d\n1,"x,""y",,t\n'
    assert "is not empty" in dwh.error(unload % "c" + "FORMAT CSV")
    dwh.run(unload % "c" + "ALLOWOVERWRITE")
    assert dwh.get("out/c0000_part_00") == b'1|x,"y||t\n'
    dwh.run(unload % "j" + "JSON PARALLEL OFF GZIP")
    assert json.loads(gzip.decompress(dwh.get("out/j000.gz"))) == {
        "a": 1,
        "b": 'x,"y',
        "c": None,
        "d": True,
    }


def test_what_is_unloaded_as_parquet_can_be_copied_back(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b, GETDATE() AS at")
    dwh.run(
        "UNLOAD ('SELECT *, 2 AS n FROM t') TO 's3://data/p/' IAM_ROLE default PARQUET MANIFEST"
    )
    dwh.run("CREATE TABLE u (a INT, b VARCHAR(5), at TIMESTAMP, n INT)")
    dwh.run("COPY u FROM 's3://data/p/manifest' IAM_ROLE default PARQUET MANIFEST")
    assert dwh.rows("SELECT a, b, n FROM u") == [[1, "x", 2]]


# What explains a load that failed


def test_what_a_copy_fell_over_can_be_asked_afterwards(dwh: Warehouse, tmp_path: Path) -> None:
    dwh.run("CREATE TABLE t (a INT, b VARCHAR(3))")
    text = dwh.put("in/text.csv", "1,abc\n2,abcd\n")
    dwh.error(["DELETE FROM t", f"COPY t FROM '{text}' IAM_ROLE default CSV"])
    columnar = dwh.put("in/rows.parquet", parquet("SELECT 1 AS a, 'abcdé' AS b", tmp_path))
    error = dwh.error(f"COPY t FROM '{columnar}' IAM_ROLE default PARQUET")
    assert "row 1, column b: String length exceeds DDL length of 3 bytes (value 'abcdé')" in error
    asked = (
        "SELECT file_name, line_number, column_name, column_length, error_message"
        " FROM sys_load_error_detail ORDER BY start_time"
    )
    first, second = dwh.rows(asked)
    assert first[:4] == [text, 2, "b", "3"]
    assert second[:4] == [columnar, -1, "b", "3"]  # of columnar files Redshift knows no line
    assert "String length exceeds" in second[4]


def test_a_load_that_fails_for_no_value_of_its_own_names_no_column(
    dwh: Warehouse, tmp_path: Path
) -> None:
    dwh.run("CREATE TABLE t (a INT)")
    url = dwh.put("in/rows.parquet", parquet("SELECT 1 AS a, 2 AS b", tmp_path))
    dwh.error(f"COPY t FROM '{url}' IAM_ROLE default PARQUET")
    asked = "SELECT file_name, column_name, error_message FROM sys_load_error_detail"
    ((file, column, message),) = dwh.rows(asked)
    assert (file, column) == (url, None)
    assert message.startswith("Unmatched number of columns")


# The API


def test_parameters_take_the_type_of_their_place(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (id BIGINT, day DATE, s VARCHAR(20))")
    values = {"id": "7", "day": "2026-11-20", "s": "'; DROP TABLE t"}
    parameters = [{"name": name, "value": value} for name, value in values.items()]
    dwh.run("INSERT INTO t VALUES (:id, :day, :s)", Parameters=parameters)
    found = dwh.rows("SELECT s FROM t WHERE id = :id", Parameters=parameters[:1])
    assert found == [["'; DROP TABLE t"]]
    with pytest.raises(dwh.client.exceptions.ValidationException, match="not used: id"):
        dwh.submit("SELECT 1", Parameters=parameters[:1])


def test_the_same_client_token_submits_once(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (a INT)")
    ids = {dwh.submit("INSERT INTO t VALUES (1)", ClientToken="job-1") for _ in range(3)}
    assert len(ids) == 1
    dwh.ended(ids.pop())
    assert dwh.rows("SELECT count(*) FROM t") == [[1]]
    with pytest.raises(dwh.client.exceptions.ValidationException, match="ClientToken"):
        dwh.submit("INSERT INTO t VALUES (2)", ClientToken="job-1")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"Database": "dev"}, "Exactly one"),
        ({"Database": "dev", "ClusterIdentifier": "c", "WorkgroupName": "work"}, "Exactly one"),
        ({"ClusterIdentifier": "c"}, "Database is required"),
        ({"Database": "dev", "WorkgroupName": "work", "DbUser": "u"}, "WorkgroupName"),
        ({"Database": "dev", "ClusterIdentifier": "c", "DbUser": "u", "SecretArn": "s"}, "Secret"),
        ({"Database": "dev", "ClusterIdentifier": "c", "ResultFormat": "CSV"}, "not emulated"),
        ({"Database": "dev", "ClusterIdentifier": "c", "SessionKeepAliveSeconds": 9}, "emulated"),
    ],
)
def test_requests_are_checked(dwh: Warehouse, target: dict[str, Any], message: str) -> None:
    with pytest.raises(dwh.client.exceptions.ValidationException, match=message):
        dwh.client.execute_statement(Sql="SELECT 1", **target)


def test_a_batch_holds_at_most_40_statements(dwh: Warehouse) -> None:
    with pytest.raises(dwh.client.exceptions.ValidationException, match="at most 40"):
        dwh.submit(["SELECT 1"] * 41)


def test_a_statement_of_more_than_100_kb_is_refused(dwh: Warehouse) -> None:
    with pytest.raises(dwh.client.exceptions.ValidationException, match="larger than 100kB"):
        dwh.submit(f"SELECT '{'x' * 100_000}'")


def test_clusters_and_databases_are_apart(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE t (a INT)")
    dwh.target = {"WorkgroupName": "analytics", "Database": "other"}
    assert "does not exist" in dwh.error("SELECT * FROM t")
    assert dwh.rows("SELECT current_database()") == [["other"]]
    dwh.target = {"ClusterIdentifier": "analytics", "Database": "dev", "DbUser": "me"}
    assert "does not exist" in dwh.error("SELECT * FROM t")
    described = dwh.run("SELECT 1")
    assert described["ClusterIdentifier"] == "analytics"
    assert described["DbUser"] == "me"


def test_results_come_in_pages(dwh: Warehouse) -> None:
    described = dwh.run(f"{numbers(2500)} ORDER BY 1")
    pages = list(dwh.client.get_paginator("get_statement_result").paginate(Id=described["Id"]))
    assert [len(page["Records"]) for page in pages] == [1000, 1000, 500]
    assert {page["TotalNumRows"] for page in pages} == {2500}
    assert pages[2]["Records"][-1] == [{"longValue": 2499}]


def test_only_finished_statements_are_listed_unless_all_are_asked_for(dwh: Warehouse) -> None:
    finished = dwh.run("SELECT 1", StatementName="load-1")["Id"]
    dwh.error("SELECT nope", StatementName="load-2")
    batch = dwh.run(["SELECT 1", "SELECT 2"], StatementName="other")["Id"]

    def listed(**request: Any) -> list[str]:
        pages = dwh.client.get_paginator("list_statements").paginate(
            PaginationConfig={"PageSize": 1}, **request
        )
        return [item["Id"] for page in pages for item in page["Statements"]]

    assert listed() == [batch, finished]
    assert len(listed(Status="ALL")) == 3
    assert listed(StatementName="load-") == [finished]
    assert len(listed(StatementName="load-", Status="FAILED")) == 1
    assert listed(ClusterIdentifier="c", Database="dev") == []


def test_a_running_statement_can_be_cancelled_and_an_ended_one_cannot(dwh: Warehouse) -> None:
    dwh.run(f"CREATE TABLE numbers AS {numbers(20_000)}")
    running = dwh.submit(["CREATE TABLE t (a INT)", FOREVER])
    waiting = dwh.submit("INSERT INTO numbers VALUES (1)")
    deadline = time.monotonic() + 30
    while dwh.client.describe_statement(Id=running)["Status"] != "STARTED":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert dwh.client.describe_statement(Id=waiting)["Status"] in ("SUBMITTED", "PICKED")
    assert dwh.rows("SELECT 1") == [[1]]  # readers do not wait for writers
    for statement_id in (waiting, running):
        assert dwh.client.cancel_statement(Id=statement_id)["Status"]
        assert dwh.ended(statement_id)["Status"] == "ABORTED"
    assert dwh.error("SELECT * FROM t") == 'ERROR: relation "t" does not exist'
    with pytest.raises(dwh.client.exceptions.ValidationException, match="already in ABORTED"):
        dwh.client.cancel_statement(Id=running)


def test_a_statement_is_broken_off_at_the_timeout_of_its_batch(dwh: Warehouse) -> None:
    dwh.run(f"CREATE TABLE numbers AS {numbers(20_000)}")
    limited = dwh.submit(["SET statement_timeout TO 200", "CREATE TABLE t (a INT)", FOREVER])
    ended = dwh.ended(limited)
    assert ended["Status"] == "FAILED"
    assert ended["Error"] == ("Query #3 failed with ERROR: Query cancelled on user's request")
    assert dwh.error("SELECT * FROM t") == 'ERROR: relation "t" does not exist'
    dwh.run(["SET statement_timeout TO 60000", "CREATE TABLE t (a INT)"])


def test_ends_are_reported_when_asked_for(dwh: Warehouse) -> None:
    dwh.run("SELECT 1")
    described = dwh.run("SELECT 1", WithEvent=True, StatementName="job-7")
    dwh.ended(dwh.submit("SELECT nope", WithEvent=True))
    deadline = time.monotonic() + 30
    while len(dwh.events) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first, second = dwh.events
    assert first["source"] == "aws.redshift-data"
    assert first["detail-type"] == "Redshift Data Statement Status Change"
    assert first["resources"][0].endswith(":workgroup/analytics")
    detail = first["detail"]
    assert (detail["statementId"], detail["statementName"]) == (described["Id"], "job-7")
    assert (detail["state"], detail["rows"]) == ("FINISHED", 1)
    assert second["detail"]["state"] == "FAILED"


def test_an_unknown_statement_is_not_found(dwh: Warehouse) -> None:
    unknown = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(dwh.client.exceptions.ResourceNotFoundException):
        dwh.client.describe_statement(Id=unknown)
    with pytest.raises(dwh.client.exceptions.ValidationException):
        dwh.client.describe_statement(Id="what")


def test_the_catalog_can_be_asked(dwh: Warehouse) -> None:
    dwh.run("CREATE TABLE orders (id INT NOT NULL, name VARCHAR(9) DEFAULT 'x')")
    tables = dwh.client.list_tables(**dwh.target, SchemaPattern="pub%")["Tables"]
    assert tables == [{"schema": "public", "name": "orders", "type": "TABLE"}]
    assert dwh.client.list_schemas(**dwh.target)["Schemas"] == ["public"]
    columns = dwh.client.describe_table(**dwh.target, Table="Orders")["ColumnList"]
    assert [(c["name"], c["typeName"], c["length"], c["nullable"]) for c in columns] == [
        ("id", "int4", 0, 0),
        ("name", "varchar", 9, 1),
    ]
    assert dwh.rows("SELECT table_name FROM svv_tables WHERE table_schema = 'public'") == [
        ["orders"]
    ]
    with pytest.raises(dwh.client.exceptions.ResourceNotFoundException):
        dwh.client.describe_table(**dwh.target, Table="nope")


def test_the_catalog_names_types_and_lengths_as_redshift_does(dwh: Warehouse) -> None:
    dwh.run(
        "CREATE TABLE t (a VARCHAR(9) NOT NULL, b VARCHAR(MAX), c DECIMAL(12,2),"
        " d DOUBLE PRECISION, e TIMESTAMP, f BIGINT, g BOOLEAN, h DATE, i REAL)"
    )
    rows = dwh.rows(
        "SELECT data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable"
        " FROM svv_columns WHERE table_schema = 'public' AND table_name = 't'"
        " ORDER BY ordinal_position"
    )
    assert [row[0] for row in rows] == [
        *("character varying", "character varying", "numeric", "double precision"),
        *("timestamp without time zone", "bigint", "boolean", "date", "real"),
    ]
    assert [row[1] for row in rows[:3]] == [9, 65535, None]
    assert rows[2][2:4] == [12, 2]
    assert [row[4] for row in rows[:2]] == ["NO", "YES"]


def test_tables_outlive_the_service(
    make_service: Callable[[Path, list[Any]], RedshiftDataService], tmp_path: Path
) -> None:
    request = {"ClusterIdentifier": "c", "Database": "dev", "WaitTimeSeconds": 20}
    first = make_service(tmp_path, [])
    made = first.call("ExecuteStatement", {**request, "Sql": "CREATE TABLE t AS SELECT 1 AS a"})
    assert made["Status"] == "FINISHED"
    first.stop()
    with pytest.raises(ServiceError, match="not running"):
        first.call("ExecuteStatement", {**request, "Sql": "SELECT 1"})
    second = make_service(tmp_path, [])
    read = second.call("ExecuteStatement", {**request, "Sql": "SELECT a FROM t"})
    assert read["HasResultSet"]


def test_stopping_cancels_what_runs(
    make_service: Callable[[Path, list[Any]], RedshiftDataService], tmp_path: Path
) -> None:
    service = make_service(tmp_path, [])
    request = {"ClusterIdentifier": "c", "Database": "dev"}
    made = f"CREATE TABLE numbers AS {numbers(20_000)}"
    service.call("ExecuteStatement", {**request, "Sql": made, "WaitTimeSeconds": 20})
    running = service.call("ExecuteStatement", {**request, "Sql": FOREVER})
    service.stop()
    described = service.call("DescribeStatement", {"Id": running["Id"]})
    assert described["Status"] == "ABORTED"
