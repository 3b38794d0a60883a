"""A small AWS (moto) that every step test runs against, with the names of the deployed one."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import atomic_moto  # noqa: F401
import pytest
import quick_moto  # noqa: F401
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from ledger.table import Ledger
from runtime import clients as aws
from runtime.handler import metrics
from sources import frozen

REGION = "us-east-1"
LEDGER_TABLE = "ledger"
PROCESSED_DATA_TABLE = "processed-data"
CACHED_CLIENT = aws.client  # tests may replace the name; the cache to clear is this one's
DATA_BUCKET = "data-bucket"
CODE_BUCKET = "code-bucket"
OUTPUT_BUCKET = "output-bucket"
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{DEFAULT_ACCOUNT_ID}/{{}}"
PROJECTIONS = {"active-jobs": "ALL", "by-holder": "KEYS_ONLY", "by-claim-day": "ALL"}
_NOT_USED = (
    "throughput",
    "streams",
    "sse_specification",
    "deletion_protection_enabled",
    "warm_throughput",
)


@dataclass
class Cloud:
    """What the fixture made, and short ways to look at it."""

    topic_arn: str
    queue_url: str
    dead_letter_queue_url: str
    ledger: Ledger = field(default_factory=lambda: Ledger(LEDGER_TABLE))
    data_bucket: str = DATA_BUCKET
    code_bucket: str = CODE_BUCKET

    def client(self, service: str) -> Any:
        return CACHED_CLIENT(service)

    def put(self, key: str, body: bytes | str = b"x", bucket: str = DATA_BUCKET) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def read_json(self, key: str, bucket: str = DATA_BUCKET) -> Any:
        return json.loads(self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    def keys(self, prefix: str = "", bucket: str = DATA_BUCKET) -> list[str]:
        pages = self.client("s3").get_paginator("list_objects_v2")
        return [
            entry["Key"]
            for page in pages.paginate(Bucket=bucket, Prefix=prefix)
            for entry in page.get("Contents", [])
        ]

    def published(self) -> list[dict[str, Any]]:
        """The notifications so far (SNS envelopes off), each taken once, oldest first."""
        return [json.loads(json.loads(body["Body"])["Message"]) for body in self._drain()]

    def envelopes(self) -> list[dict[str, Any]]:
        return [json.loads(body["Body"]) for body in self._drain()]

    def dead_letters(self) -> list[dict[str, Any]]:
        return self._drain(self.dead_letter_queue_url)

    def _drain(self, url: str | None = None) -> list[dict[str, Any]]:
        queue, messages = self.client("sqs"), []
        url = url or self.queue_url
        while batch := queue.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            messages += batch
            for message in batch:
                queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics.clear_metrics()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "DurablePipeline",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "ENVIRONMENT": "test",
        "STACK_NAME": "pipeline",
        "LEDGER_TABLE": LEDGER_TABLE,
        "PROCESSED_DATA_TABLE": PROCESSED_DATA_TABLE,
        "DATA_BUCKET": DATA_BUCKET,
        "CODE_BUCKET": CODE_BUCKET,
        "OUTPUT_BUCKET": OUTPUT_BUCKET,
        "GLUE_JOB_PREFIX": "stack-",
        "SUBMIT_JOB_FUNCTION": "submit-job",
        "WAREHOUSE": "true",
        "REDSHIFT_CLUSTER": "warehouse",
        "REDSHIFT_WORKGROUP": "",
        "REDSHIFT_DATABASE": "dev",
        "REDSHIFT_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:warehouse",
        "REDSHIFT_COPY_ROLE_ARN": "",
        "LONG_RUN_FUNCTION": "long-run:live",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Tables, buckets, topic with a subscribed queue, dead-letter queue.

    They are made in moto's models: by requests it would be half of what most tests cost.
    """
    _forget()
    with mock_aws():
        _make_tables()
        for bucket in (DATA_BUCKET, CODE_BUCKET, OUTPUT_BUCKET):
            make_bucket(bucket)
        sqs, sns = (made[DEFAULT_ACCOUNT_ID][REGION] for made in (sqs_backends, sns_backends))
        queue_url, dead_letter_queue_url = map(QUEUE_URL.format, ("notifications", "dead-letters"))
        queue = sqs.create_queue("notifications")
        sqs.create_queue("dead-letters")
        topic_arn = sns.create_topic("topic").arn
        sns.subscribe(topic_arn, queue.queue_arn, "sqs")
        monkeypatch.setenv("TOPIC_ARN", topic_arn)
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", dead_letter_queue_url)
        yield Cloud(topic_arn, queue_url, dead_letter_queue_url)
    _forget()


@pytest.fixture
def lambda_context() -> Any:
    return SimpleNamespace(
        function_name="step",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:step",
        aws_request_id="request-1",
        get_remaining_time_in_millis=lambda: 60_000,
    )


class Intercepted:
    """A client some of whose operations are handled (or broken) by the test.

    `before` runs instead of the operation when it raises; `after` runs once it is done, so that
    raising there is a call that took effect and whose response was lost.
    """

    def __init__(
        self,
        real: Any,
        operation: str,
        before: Callable[[dict[str, Any]], Any] | None,
        after: Callable[[dict[str, Any]], Any] | None,
    ) -> None:
        self._real, self._operation = real, operation
        self._before, self._after = before, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name != self._operation:
            return real

        def call(**arguments: Any) -> Any:
            if self._before:
                self._before(arguments)
            response = real(**arguments)
            if self._after:
                self._after(arguments)
            return response

        return call


class Clients:
    """Replaces clients of `runtime.clients` for one test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch, self._replaced, self._real = monkeypatch, {}, CACHED_CLIENT

    def use(self, service: str, fake: Any) -> None:
        """From now on `aws.client(service)` is this fake."""
        self._replaced[service] = fake
        self._patch.setattr(aws, "client", self._client)

    def break_once(
        self, service: str, operation: str, error: Exception, *, after: bool, call: int = 1
    ) -> None:
        """The next call of the operation (or a later one) raises, before or after its effect."""
        pending: list[Exception | None] = [error, *[None] * (call - 1)]

        def fail(_: dict[str, Any]) -> None:
            failure = pending.pop() if pending else None
            if failure is not None:
                raise failure

        hooks = (None, fail) if after else (fail, None)
        self.use(service, Intercepted(self._client(service), operation, *hooks))

    def meanwhile(
        self, service: str, operation: str, action: Callable[[], object], *, call: int = 1
    ) -> None:
        """Something else happens just before the next call of the operation (or a later one)."""
        pending: list[Callable[[], object]] = [action, *[lambda: None] * (call - 1)]

        def act(_: dict[str, Any]) -> None:
            if pending:
                pending.pop()()

        self.use(service, Intercepted(self._client(service), operation, act, None))

    def watch(self, service: str, operation: str) -> list[dict[str, Any]]:
        """The arguments of every call of the operation from now on."""
        calls: list[dict[str, Any]] = []
        self.use(service, Intercepted(self._client(service), operation, calls.append, None))
        return calls

    def _client(self, service: str) -> Any:
        return self._replaced[service] if service in self._replaced else self._real(service)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    return Clients(monkeypatch)


def _forget() -> None:
    frozen.read_snapshot.cache_clear()
    frozen.read_manifest_part.cache_clear()
    frozen.objects_of.cache_clear()


def _make_tables() -> None:
    make_table(
        LEDGER_TABLE,
        ("run_id", "item"),
        {
            "active-jobs": ("active", "submitted_at"),
            "by-holder": ("holder", "run_id"),
            "by-claim-day": ("claim_day", "claimed"),
        },
    )
    make_table(PROCESSED_DATA_TABLE, ("pk",))


def make_bucket(name: str) -> None:
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(name, REGION)


def make_table(
    name: str, keys: tuple[str, ...], indexes: dict[str, tuple[str, ...]] | None = None
) -> None:
    """A table by the names of its keys, all texts, and of those of its indexes."""
    indexes = indexes or {}
    attributes = dict.fromkeys(itertools.chain(keys, *indexes.values()))
    dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].create_table(
        name,
        schema=_schema(keys),
        attr=[{"AttributeName": key, "AttributeType": "S"} for key in attributes],
        global_indexes=[
            {
                "IndexName": index,
                "KeySchema": _schema(of),
                "Projection": {"ProjectionType": PROJECTIONS[index]},
            }
            for index, of in indexes.items()
        ],
        billing_mode="PAY_PER_REQUEST",
        indexes=[],
        tags=[],
        **dict.fromkeys(_NOT_USED),
    )


def _schema(keys: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        {"AttributeName": key, "KeyType": kind}
        for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
    ]
