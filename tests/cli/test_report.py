"""The report at the end of a run: everything that it left behind, and whether it adds up."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import boto3
import pytest
from cli_world import EXECUTION_ARN, History, World
from rich.console import Console

from cli.client.deployment import Deployment
from cli.client.follow import Snapshot
from cli.client.history import read_history
from cli.client.ledger import Run, UnitRow
from cli.client.stored import stored_items
from cli.client.warehouse import warehouse_target
from cli.views.next_steps import environment_commands, look_further
from cli.views.report import Report, make_report, print_report, report_document
from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot

ROWS = {"rows_in": 9, "filtered": 1, "rejected": 2, "removed": 1, "stored": 5}
RUN = {
    "run_id": "run-1",
    "item": "RUN",
    "status": "SUCCEEDED",
    "run_attempt": 1,
    "holder": EXECUTION_ARN,
    "dataset_name": "orders",
    "rows": ROWS,
}
UNIT = {
    "run_id": "run-1",
    "item": "UNIT#00000-000",
    "status": "STORED",
    "source_url": "s3://data/landing/orders/part-0.csv",
    "rows": ROWS,
}


class FakeWarehouse:
    """A Redshift Data API whose statements finish at the second look."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self._looks = 0

    def execute_statement(self, **request: Any) -> dict[str, str]:
        self.asked.append(request)
        self._looks = 0
        return {"Id": str(len(self.asked))}

    def describe_statement(self, Id: str) -> dict[str, str]:  # noqa: ARG002, N803
        self._looks += 1
        if "no_such_table" in self.asked[-1]["Sql"]:
            return {"Status": "FAILED", "Error": "relation does not exist"}
        return {"Status": "FINISHED" if self._looks > 1 else "STARTED"}

    def get_statement_result(self, Id: str) -> dict[str, Any]:  # noqa: ARG002, N803
        columns = [{"name": "unit_id"}, {"name": "rows"}, {"name": "job_id"}]
        record = [{"stringValue": "00000-000"}, {"longValue": 5}, {"isNull": True}]
        return {"ColumnMetadata": columns, "Records": [record]}


@pytest.fixture
def warehouse(world: World) -> tuple[Deployment, FakeWarehouse]:
    fake = FakeWarehouse()
    clients = {**world.deployment._clients, "redshift-data": fake}
    parameters = {"RedshiftClusterIdentifier": "local", "RedshiftDatabase": "dev"}
    return replace(world.deployment, parameters=parameters, _clients=clients), fake


def a_snapshot(run: dict[str, Any] = RUN, *units: dict[str, Any]) -> Snapshot:
    history = History()
    history.add("ExecutionStarted", "execution", details={})
    history.invoke("a", "claim-run", '{"outcome": "CLAIMED", "runAttempt": 1}')
    rows = tuple(UnitRow.from_item(unit) for unit in units or (UNIT,))
    execution = read_history(history.events)
    return Snapshot("run-1", 3.0, Run.from_item(run), rows, execution, over=True)


def put_results(table: str = "public.orders") -> None:
    results = boto3.resource("dynamodb").Table("results")
    for number in range(5):
        results.put_item(Item={"pk": f"orders#{number}", "run_id": "run-1", "amount": number})
    results.put_item(Item={"pk": "other", "run_id": "another-run"})
    s3 = boto3.client("s3")
    rejected = [{"rule": "malformed", "line": 7, "reason": "3 fields, not 4"}] * 3
    key = layout.quarantine_key("orders", "run-1", "00000-000")
    s3.put_object(Bucket="data", Key=key, Body="\n".join(map(json.dumps, rejected)))
    dataset = Dataset.model_validate(
        {
            "name": "orders",
            "source": {"prefix": "landing/orders/"},
            "columns": [{"name": "order_id"}],
            "targets": {"redshift": {"table": table, "key": ["order_id"]}},
        }
    )
    snapshot = DatasetSnapshot(
        dataset=dataset,
        version="0" * 12,
        query=None,
        index="orders",
        run_id="run-1",
        run_started_at="2026-11-20T08:00:00Z",
        output_columns=(("order_id", "string"),),
    )
    s3.put_object(
        Bucket="data",
        Key=layout.dataset_snapshot_key("run-1"),
        Body=json.dumps(snapshot.to_json()),
    )


def printed(report: Report) -> str:
    console = Console(width=200, file=io.StringIO(), record=True, markup=False)
    print_report(console, report)
    return console.export_text()


def test_a_large_table_is_not_read_for_three_items(world: World) -> None:
    results = boto3.resource("dynamodb").Table("results")
    with results.batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"pk": f"orders#{number}", "run_id": "another-run"})
    scanned: list[int] = []
    client = world.deployment.client("dynamodb")
    client.meta.events.register(
        "after-call.dynamodb.Scan", lambda parsed, **_: scanned.append(parsed["ScannedCount"])
    )

    assert len(stored_items(world.deployment, "another-run")) == 3
    assert scanned == [25]

    results.put_item(Item={"pk": "orders#x", "run_id": "run-1"})
    assert [item["pk"] for item in stored_items(world.deployment, "run-1")] == ["orders#x"]
    assert stored_items(world.deployment, "no-run") == []


def test_the_report_reports_all_that_a_run_left_behind(
    warehouse: tuple[Deployment, FakeWarehouse],
) -> None:
    put_results()
    deployment, fake = warehouse

    report = make_report(deployment, a_snapshot())
    text = printed(report)

    assert "claim-run" in text
    assert "9 in = 1 filtered + 2 rejected + 1 removed + 5 stored: the counts add up" in text
    assert len(report.items) == 3
    assert {item["run_id"] for item in report.items} == {"run-1"}
    assert report.rejected.urls == ("s3://data/quarantine/orders/run-1/00000-000.jsonl",)
    assert len(report.rejected.examples) == 2
    assert "3 fields, not 4" in text
    assert [statement["ClusterIdentifier"] for statement in fake.asked] == ["local", "local"]
    assert "public.orders" in fake.asked[1]["Sql"]
    assert "Run run-1 of orders SUCCEEDED" in text
    document = report_document(report).to_json()
    assert document["addsUp"] is True
    assert document["exitCode"] == 0
    assert document["warehouse"][1]["columns"] == ["unit_id", "rows", "job_id"]
    assert document["warehouse"][1]["rows"] == [["00000-000", 5, None]]


def test_a_question_the_warehouse_refuses_does_not_end_the_report(
    warehouse: tuple[Deployment, FakeWarehouse],
) -> None:
    put_results(table="no_such_table")

    text = printed(make_report(warehouse[0], a_snapshot()))

    assert "no result: relation does not exist" in text
    assert "Run run-1 of orders SUCCEEDED" in text


def test_without_a_warehouse_nothing_is_asked(world: World) -> None:
    put_results()
    assert make_report(world.deployment, a_snapshot()).warehouse == ()


@pytest.mark.parametrize(
    ("unit_rows", "run_rows"),
    [
        ({**ROWS, "stored": 4}, {**ROWS, "stored": 4}),  # a unit that does not balance
        (ROWS, {**ROWS, "rows_in": 10, "stored": 6}),  # a run that is not the sum of its units
    ],
)
def test_counts_that_do_not_add_up_are_reported(
    unit_rows: dict[str, int], run_rows: dict[str, int]
) -> None:
    report = Report(a_snapshot({**RUN, "rows": run_rows}, {**UNIT, "rows": unit_rows}))

    assert not report.adds_up
    assert "do NOT add up" in printed(report)


def test_a_failed_unit_takes_no_part_in_the_sum() -> None:
    failed = {**UNIT, "item": "UNIT#00000-001", "status": "FAILED", "rows": {}}
    failed["failure"] = {"stage": "validate", "error_type": "InvalidData", "message": "[40%]"}

    report = Report(a_snapshot(RUN, UNIT, failed))

    assert report.adds_up
    assert "validate: InvalidData: [40%]" in printed(report)


def test_the_items_of_an_array_are_reported_by_outcome() -> None:
    items = {"total": 1200, "stored": 1000, "rejected": 150, "failed": 50}

    text = printed(Report(a_snapshot({**RUN, "items": items})))
    going_on = {**RUN, "status": "RUNNING", "items": {"total": 1200}}
    under_way = printed(Report(a_snapshot(going_on)))

    assert "Items: 1,200 = 150 rejected + 50 of failed batches + 1,000 stored" in text
    assert "Items: " not in under_way


def test_a_refused_message_reports_its_reason() -> None:
    text = printed(Report(Snapshot("m", 1.0, refusal="run request: [x] is not JSON", over=True)))

    assert "run request: [x] is not JSON" in text
    assert "dead-letter queue" in text


def test_a_run_that_never_came_says_so() -> None:
    assert "Nothing is known of run m after 60 s" in printed(Report(Snapshot("m", 60.0)))


def test_commands_to_look_further_can_be_pasted(world: World) -> None:
    local = replace(world.deployment, endpoint_url="http://127.0.0.1:4566")

    commands = look_further(local, "run-1", "orders", EXECUTION_ARN)

    assert commands[0] == (
        "aws --endpoint-url http://127.0.0.1:4566 lambda get-durable-execution-history"
        f" --include-execution-data --durable-execution-arn {EXECUTION_ARN}"
    )
    (query,) = [command for command in commands if " query " in command]
    assert """--expression-attribute-values '{":run": {"S": "run-1"}}'""" in query
    assert environment_commands(local)[0].startswith("export AWS_ACCESS_KEY_ID=")


def test_on_aws_the_commands_name_no_endpoint(world: World) -> None:
    commands = look_further(world.deployment, "run-1", "orders", EXECUTION_ARN)

    assert not [command for command in commands if "endpoint" in command]
    assert environment_commands(world.deployment) == []


@pytest.mark.parametrize(
    ("parameters", "target"),
    [
        ({}, None),
        ({"RedshiftClusterIdentifier": "", "RedshiftWorkgroupName": ""}, None),
        ({"RedshiftClusterIdentifier": "c"}, {"ClusterIdentifier": "c", "Database": "dev"}),
        (
            {"RedshiftWorkgroupName": "w", "RedshiftDatabase": "d", "RedshiftSecretArn": "s"},
            {"WorkgroupName": "w", "Database": "d", "SecretArn": "s"},
        ),
    ],
)
def test_the_warehouse_is_a_cluster_a_workgroup_or_none(
    parameters: dict[str, str], target: dict[str, str] | None
) -> None:
    assert warehouse_target(parameters) == target
