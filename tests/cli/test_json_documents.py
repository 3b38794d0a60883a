"""`--json`: every command prints one document, which is as its schema in docs/json/ says."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from cli_world import EXECUTION_ARN, History, World, pipeline
from json_documents import FOLDER, document, error_of
from quarantine_world import BROKEN, MALFORMED, Quarantine

from cli.client.follow import Snapshot
from cli.client.history import read_history
from cli.client.ledger import Run, UnitRow
from cli.documents.catalogue import DOCUMENTS, ERROR, schema_file, schema_text
from cli.main import app
from cli.views.report import make_report, report_document
from contracts import layout
from contracts.ledger_items import PoolItem
from contracts.output.files import FilesTotals
from contracts.run import (
    Finding,
    ItemTotals,
    RowCounts,
    RunResult,
    RunStatus,
    StageFailure,
    UnitOutcome,
    UnitState,
    UnitTotals,
)
from runs.recording import document_chunks
from runs.units import UnitRecords

ROOT = Path(__file__).resolve().parents[2]
REQUEST = {"datasetName": "orders", "startDateTime": "2026-11-01T00:00:00Z", "runId": "run-1"}
ROWS = {"rows_in": 9, "filtered": 1, "rejected": 2, "removed": 1, "stored": 5, "warned": 1}
RUN: dict[str, Any] = {
    "run_id": "run-1",
    "item": "RUN",
    "status": "SUCCEEDED",
    "outcome": "SUCCEEDED_WITH_LOSSES",
    "run_attempt": 2,
    "stack_named_attempt": 2,
    "holder": EXECUTION_ARN,
    "previous_holder": EXECUTION_ARN,
    "previous_timed_out": False,
    "request": json.dumps(REQUEST),
    "dataset_name": "orders",
    "dataset_version": "0123456789ab",
    "end_date_time": "2026-11-20T08:00:00Z",
    "claimed_at": "2026-11-20T08:00:00Z",
    "updated_at": "2026-11-20T08:01:00Z",
    "ended_at": "2026-11-20T08:01:00Z",
    "units": {"total": 2, "stored": 1, "failed": 1},
    "rows": ROWS,
    "items": {"total": 9, "stored": 5, "rejected": 2, "failed": 2},
    "findings": [{"rule": "late", "severity": "warn", "rows": 1}],
    "next_steps": [{"why": "Look:", "command": "pipeline units run-1", "of_stack": True}],
    "warehouse_error": "permission denied",
}
UNITS: list[dict[str, Any]] = [
    {
        "run_id": "run-1",
        "item": "UNIT#00000-000",
        "status": "STORED",
        "run_attempt": 2,
        "source_url": "s3://data/landing/orders/part-0.csv",
        "source_bytes": 1000,
        "rows": ROWS,
        "job_ids": ["job-1"],
        "findings": [{"rule": "late", "severity": "warn", "rows": 1, "example": "line 2"}],
        "items": {"total": 9, "stored": 5, "rejected": 2, "failed": 2},
        "set_aside": 1,
        "started_at": "2026-11-20T08:00:10Z",
        "ended_at": "2026-11-20T08:00:40Z",
    },
    {
        "run_id": "run-1",
        "item": "UNIT#00000-001",
        "status": "FAILED",
        "failure": {"stage": "clean", "error_type": "JobFailed", "message": "x", "log_tail": "y"},
    },
]
JOB: dict[str, Any] = {
    "run_id": "run-1",
    "item": "JOB#00000-000#clean#0001",
    "unit_id": "00000-000",
    "stage": "clean",
    "attempt": 1,
    "job_id": "job-1",
    "engine": "glue",
    "callback_id": "secret",
    "state": "FAILED",
    "target": "clean-csv",
    "submitted_at": "2026-11-20T08:00:00Z",
    "ended_at": "2026-11-20T08:00:30Z",
    "deadline": 1795161600,
    "timeout_seconds": 900,
    "output_url": "s3://data/out/",
    "input_url": "s3://data/in.csv",
    "service_id": "jr_1",
    "cancelling": "the run was stopped",
    "execution": EXECUTION_ARN,
    "error": "exit code 1",
    "log_tail": "ValueError",
}
CONTRACT = """\
name: orders
source: {prefix: landing/orders/}
columns:
  - {name: order_id, type: string, required: true}
targets: {dynamodb: {key: [order_id]}}
"""


@pytest.fixture
def stored(local: World) -> World:
    """A run with a unit that is stored, one that failed, a job, and a history."""
    for item in (RUN, *UNITS, JOB):
        local.put({name: value for name, value in item.items() if value is not None})
    history = History()
    history.add("ExecutionStarted", "execution", details={})
    history.invoke("a", "claim-run", '{"outcome": "CLAIMED", "runAttempt": 1}')
    history.failed_invoke("b", "list-urls")
    history.add("ExecutionSucceeded", "execution", details={})
    local.functions.histories[EXECUTION_ARN] = history
    return local


def put_results(world: World) -> None:
    """The results document of the run, as record-run writes it."""
    key = layout.results_key("run-1")
    url = layout.s3_url("data", key)
    result = RunResult(
        run_id="run-1",
        dataset_name="orders",
        status=RunStatus.SUCCEEDED,
        units=UnitTotals(total=2, stored=1, failed=1),
        rows=RowCounts(**ROWS),
        items=ItemTotals(total=9, stored=9),
        findings=(Finding(rule="late", severity="warn", rows=1),),
        files=FilesTotals(manifest_url="s3://out/m.json", files=1, rows=5, bytes=100),
        results_url=url,
    )
    head = {
        **result.to_json(),
        "outcome": result.outcome.value,
        "rowsAddUp": True,
        "seconds": 60.0,
        "request": REQUEST,
        "runAttempt": 2,
        "execution": EXECUTION_ARN,
        "endDateTime": "2026-11-20T08:00:00Z",
        "datasetVersion": "0123456789ab",
        "ofALaterRelease": {"some_key": 1},
    }
    failure = StageFailure(stage="clean", error_type="JobFailed", message="x")
    outcomes = [
        UnitOutcome(unit_id="00000-000", status=UnitState.STORED, rows=RowCounts(**ROWS)),
        UnitOutcome(unit_id="00000-001", status=UnitState.FAILED, failure=failure),
    ]
    with UnitRecords(outcomes) as records:
        body = b"".join(document_chunks(head, records))
    world.deployment.client("s3").put_object(Bucket="data", Key=key, Body=body)
    world.put({**RUN, "results_url": url})


def printed(command: str, *arguments: str, status: int = 0) -> dict[str, Any]:
    """The document that a command prints; nothing else may stand on standard output."""
    result = pipeline(*command.split(), *arguments, "--json")
    assert result.exit_code == status, (result.output, result.exception)
    return document(command, result.stdout)


def commands() -> dict[str, set[str]]:
    """Every command's options, by its name."""
    found: dict[str, set[str]] = {}
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        inner = getattr(command, "commands", {})
        leaves = {f"{name} {sub}": c for sub, c in inner.items()}
        if not inner or command.invoke_without_command:
            leaves[name] = command
        for full, leaf in leaves.items():
            found[full] = {option for parameter in leaf.params for option in parameter.opts}
    return found


def test_every_command_has_a_document_but_a_schema_and_the_page() -> None:
    with_json = {name for name, options in commands().items() if "--json" in options}

    assert with_json == set(DOCUMENTS)
    assert commands().keys() - with_json == {"dataset schema", "console"}


def test_the_shipped_schemas_are_those_of_the_models() -> None:
    """make json-schemas writes them."""
    for name in (*DOCUMENTS, ERROR):
        assert (FOLDER / schema_file(name)).read_text("utf-8") == schema_text(name), name
    assert {path.name for path in FOLDER.iterdir()} == {
        schema_file(name) for name in (*DOCUMENTS, ERROR)
    }


def test_every_document_is_described_with_its_schema() -> None:
    page = (ROOT / "docs" / "json.md").read_text("utf-8")
    for name in DOCUMENTS:
        assert f"| `pipeline {name}` | [" in page, name
        assert f"(json/{schema_file(name)})" in page
    assert f"(json/{schema_file(ERROR)})" in page


def test_schemas_allow_what_a_later_release_adds() -> None:
    for name in (*DOCUMENTS, ERROR):
        assert '"additionalProperties": false' not in schema_text(name)


def test_status(stored: World) -> None:
    status = printed("status", "run-1")

    assert status["request"]["datasetName"] == "orders"
    assert status["rows"]["rowsIn"] == 9
    assert (status["startedAt"], status["executionArn"]) == (RUN["claimed_at"], EXECUTION_ARN)
    assert status["nextSteps"][0]["command"] == "pipeline units run-1"
    assert status["report"] is None
    followed = printed("status", "run-1", "--follow")
    assert followed["report"]["execution"]["operations"][0]["name"] == "claim-run"
    assert followed["report"]["exitCode"] == 0
    later = json.dumps({**REQUEST, "ofALaterRelease": True})
    stored.put_run("later", request=later)
    assert printed("status", "later")["request"] == status["request"]
    stored.put_run("unreadable", request=json.dumps({**REQUEST, "runId": "not an id"}))
    assert printed("status", "unreadable")["request"] is None
    stored.put_run("bare")  # what an earlier release wrote, or an attempt that has just begun
    assert printed("status", "bare")["request"] is None


@pytest.mark.usefixtures("stored")
def test_units() -> None:
    units = printed("units", "run-1")

    assert units["rows"]["stored"] == 5
    first, second = units["units"]
    assert (first["jobIds"], first["seconds"], first["items"]["total"]) == (["job-1"], 30.0, 9)
    assert (second["failure"]["logTail"], second["sourceUrl"]) == ("y", None)


@pytest.mark.usefixtures("stored")
def test_jobs() -> None:
    (job,) = printed("jobs", "run-1")["jobs"]

    assert (job["serviceId"], job["seconds"]) == ("jr_1", 30.0)
    assert job["deadline"] == "2026-11-20T08:00:00Z"
    assert job["cancelReason"] == "the run was stopped"
    assert "secret" not in json.dumps(job)


def test_pools(local: World) -> None:
    assert printed("pools") == {
        "pools": [],
        "poolsFile": {"version": None, "problem": None, "problemAt": None},
    }
    ticket = {"number": 2, "key": "run-1/00000-001/clean/1", "since": 1763625600}
    place = {"number": 1, "key": "run-1/00000-000/clean/1", "taken": 1763625600}
    local.put({
        **PoolItem.key_of("glue/stack-clean")._asdict(),
        "version": 3,
        "limit": 1,
        "limit_from": "glue",
        "waiting": {"job-2": ticket},
        "held": {"job-1": place},
    })  # fmt: skip
    (pool,) = printed("pools")["pools"]
    assert (pool["limit"], pool["running"], pool["waiting"], pool["runsWaiting"]) == (1, 1, 1, 1)
    assert pool["oldestSeconds"] > 0


@pytest.mark.usefixtures("stored")
def test_history() -> None:
    history = printed("history", "run-1")

    assert (history["status"], history["startedAt"]) == ("SUCCEEDED", "2026-11-20T08:00:00Z")
    assert history["operations"][1]["error"] == "Throttled: slow down"


def test_results(stored: World) -> None:
    put_results(stored)

    results = printed("results", "run-1")

    assert (results["outcome"], results["executionArn"]) == ("SUCCEEDED_WITH_LOSSES", EXECUTION_ARN)
    assert [unit["unitId"] for unit in results["outcomes"]] == ["00000-000", "00000-001"]
    assert results["outcomes"][1]["failure"]["errorType"] == "JobFailed"
    assert results["files"]["manifestUrl"] == "s3://out/m.json"


def test_results_of_a_run_that_ended_before_it_had_units(local: World) -> None:
    local.put_run(status="SKIPPED", outcome="SKIPPED", reason="no objects", request=RUN["request"])

    results = printed("results", "run-1")

    assert (results["outcome"], results["reason"], results["outcomes"]) == (
        "SKIPPED",
        "no objects",
        [],
    )


def test_rejected(quarantine: Quarantine, tmp_path: Path) -> None:
    unstorable = {"source": "s3://x", "rule": "key-unique", "column": "visit_id", "reason": "twice"}
    quarantine.reject({**BROKEN, "broken": ["type minutes", "min a"]}, MALFORMED)
    quarantine.set_aside(
        {**unstorable, "valid_row": 7, "row": {"visit_id": "v1"}},
        {**unstorable, "result": {"made_up": "1"}},
        {**unstorable, "of_a_job": 1, "row": 2, "rawBase64": "AA=="},
    )

    rejected = printed("rejected", "run-1")

    assert rejected["rows"] == 5
    assert {"rule": "key-unique", "column": "visit_id", "rows": 3} in rejected["rules"]
    assert {"rule": "malformed", "column": None, "rows": 1} in rejected["rules"]
    by_rule = {row["rule"]: row for row in rejected["shown"]}
    assert by_rule["type"]["raw"] == BROKEN["raw"]
    assert by_rule["key-unique"]["rawBase64"] == "AA=="
    assert [row["validRow"] for row in rejected["shown"] if row["rule"] == "key-unique"][0] == 7
    out = tmp_path / "rows.jsonl"
    written = printed("rejected", "run-1", "--out", str(out))
    assert (written["out"], written["shown"]) == (str(out), [])


def test_resend(quarantine: Quarantine) -> None:
    quarantine.correct({"visit_id": "v1", "minutes": "5"})

    resent = printed("resend", str(quarantine.file), "--run", "run-1")
    assert (resent["rows"], resent["report"]) == (1, None)
    assert resent["messageId"]
    quarantine.world.put_run(resent["runId"], status="SUCCEEDED")
    assert printed("resend", str(quarantine.file), "--run", "run-1")["messageId"] is None


def test_run(local: World) -> None:
    sent = printed("run", "--dataset", "orders", "--start", "2026-11-01")
    assert sent == {"messageId": sent["messageId"], "runId": sent["messageId"], "report": None}
    one = ("--dataset", "orders", "--start", "2026-11-01", "--run-id", "run-1")
    waited = printed("run", *one, "--wait", "--timeout", "0", status=5)
    assert (waited["report"]["status"], waited["report"]["run"]) == ("UNKNOWN", None)
    local.put(RUN)
    stood = printed("run", *one, "--wait", "--timeout", "0", "--unchecked")
    assert (stood["report"]["status"], stood["report"]["run"]["runAttempt"]) == ("SUCCEEDED", 2)


@pytest.mark.parametrize("report", ["a run", "a refusal"])
def test_the_report_of_a_demo(world: World, report: str) -> None:
    """tests/cli/test_demo.py checks that of a real one."""
    history = History()
    history.add("ExecutionStarted", "execution", details={})
    world.deployment.client("s3").put_object(
        Bucket="data",
        Key=layout.quarantine_key("orders", "run-1", "00000-000"),
        Body=json.dumps(BROKEN).encode(),
    )
    item = {"pk": {"S": "o#1"}, "run_id": {"S": "run-1"}, "order_id": {"S": "1"}}
    world.deployment.client("dynamodb").put_item(TableName="results", Item=item)
    units = tuple(UnitRow.from_item(unit) for unit in UNITS)
    run = Run.from_item(RUN)
    snapshot = Snapshot("run-1", 3.0, run, units, read_history(history.events), over=True)
    if report == "a refusal":
        snapshot = Snapshot("run-1", 3.0, refusal="startDateTime: is required", over=True)

    made = report_document(make_report(world.deployment, snapshot))
    found = document("demo", made.model_dump_json(by_alias=True))

    if report == "a refusal":
        assert (found["status"], found["exitCode"], found["run"]) == ("REFUSED", 2, None)
    else:
        assert found["storedItems"][0]["attributes"]["order_id"] == "1"
        assert found["rejected"]["examples"][0]["rule"] == "type"
        assert found["run"]["items"]["failed"] == 2


def test_stop(local: World, monkeypatch: pytest.MonkeyPatch) -> None:
    response = {
        "runId": "run-1",
        "outcome": "STOPPED",
        "status": "STOPPED",
        "requestedAt": "2026-11-20T08:00:00Z",
        "jobsCancelled": ["job-1"],
        "jobsEndedBefore": {"job-3": "SUCCEEDED"},
        "jobsGoingOn": {"job-2": "GLUE says STOPPING"},
    }
    reaper_as(local, monkeypatch, response)

    stopped = printed("stop", "run-1")

    assert stopped["requestedAt"] == "2026-11-20T08:00:00Z"
    assert stopped["jobsEndedBefore"] == [{"jobId": "job-3", "state": "SUCCEEDED"}]
    assert stopped["jobsBeingCancelled"] == [{"jobId": "job-2", "detail": "GLUE says STOPPING"}]
    reaper_as(local, monkeypatch, {"runId": "run-1", "outcome": "ENDED", "status": "SUCCEEDED"})
    assert printed("stop", "run-1", status=2)["outcome"] == "ENDED"


def reaper_as(local: World, monkeypatch: pytest.MonkeyPatch, response: dict[str, Any]) -> None:
    """Have the reaper return this."""

    class Reaper:
        def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: ARG002, N803
            return {"Payload": io.BytesIO(json.dumps(response).encode())}

    outputs = {**local.deployment.outputs, "ReaperFunctionArn": "reaper"}
    with_reaper = replace(local.deployment, outputs=outputs, _clients={"lambda": Reaper()})
    monkeypatch.setattr("cli.commands.stop.find_deployment", lambda *_: with_reaper)


def test_upload(local: World) -> None:
    local.deployment.client("s3").create_bucket(Bucket="code")

    uploaded = printed("upload")

    assert "s3://code/datasets/orders.yaml" in uploaded["urls"]
    assert uploaded["wheel"] is None


def test_dead_letters(local: World) -> None:
    assert printed("dead-letters")["messages"] == []
    local.put_dead_letter('{"runId": "r"}', Reason="is not JSON", MessageId="first")

    (letter,) = printed("dead-letters")["messages"]

    assert (letter["messageId"], letter["runId"]) == ("first", "r")
    assert letter["sentAt"].endswith("Z")


def test_dataset_check(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(CONTRACT)
    checked = printed("dataset check", str(file))
    assert checked["outputColumns"] == [{"name": "order_id", "type": "string"}]
    file.write_text(CONTRACT.replace("string", "money"))
    broken = printed("dataset check", str(file), status=2)
    assert (broken["valid"], broken["version"]) == (False, None)
    assert broken["problems"][0]["path"] == "columns[0].type (line 4)"


def test_dataset_new(tmp_path: Path) -> None:
    sample, out = tmp_path / "visits.csv", tmp_path / "visits.yaml"
    sample.write_text("visit_id,minutes\nv1,5\nv2,7\n")

    proposed = printed("dataset new", str(sample))
    written = printed("dataset new", str(sample), "--out", str(out))

    assert (proposed["datasetName"], proposed["out"]) == ("visits", None)
    assert "visit_id" in proposed["contract"]
    assert (written["out"], written["contract"]) == (str(out), out.read_text())


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("status", "nobody"), 4, "NOT_FOUND"),
        (("run", "--dataset", "Orders!"), 2, "REFUSED"),
        (("dataset", "check", "nothing.yaml"), 2, "REFUSED"),
        (("rejected", "nobody"), 4, "NOT_FOUND"),
        (("units",), 2, "USAGE"),
        (("units", "run-1", "--no-such-option"), 2, "USAGE"),
        (("rejected", "run-1", "--limit", "many"), 2, "USAGE"),
        (("no-such-command",), 2, "USAGE"),
        (("dataset", "no-such-command"), 2, "USAGE"),
    ],
)
def test_an_error_is_the_one_document_on_standard_output(
    arguments: tuple[str, ...], status: int, code: str
) -> None:
    result = pipeline(*arguments, "--json")

    assert result.exit_code == status, result.output
    error = error_of(result.stdout)
    assert (error["code"], bool(error["message"]), bool(error["hint"])) == (code, True, True)
    assert error["message"].split()[0] in " ".join(result.stderr.split())  # for people


def test_without_json_an_error_is_one_sentence_on_standard_error(local: World) -> None:
    result = pipeline("results", "nobody")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "there is no run nobody in the ledger ledger; if its message" in result.stderr
    local.put_run(status="RUNNING")
    running = pipeline("results", "run-1", "--json")
    assert (running.exit_code, error_of(running.stdout)["code"]) == (5, "STILL_RUNNING")


def test_a_call_that_aws_refuses_is_an_error_and_no_traceback(local: World) -> None:
    table = {**local.deployment.outputs, "LedgerTable": "no-such-table"}
    Path(".local/cloud.json").write_text(
        json.dumps({"endpointUrl": "http://x", "outputs": table, "parameters": {}})
    )

    result = pipeline("status", "run-1", "--json")

    assert result.exit_code == 1
    error = error_of(result.stdout)
    assert error["code"] == "FAILED"
    assert "ResourceNotFoundException" in error["message"]
    assert "OperatorPolicyArn" in error["hint"]
