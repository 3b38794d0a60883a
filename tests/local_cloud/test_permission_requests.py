"""What requests of real clients ask IAM for."""

from __future__ import annotations

import base64
import contextlib
import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from local.local_cloud.http.forwarding import names_operation_in_body, with_operation
from local.local_cloud.http.routing import Route, route
from local.local_cloud.http.services import Headers, ServiceError
from local.local_cloud.permissions.calls import Call
from local.local_cloud.permissions.evaluate import Identity
from local.local_cloud.permissions.grants import Grants
from local.local_cloud.permissions.guard import Guard, Mode, Unmapped, reads_body
from local.local_cloud.permissions.principals import Principals
from local.local_cloud.permissions.requests import calls_of

HERE = "us-east-1:000000000000"
QUEUE = f"arn:aws:sqs:{HERE}:q"
QUEUE_URL = "http://127.0.0.1/000000000000/q"
TABLE = f"arn:aws:dynamodb:{HERE}:table/t"
TOPIC = f"arn:aws:sns:{HERE}:t"
FUNCTION = f"arn:aws:lambda:{HERE}:function:f"
EXECUTION = f"{FUNCTION}:1/durable-execution/name/id"
APPLICATION = f"arn:aws:emr-serverless:{HERE}:/applications/app"
ROLE = "arn:aws:iam::000000000000:role/r"
GROUP = f"arn:aws:logs:{HERE}:log-group:g"
SECRET = f"arn:aws:secretsmanager:{HERE}:secret:s-123456"
KEY = {"id": {"S": "1"}}


class Wire(ThreadingHTTPServer):
    """Takes requests, collects what they ask for, and returns an error."""

    daemon_threads = True
    calls: list[Call]


class _Handler(BaseHTTPRequestHandler):
    server: Wire
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def handle_expect_100(self) -> bool:
        self.send_response_only(http.client.CONTINUE)
        self.end_headers()
        return True

    def _take(self) -> None:
        headers = Headers(self.headers.items())
        body = self.rfile.read(int(headers.get("content-length") or 0))
        where = route(self.path, headers)
        named = body if names_operation_in_body(where, headers) else b""
        where = with_operation(where, self.path, named)
        whole = body if reads_body(where, self.command, self.path) else b""
        # Of the first request: on an error the client of S3 asks for the bucket's region.
        found = calls_of(where, self.command, self.path, headers, whole)
        self.server.calls = self.server.calls or found
        self.send_response_only(400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _take


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    server = Wire(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def asked(wire: Wire, service: str, operation: str, **arguments: Any) -> list[tuple[str, str]]:
    client = boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{wire.server_port}",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    wire.calls = []
    try:
        getattr(client, operation)(**arguments)
    except ParamValidationError:
        raise
    except (ClientError, BotoCoreError, ResponseParserError):
        pass
    finally:
        client.close()
    return [(call.action, call.resource) for call in wire.calls]


OBJECT = {"Bucket": "b", "Key": "runs/a b+c"}
O_ARN = "arn:aws:s3:::b/runs/a b+c"
CASES: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
    ("s3", "list_objects_v2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "head_bucket", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "get_bucket_policy", {"Bucket": "b"}, [("s3:GetBucketPolicy", "arn:aws:s3:::b")]),
    ("s3", "get_object", OBJECT, [("s3:GetObject", O_ARN)]),
    ("s3", "head_object", OBJECT, [("s3:GetObject", O_ARN)]),
    ("s3", "get_object", {**OBJECT, "VersionId": "v"}, [("s3:GetObjectVersion", O_ARN)]),
    ("s3", "put_object", {**OBJECT, "Body": b"x"}, [("s3:PutObject", O_ARN)]),
    ("s3", "put_object", {**OBJECT, "Body": b"x", "Tagging": "a=b"},
     [("s3:PutObject", O_ARN), ("s3:PutObjectTagging", O_ARN)]),
    ("s3", "copy_object", {**OBJECT, "CopySource": "c/d e"},
     [("s3:PutObject", O_ARN), ("s3:GetObject", "arn:aws:s3:::c/d e")]),
    ("s3", "delete_object", OBJECT, [("s3:DeleteObject", O_ARN)]),
    ("s3", "delete_objects",
     {"Bucket": "b", "Delete": {"Objects": [{"Key": "x&y"}, {"Key": "z", "VersionId": "1"}]}},
     [("s3:DeleteObject", "arn:aws:s3:::b/x&y"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/z")]),
    ("s3", "create_multipart_upload", OBJECT, [("s3:PutObject", O_ARN)]),
    ("s3", "upload_part", {**OBJECT, "UploadId": "u", "PartNumber": 1, "Body": b"x"},
     [("s3:PutObject", O_ARN)]),
    ("s3", "complete_multipart_upload", {**OBJECT, "UploadId": "u"}, [("s3:PutObject", O_ARN)]),
    ("s3", "abort_multipart_upload", {**OBJECT, "UploadId": "u"},
     [("s3:AbortMultipartUpload", O_ARN)]),
    ("s3", "list_parts", {**OBJECT, "UploadId": "u"}, [("s3:ListMultipartUploadParts", O_ARN)]),
    ("sqs", "send_message", {"QueueUrl": QUEUE_URL, "MessageBody": "x"},
     [("sqs:SendMessage", QUEUE)]),
    ("sqs", "send_message_batch",
     {"QueueUrl": QUEUE_URL, "Entries": [{"Id": "1", "MessageBody": "x"}]},
     [("sqs:SendMessage", QUEUE)]),
    ("sqs", "get_queue_url", {"QueueName": "q"}, [("sqs:GetQueueUrl", QUEUE)]),
    ("sqs", "list_queues", {}, [("sqs:ListQueues", "*")]),
    ("sqs", "start_message_move_task", {"SourceArn": QUEUE},
     [("sqs:StartMessageMoveTask", QUEUE), ("sqs:ReceiveMessage", QUEUE),
      ("sqs:DeleteMessage", QUEUE), ("sqs:GetQueueAttributes", QUEUE)]),
    ("sns", "publish", {"TopicArn": TOPIC, "Message": "x"}, [("sns:Publish", TOPIC)]),
    ("sns", "list_topics", {}, [("sns:ListTopics", "*")]),
    ("dynamodb", "get_item", {"TableName": "t", "Key": KEY}, [("dynamodb:GetItem", TABLE)]),
    ("dynamodb", "query",
     {"TableName": "t", "IndexName": "index", "KeyConditionExpression": "id = :i"},
     [("dynamodb:Query", f"{TABLE}/index/index")]),
    ("dynamodb", "batch_write_item",
     {"RequestItems": {"t": [{"PutRequest": {"Item": KEY}}]}},
     [("dynamodb:BatchWriteItem", TABLE)]),
    ("dynamodb", "transact_write_items",
     {"TransactItems": [{"Put": {"TableName": "t", "Item": KEY}},
                        {"Update": {"TableName": "t", "Key": KEY, "UpdateExpression": "x"}}]},
     [("dynamodb:PutItem", TABLE), ("dynamodb:UpdateItem", TABLE)]),
    ("lambda", "invoke", {"FunctionName": "f"}, [("lambda:InvokeFunction", FUNCTION)]),
    ("lambda", "invoke", {"FunctionName": FUNCTION, "Qualifier": "live"},
     [("lambda:InvokeFunction", f"{FUNCTION}:live")]),
    ("lambda", "invoke", {"FunctionName": f"{FUNCTION}:live"},
     [("lambda:InvokeFunction", f"{FUNCTION}:live")]),
    ("lambda", "list_functions", {}, [("lambda:ListFunctions", "*")]),
    ("lambda", "get_durable_execution", {"DurableExecutionArn": EXECUTION},
     [("lambda:GetDurableExecution", EXECUTION)]),
    ("lambda", "checkpoint_durable_execution",
     {"DurableExecutionArn": EXECUTION, "CheckpointToken": "t"},
     [("lambda:CheckpointDurableExecution", EXECUTION)]),
    ("glue", "start_job_run", {"JobName": "j"},
     [("glue:StartJobRun", f"arn:aws:glue:{HERE}:job/j")]),
    ("glue", "batch_stop_job_run", {"JobName": "j", "JobRunIds": ["r"]},
     [("glue:BatchStopJobRun", f"arn:aws:glue:{HERE}:job/j")]),
    ("emr", "list_steps", {"ClusterId": "j-1"},
     [("elasticmapreduce:ListSteps", f"arn:aws:elasticmapreduce:{HERE}:cluster/j-1")]),
    ("emr-serverless", "start_job_run",
     {"applicationId": "app", "executionRoleArn": ROLE, "clientToken": "t"},
     [("emr-serverless:StartJobRun", APPLICATION), ("iam:PassRole", ROLE)]),
    ("emr-serverless", "cancel_job_run", {"applicationId": "app", "jobRunId": "r"},
     [("emr-serverless:CancelJobRun", f"{APPLICATION}/jobruns/r")]),
    ("ssm", "send_command",
     {"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1", "mi-2"]},
     [("ssm:SendCommand", "arn:aws:ssm:us-east-1::document/AWS-RunShellScript"),
      ("ssm:SendCommand", f"arn:aws:ec2:{HERE}:instance/i-1"),
      ("ssm:SendCommand", f"arn:aws:ssm:{HERE}:managed-instance/mi-2")]),
    ("ssm", "get_parameter", {"Name": "/a/b"},
     [("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/a/b")]),
    ("redshift-data", "execute_statement",
     {"Sql": "x", "ClusterIdentifier": "c", "SecretArn": SECRET},
     [("redshift-data:ExecuteStatement", f"arn:aws:redshift:{HERE}:cluster:c"),
      ("secretsmanager:GetSecretValue", SECRET)]),
    ("redshift-data", "describe_statement", {"Id": "i"},
     [("redshift-data:DescribeStatement", "*")]),
    ("redshift-data", "get_statement_result_v2", {"Id": "i"},
     [("redshift-data:GetStatementResult", "*")]),
    ("logs", "get_log_events", {"logGroupName": "g", "logStreamName": "s"},
     [("logs:GetLogEvents", f"{GROUP}:log-stream:s")]),
    ("logs", "filter_log_events", {"logGroupName": "g"},
     [("logs:FilterLogEvents", f"{GROUP}:*")]),
    ("logs", "list_tags_for_resource", {"resourceArn": GROUP},
     [("logs:ListTagsForResource", GROUP)]),
    ("secretsmanager", "get_secret_value", {"SecretId": SECRET},
     [("secretsmanager:GetSecretValue", SECRET)]),
    ("kms", "decrypt", {"KeyId": "k", "CiphertextBlob": b"x"},
     [("kms:Decrypt", f"arn:aws:kms:{HERE}:key/k")]),
    ("events", "put_events", {"Entries": [{"Source": "s"}]},
     [("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/default")]),
    ("cloudwatch", "describe_alarms", {},
     [("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{HERE}:alarm:*")]),
    ("s3", "get_object_acl", OBJECT, [("s3:GetObjectAcl", O_ARN)]),
    ("s3", "put_object_acl", {**OBJECT, "ACL": "private"}, [("s3:PutObjectAcl", O_ARN)]),
    ("s3", "get_object_tagging", {**OBJECT, "VersionId": "v"},
     [("s3:GetObjectVersionTagging", O_ARN)]),
    ("s3", "get_object_retention", OBJECT, [("s3:GetObjectRetention", O_ARN)]),
    ("s3", "get_object_legal_hold", OBJECT, [("s3:GetObjectLegalHold", O_ARN)]),
    ("s3", "create_multipart_upload", {**OBJECT, "Tagging": "a=b"},
     [("s3:PutObject", O_ARN), ("s3:PutObjectTagging", O_ARN)]),
    ("s3", "get_bucket_acl", {"Bucket": "b"}, [("s3:GetBucketAcl", "arn:aws:s3:::b")]),
    ("s3", "get_bucket_logging", {"Bucket": "b"}, [("s3:GetBucketLogging", "arn:aws:s3:::b")]),
    ("s3", "delete_bucket_replication", {"Bucket": "b"},
     [("s3:PutReplicationConfiguration", "arn:aws:s3:::b")]),
    ("s3", "delete_bucket_website", {"Bucket": "b"},
     [("s3:DeleteBucketWebsite", "arn:aws:s3:::b")]),
    ("s3", "get_bucket_accelerate_configuration", {"Bucket": "b"},
     [("s3:GetAccelerateConfiguration", "arn:aws:s3:::b")]),
    ("events", "put_events",
     {"Entries": [{"Source": "s"}, {"Source": "s", "EventBusName": "other"}]},
     [("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/default"),
      ("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/other")]),
    ("events", "put_targets",
     {"Rule": "r", "EventBusName": "other",
      "Targets": [{"Id": "1", "Arn": QUEUE, "RoleArn": ROLE}]},
     [("events:PutTargets", f"arn:aws:events:{HERE}:rule/other/r"), ("iam:PassRole", ROLE)]),
    ("redshift-data", "execute_statement",
     {"Sql": "x", "ClusterIdentifier": "c", "Database": "d", "DbUser": "u"},
     [("redshift-data:ExecuteStatement", f"arn:aws:redshift:{HERE}:cluster:c"),
      ("redshift:GetClusterCredentials", f"arn:aws:redshift:{HERE}:dbuser:c/u"),
      ("redshift:GetClusterCredentials", f"arn:aws:redshift:{HERE}:dbname:c/d")]),
    ("redshift-data", "execute_statement",
     {"Sql": "x", "ClusterIdentifier": "c", "Database": "d"},
     [("redshift-data:ExecuteStatement", f"arn:aws:redshift:{HERE}:cluster:c"),
      ("redshift:GetClusterCredentialsWithIAM", f"arn:aws:redshift:{HERE}:dbname:c/d")]),
    ("redshift-data", "batch_execute_statement",
     {"Sqls": ["x"], "WorkgroupName": "wgr", "Database": "d"},
     [("redshift-data:BatchExecuteStatement",
       f"arn:aws:redshift-serverless:{HERE}:workgroup/wgr"),
      ("redshift-serverless:GetCredentials",
       f"arn:aws:redshift-serverless:{HERE}:workgroup/wgr")]),
    ("iam", "get_role", {"RoleName": "r"}, [("iam:GetRole", ROLE)]),
    ("sts", "assume_role", {"RoleArn": ROLE, "RoleSessionName": "session"},
     [("sts:AssumeRole", ROLE)]),
    ("sts", "get_caller_identity", {}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "expected"),
    CASES,
    ids=[f"{case[0]} {case[1]} {sorted(case[2])}" for case in CASES],
)
def test_a_request_asks_for(
    wire: Wire,
    service: str,
    operation: str,
    arguments: dict[str, Any],
    expected: list[tuple[str, str]],
) -> None:
    assert asked(wire, service, operation, **arguments) == expected


def test_a_list_carries_its_prefix_and_a_passed_role_its_service(wire: Wire) -> None:
    asked(wire, "s3", "list_objects_v2", Bucket="b", Prefix="a/", Delimiter="/")
    assert wire.calls[0].context == {"s3:prefix": ("a/",), "s3:delimiter": ("/",)}
    arguments = {"applicationId": "app", "executionRoleArn": ROLE, "clientToken": "t"}
    asked(wire, "emr-serverless", "start_job_run", **arguments)
    assert wire.calls[1].context == {"iam:passedtoservice": ("emr-serverless.amazonaws.com",)}
    asked(wire, "s3", "list_object_versions", Bucket="b", Prefix="a/")
    assert wire.calls[0].context == {"s3:prefix": ("a/",)}
    asked(wire, "dynamodb", "delete_item", TableName="t", Key=KEY)
    assert wire.calls[0].context == {"dynamodb:leadingkeys": ("1",)}
    change = dict(UpdateExpression="SET #a = #b", ExpressionAttributeNames={"#a": "x", "#b": "y"})
    asked(wire, "dynamodb", "update_item", TableName="t", Key=KEY, **change)
    assert wire.calls[0].context["dynamodb:attributes"] == (*KEY, "x", "y")
    entries = [{"Put": {"TableName": "t", "Item": KEY}}, {"Delete": {"TableName": "t", "Key": KEY}}]
    asked(wire, "dynamodb", "transact_write_items", TransactItems=entries)
    enclosing = {"dynamodb:enclosingoperation": ("TransactWriteItems",)}
    assert [call.context for call in wire.calls] == [
        enclosing,
        {**enclosing, "dynamodb:leadingkeys": ("1",)},
    ]
    where, metric = Route("monitoring", "", "PutMetricData"), b'{"Namespace": "N"}'
    (call,) = calls_of(where, "POST", "/", Headers([]), metric)
    assert call.context == {"cloudwatch:namespace": ("N",)}


def test_a_callback_is_one_of_its_execution(wire: Wire) -> None:
    from aws_durable_execution_sdk_python_testing.token import CallbackToken

    token = CallbackToken(EXECUTION, "operation").to_str()
    assert base64.b64decode(token)
    found = asked(wire, "lambda", "send_durable_execution_callback_heartbeat", CallbackId=token)
    assert found == [("lambda:SendDurableExecutionCallbackHeartbeat", EXECUTION)]


@pytest.mark.parametrize(
    ("where", "method", "path"),
    [
        (Route("athena", "AmazonAthena", "ListWorkGroups"), "POST", "/"),
        (Route("sqs", "", ""), "POST", "/"),
        (Route("s3", "", ""), "PATCH", "/b/k"),
        (Route("lambda", "", ""), "GET", "/2015-03-31/event-source-mappings"),
        (Route("glue", "AWSGlue", "GetDatabases"), "POST", "/"),
        (Route("s3", "", ""), "GET", "/b?something-new"),
        (Route("s3", "", ""), "DELETE", "/b/k?something-new"),
        (Route("s3", "", ""), "GET", "/b?acl&logging"),
        (Route("dynamodb", "", "ExecuteStatement"), "POST", "/"),
        (Route("dynamodb", "", "BatchWriteItem"), "POST", "/"),
        (Route("dynamodb", "", "TransactWriteItems"), "POST", "/"),
        (Route("sqs", "", "CancelMessageMoveTask"), "POST", "/"),
        (Route("events", "", "PutEvents"), "POST", "/"),
    ],
)
def test_what_no_rule_maps_is_refused_by_name(where: Route, method: str, path: str) -> None:
    with pytest.raises(Unmapped, match="does not know which permissions"):
        calls_of(where, method, path, Headers([]), b"{}")


@pytest.mark.parametrize(
    ("service", "operation", "body"),
    [
        ("ssm", "SendCommand", b'{"DocumentName": "d", "Targets": [{"Key": "tag:a"}]}'),
        ("logs", "StartQuery", b'{"logGroupNames": ["g"]}'),
    ],
)
def test_what_a_request_names_only_indirectly_is_refused(
    service: str, operation: str, body: bytes
) -> None:
    with pytest.raises(Unmapped):
        calls_of(Route(service, "", operation), "POST", "/", Headers([]), body)


@pytest.mark.parametrize(
    ("body", "action"),
    [
        (b'<Delete><Object xmlns="x"><Key xml:space="preserve">k</Key></Object></Delete>', ""),
        (b'<d:Delete xmlns:d="x"><d:Object><d:Key>k</d:Key></d:Object></d:Delete>', ""),
        (b"<Delete><Object><VersionId>v</VersionId><Key>k</Key></Object></Delete>", "Version"),
    ],
)
def test_the_keys_to_delete_are_found_however_they_are_written(body: bytes, action: str) -> None:
    found = calls_of(Route("s3", "", ""), "POST", "/b?delete=", Headers([]), body)
    assert found == [Call(f"s3:DeleteObject{action}", "arn:aws:s3:::b/k")]
    assert reads_body(Route("s3", "", ""), "POST", "/b?delete=")


@pytest.mark.parametrize("body", [b"", b"<Delete/>", b"<Delete><Object/></Delete>"])
def test_a_deletion_without_keys_is_malformed(body: bytes) -> None:
    with pytest.raises(ServiceError, match="MalformedXML"):
        calls_of(Route("s3", "", ""), "POST", "/b?delete", Headers([]), body)


@pytest.mark.parametrize(("operation", "passes"), [("GetCallerIdentity", True), ("Other", False)])
def test_only_what_needs_no_permission_passes_without_a_call(operation: str, passes: bool) -> None:
    guard = Guard(Mode.ENFORCE, Grants(), Principals(), lambda *_, **__: [])
    caller, where = Identity.session(ROLE, "session"), Route("sts", "", operation)
    with contextlib.nullcontext() if passes else pytest.raises(Unmapped, match="sts Other"):
        guard.check(caller, where, "POST", "/", Headers([]), b"")
