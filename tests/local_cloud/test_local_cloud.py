"""The local cloud as a whole, with a small template: real processes, real ports."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError

from local.local_cloud.cloud import LocalCloud
from local.local_cloud.http.front import FrontError
from local.local_cloud.permissions.enforcement import SERVERLESS_ROLE
from local.local_cloud.state import CloudError
from local.local_cloud.substrate import Substrate, SubstrateError, substrate_python
from local.local_cloud.template.intrinsics import TemplateError

SMALL = Path(__file__).parent / "fixtures" / "small.yaml"
ROOT = Path(__file__).resolve().parents[2]
Found = TypeVar("Found")

pytestmark = [
    pytest.mark.cloud,
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    state = tmp_path_factory.mktemp("cloud")
    with LocalCloud(SMALL, state, port=0, redelivery_seconds=0) as running:
        yield running


def eventually(look: Callable[[], Found | None], seconds: float = 40) -> Found:
    """What `look` finds once it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def stored(cloud: LocalCloud, key: str) -> Callable[[], Any]:
    """Looks for what a function stored under a key."""

    def look() -> Any:
        response = cloud.client("dynamodb").get_item(
            TableName=cloud.outputs["Table"], Key={"id": {"S": key}}
        )
        return json.loads(response["Item"]["content"]["S"]) if "Item" in response else None

    return look


def send(cloud: LocalCloud, body: dict[str, Any]) -> None:
    cloud.client("sqs").send_message(
        QueueUrl=cloud.outputs["IntakeUrl"], MessageBody=json.dumps(body)
    )


def received(cloud: LocalCloud, output: str) -> list[dict[str, Any]]:
    response = cloud.client("sqs").receive_message(
        QueueUrl=cloud.outputs[output], WaitTimeSeconds=1, MaxNumberOfMessages=10
    )
    messages: list[dict[str, Any]] = response.get("Messages", [])
    return messages


def test_a_message_reaches_its_function(cloud: LocalCloud) -> None:
    send(cloud, {"id": "first"})

    record = eventually(stored(cloud, "work/first"))

    assert record["eventSourceARN"].endswith(":durable-pipeline-Intake")
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["SentTimestamp"].isdigit()


def test_a_failing_message_goes_to_the_dead_letter_queue_and_its_neighbours_do_not(
    cloud: LocalCloud,
) -> None:
    send(cloud, {"id": "bad", "fail": True})
    send(cloud, {"id": "good"})

    (dead,) = eventually(lambda: received(cloud, "DeadLettersUrl"))

    assert json.loads(dead["Body"])["id"] == "bad"
    assert stored(cloud, "work/good")()
    assert not stored(cloud, "work/bad")()


def test_an_event_reaches_the_function_of_the_rule_it_fits(cloud: LocalCloud) -> None:
    def put(kind: str, name: str) -> None:
        detail = json.dumps({"kind": kind, "id": name})
        entry = {"Source": "mine", "DetailType": "Thing", "Detail": detail}
        assert cloud.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    put("bad-one", "unwanted")
    put("good-one", "wanted")

    assert eventually(stored(cloud, "event/Thing/wanted"))["source"] == "mine"
    assert not stored(cloud, "event/Thing/unwanted")()


def test_an_upload_wakes_the_function_of_its_rule(cloud: LocalCloud) -> None:
    bucket = cloud.outputs["BucketArn"].rpartition(":")[2]
    cloud.client("s3").put_object(Bucket=bucket, Key="in/a.csv", Body=b"12345")

    event = eventually(stored(cloud, "event/Object Created/in/a.csv"))

    assert event["source"] == "aws.s3"
    assert event["detail"]["bucket"]["name"] == bucket
    assert event["detail"]["object"]["size"] == 5


def test_the_end_of_a_job_wakes_the_function_of_its_rule(cloud: LocalCloud) -> None:
    s3 = cloud.client("s3")
    bucket = cloud.outputs["BucketArn"].rpartition(":")[2]
    s3.put_object(Bucket=bucket, Key="jobs/job.py", Body=b"print('done')")
    script = f"s3://{bucket}/jobs/job.py"

    step = {
        "Name": "job",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit", script]},
    }
    cluster_id = cloud.parameters["EmrClusterId"]
    [step_id] = cloud.client("emr").add_job_flow_steps(JobFlowId=cluster_id, Steps=[step])[
        "StepIds"
    ]
    run = cloud.client("emr-serverless").start_job_run(
        applicationId=cloud.parameters["EmrServerlessApplicationId"],
        executionRoleArn=SERVERLESS_ROLE,
        jobDriver={"sparkSubmit": {"entryPoint": script}},
    )

    ended = eventually(stored(cloud, f"event/EMR Step Status Change/{step_id}"))
    assert ended["detail"]["clusterId"] == cluster_id
    name = f"event/EMR Serverless Job Run State Change/{run['jobRunId']}"
    assert eventually(stored(cloud, name))["detail"]["state"] == "SUCCESS"


def test_a_command_on_the_instance_reaches_the_cloud(cloud: LocalCloud) -> None:
    ssm, instance_id = cloud.client("ssm"), cloud.parameters["SsmInstanceId"]
    sent = ssm.send_command(
        DocumentName="AWS-RunShellScript",
        InstanceIds=[instance_id],
        Parameters={"commands": ["echo $AWS_ENDPOINT_URL"]},
    )

    def said() -> Any:
        response = ssm.get_command_invocation(
            CommandId=sent["Command"]["CommandId"], InstanceId=instance_id
        )
        return response["StandardOutputContent"]

    assert eventually(said).strip() == cloud.endpoint_url


def test_engines_that_are_not_named_are_not_there(tmp_path: Path) -> None:
    given = {"EmrClusterId": "", "EmrServerlessApplicationId": ""}
    with LocalCloud(SMALL, tmp_path, port=0, parameters=given) as cloud:
        assert cloud.parameters["SsmInstanceId"] == ""  # submits to the cluster
        assert cloud.client("emr").list_clusters()["Clusters"] == []


def test_notifications_are_filtered_on_their_way_to_a_queue(cloud: LocalCloud) -> None:
    for level in ("low", "high"):
        cloud.client("sns").publish(
            TopicArn=cloud.outputs["TopicArn"],
            Message=level,
            MessageAttributes={"level": {"DataType": "String", "StringValue": level}},
        )

    (notice,) = eventually(lambda: received(cloud, "NoticesUrl"))

    assert json.loads(notice["Body"])["Message"] == "high"


def test_functions_can_be_invoked_and_listed(cloud: LocalCloud) -> None:
    functions = cloud.client("lambda")
    event = {"detail-type": "Direct", "detail": {"id": "call"}}

    response = functions.invoke(
        FunctionName=cloud.outputs["RecorderArn"], Payload=json.dumps(event).encode()
    )

    assert "FunctionError" not in response
    assert stored(cloud, "event/Direct/call")()
    names = {found["FunctionName"] for found in functions.list_functions()["Functions"]}
    assert cloud.outputs["WorkerName"] in names


def test_a_function_that_crashes_says_so(cloud: LocalCloud) -> None:
    event = {"Records": [{"messageId": "1", "body": '{"crash": true}'}]}

    response = cloud.client("lambda").invoke(
        FunctionName=cloud.outputs["WorkerName"], Payload=json.dumps(event).encode()
    )

    assert response["FunctionError"] == "Unhandled"
    assert json.loads(response["Payload"].read())["errorMessage"] == "asked to crash"


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("cloudwatch", "describe_alarms", {}),
        ("iam", "list_roles", {}),
        ("kms", "list_keys", {}),
        ("logs", "describe_log_groups", {}),
        ("secretsmanager", "list_secrets", {}),
        ("ssm", "describe_parameters", {}),
        ("sts", "get_caller_identity", {}),
        ("glue", "list_jobs", {}),
        ("emr", "list_clusters", {}),
        ("redshift-data", "list_statements", {}),
        ("events", "list_rules", {}),
    ],
)
def test_every_service_returns_boto3(
    cloud: LocalCloud, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    response = getattr(cloud.client(service), operation)(**arguments)

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("list_metrics", {}),
        ("describe_alarm_history", {}),
        (
            "get_metric_data",
            {"MetricDataQueries": [], "StartTime": "2026-11-01", "EndTime": "2026-11-02"},
        ),
    ],
)
def test_metrics_are_refused_and_not_empty(
    cloud: LocalCloud, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="does not emulate monitoring") as refusal:
        getattr(cloud.client("cloudwatch"), operation)(**arguments)
    assert refusal.value.response["Error"]["Code"] == "NotEmulated"


def test_what_is_not_emulated_is_refused_by_name(cloud: LocalCloud) -> None:
    with pytest.raises(ClientError, match="does not emulate the service athena"):
        cloud.client("athena").list_work_groups()
    with pytest.raises(ClientError, match="does not emulate ssm ListDocuments"):
        cloud.client("ssm").list_documents()
    with pytest.raises(ClientError, match="does not emulate events PutRule"):
        cloud.client("events").put_rule(Name="x", ScheduleExpression="rate(1 day)")


def test_warnings_name_what_has_no_effect(cloud: LocalCloud) -> None:
    text = "\n".join(cloud.warnings)

    assert "AWS::CloudWatch::Alarm (Alarm)" in text
    assert "permissions" not in text
    assert "redelivery_seconds" in text


def test_a_file_says_where_the_cloud_is(tmp_path: Path) -> None:
    file = tmp_path / "cloud.json"

    with LocalCloud(SMALL, tmp_path, port=0, parameters={"Kind": "other"}) as cloud:
        content = json.loads(file.read_text("utf-8"))
        assert content["endpointUrl"] == cloud.endpoint_url
        assert content["outputs"] == cloud.outputs
        assert content["pid"] == os.getpid()
        with pytest.raises(CloudError, match="another local cloud uses"):
            LocalCloud(SMALL, tmp_path, port=0).start()
        assert file.exists()

    cloud.stop()
    assert not file.exists()


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "logs" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("keep me", "utf-8")

    with pytest.raises(CloudError, match="is no directory of a local cloud, but holds logs"):
        LocalCloud(SMALL, tmp_path, port=0).start()

    assert precious.read_text("utf-8") == "keep me"


def test_a_taken_port_leaves_nothing_running(cloud: LocalCloud, tmp_path: Path) -> None:
    port = int(cloud.endpoint_url.rpartition(":")[2])

    with pytest.raises(FrontError, match=f"port {port} .* in use"):
        LocalCloud(SMALL, tmp_path, port=port).start()

    assert children_of(os.getpid(), str(tmp_path)) == []


def test_a_wrong_template_leaves_nothing_running(tmp_path: Path) -> None:
    template = tmp_path / "wrong.yaml"
    template.write_text("Resources: {Vm: {Type: AWS::EC2::Instance}}", "utf-8")

    with pytest.raises(TemplateError, match="Vm: AWS::EC2::Instance is not emulated"):
        LocalCloud(template, tmp_path / "state", port=0).start()

    assert children_of(os.getpid(), str(tmp_path)) == []


def test_an_emulator_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    substrate = Substrate(tmp_path, Path(sys.executable))
    substrate.start()

    with pytest.raises(SubstrateError, match="No module named 'ministack'"):
        substrate.wait_until_ready()

    substrate.stop()


def test_an_emulator_whose_port_was_taken_goes_to_another(tmp_path: Path) -> None:
    substrate = Substrate(tmp_path)
    with socket.create_server(("127.0.0.1", substrate.port)) as taken:
        substrate.start()
        substrate.wait_until_ready()
        assert substrate.port != taken.getsockname()[1]
    substrate.stop()


def test_a_missing_emulator_is_reported_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_CLOUD_SUBSTRATE_PYTHON", "/nowhere/python")

    with pytest.raises(SubstrateError, match="/nowhere/python does not exist: run `make setup`"):
        substrate_python()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m local.local_cloud`, started and ready."""
    arguments = ["--template", str(SMALL), "--port", "0", "--state-dir", str(tmp_path), "--json"]
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "local.local_cloud", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def children_of(pid: int, marker: str) -> list[int]:
    """Live descendants of a process whose working directory or arguments hold a marker."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            words = (entry / "cmdline").read_bytes().decode() + os.readlink(entry / "cwd")
            environment = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if marker in words + environment and state != "Z" and int(entry.name) != pid:
            found.append(int(entry.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_no_process_survives_the_command(
    command: subprocess.Popen[str], tmp_path: Path, signal_number: int
) -> None:
    assert command.stdout is not None
    content = json.loads(command.stdout.readline())
    assert content["outputs"]["Table"] == "durable-pipeline-Records"
    assert content["environment"]["AWS_ENDPOINT_URL"] == content["endpointUrl"]
    assert children_of(command.pid, str(tmp_path))

    command.send_signal(signal_number)

    assert command.wait(15) == (-signal.SIGKILL if signal_number == signal.SIGKILL else 0)
    eventually(lambda: not children_of(command.pid, str(tmp_path)))


def test_the_command_reports_what_keeps_it_from_starting(tmp_path: Path) -> None:
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "local.local_cloud", "--template", str(tmp_path / "none.yaml"),
         "--port", "0", "--state-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert "the local cloud cannot start: cannot read the template" in ended.stderr
