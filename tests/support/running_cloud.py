"""The deployed pipeline on the local cloud, as its users see it: by boto3 and nothing else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cli.client.wheel import upload_stand_in
from local import sample_data
from local.local_cloud.cloud import LocalCloud

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 90
# A function of users, which tests create; the template lets the pipeline invoke it by name.
JOB_FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:enrich-orders"
# Parameters with which `pipeline verify` takes a deployment for one without engines of Spark.
WITHOUT_SPARK = {"EmrClusterId": "", "EmrServerlessApplicationId": ""}
Item = dict[str, Any]


class RunningCloud:
    """Send messages; look at what came of them."""

    def __init__(self, cloud: LocalCloud, *, with_sample: bool = True) -> None:
        self.cloud = cloud
        self.outputs = cloud.outputs
        if with_sample:
            upload_stand_in(cloud.client("s3"), self.outputs["CodeBucketName"])
            self.put_sample()

    def put_sample(self) -> None:
        """Write the sample objects, over others of the same keys if there are any."""
        self.sample = sample_data.upload(
            self.cloud.client("s3"),
            self.outputs["DataBucketName"],
            self.outputs["CodeBucketName"],
            rows=42,  # as few as have dirt of each kind: every row is a request to DynamoDB
            dirt=3,
        )
        self._try_again_at_once()

    def _try_again_at_once(self) -> None:
        """Contracts let the next attempt of a job wait for 30 seconds, which tests need not."""
        s3, bucket = self.cloud.client("s3"), self.outputs["CodeBucketName"]
        for key in ("orders", "orders_emr", "orders_glue", "orders_spark"):
            name = f"datasets/{key}.yaml"
            text = s3.get_object(Bucket=bucket, Key=name)["Body"].read().decode()
            assert "attempts: 2" in text
            quick = re.sub(
                r"^( +)attempts: 2$", r"\1attempts: 2\n\1retryDelaySeconds: 0", text, flags=re.M
            )
            quick = quick.replace("attempts: 2}", "attempts: 2, retryDelaySeconds: 0}")
            s3.put_object(Bucket=bucket, Key=name, Body=quick.encode())

    def send(self, message: dict[str, Any] | str) -> str:
        """Send a message; return its id."""
        body = message if isinstance(message, str) else json.dumps(message)
        sent = self.cloud.client("sqs").send_message(
            QueueUrl=self.outputs["DataProcessingQueueUrl"], MessageBody=body
        )
        return str(sent["MessageId"])

    def run(self, run_id: str) -> Item | None:
        """The run's RUN item."""
        response = self.cloud.client("dynamodb").get_item(
            TableName=self.outputs["LedgerTable"],
            Key={"run_id": {"S": run_id}, "item": {"S": "RUN"}},
            ConsistentRead=True,
        )
        return response.get("Item")

    def await_run(self, run_id: str, *statuses: str, patience: float = PATIENCE_SECONDS) -> Item:
        """The RUN item as soon as it has one of these statuses."""

        def found() -> Item | None:
            run = self.run(run_id)
            return run if run and run["status"]["S"] in statuses else None

        return wait_until(found, f"run {run_id} to be {' or '.join(statuses)}", patience)

    def await_end(self, execution: str) -> Item:
        """The durable execution of this ARN, once it has ended."""
        client = self.cloud.client("lambda")

        def ended() -> Item | None:
            found: Item = client.get_durable_execution(DurableExecutionArn=execution)
            return found if found["Status"] != "RUNNING" else None

        return wait_until(ended, f"the end of {execution}")

    def ledger(self, run_id: str, prefix: str) -> list[Item]:
        response = self.cloud.client("dynamodb").query(
            TableName=self.outputs["LedgerTable"],
            KeyConditionExpression="run_id = :run AND begins_with(#item, :prefix)",
            ExpressionAttributeNames={"#item": "item"},
            ExpressionAttributeValues={":run": {"S": run_id}, ":prefix": {"S": prefix}},
            ConsistentRead=True,
        )
        items: list[Item] = response["Items"]
        return items

    def stored(self, run_id: str) -> list[Item]:
        pages = self.cloud.client("dynamodb").get_paginator("scan")
        return [
            item
            for page in pages.paginate(TableName=self.outputs["ProcessedDataTable"])
            for item in page["Items"]
            if item["run_id"]["S"] == run_id
        ]

    def query(self, sql: str) -> list[list[Any]]:
        """Rows of a warehouse query."""
        client = self.cloud.client("redshift-data")
        records = client.get_statement_result(Id=self.execute(sql))["Records"]
        return [[next(iter(field.values())) for field in record] for record in records]

    def execute(self, sql: str) -> str:
        """Run a statement in the warehouse; its id."""
        client = self.cloud.client("redshift-data")
        response = client.execute_statement(WorkgroupName="local", Database="dev", Sql=sql)
        statement: str = response["Id"]

        def ended() -> Item | None:
            described: Item = client.describe_statement(Id=statement)
            return described if described["Status"] in ("FINISHED", "FAILED", "ABORTED") else None

        described = wait_until(ended, sql)
        assert described["Status"] == "FINISHED", described.get("Error")
        return statement

    def executions(self, function: str) -> list[Item]:
        """Durable executions of `PipelineFunction` or `LongRunFunction`, newest first."""
        response = self.cloud.client("lambda").list_durable_executions_by_function(
            FunctionName=self.outputs[f"{function}Arn"], ReverseOrder=True
        )
        items: list[Item] = response["DurableExecutions"]
        return items

    def dead_letter(self, text: str) -> Item:
        """The dead letter whose body holds the text; it is taken off the queue."""
        queue, url = self.cloud.client("sqs"), self.outputs["DeadLetterQueueUrl"]

        def found() -> Item | None:
            for _ in range(20):  # there may be more than one batch of others
                batch = queue.receive_message(
                    QueueUrl=url,
                    MaxNumberOfMessages=10,
                    MessageAttributeNames=["All"],
                    VisibilityTimeout=1,
                )
                if not batch.get("Messages"):
                    break
                for message in batch["Messages"]:
                    if text in message["Body"]:
                        queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                        letter: Item = message
                        return letter
            return None

        return wait_until(found, f"a dead letter with {text!r}")

    def queue_is_empty(self) -> bool:
        """Whether every message was acknowledged, or has gone to the dead-letter queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.cloud.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs["DataProcessingQueueUrl"], AttributeNames=names
        )["Attributes"]
        return not any(int(counts[name]) for name in names)

    def glue_state(self, job: Item) -> str:
        """The state of a JOB item's Glue run, as Glue has it."""
        run = self.cloud.client("glue").get_job_run(
            JobName=job["target"]["S"], RunId=job["service_id"]["S"]
        )["JobRun"]
        return str(run["JobRunState"])

    def results(self, run_id: str) -> Item:
        """The run's results document."""
        s3, bucket = self.cloud.client("s3"), self.outputs["DataBucketName"]
        body = s3.get_object(Bucket=bucket, Key=f"runs/{run_id}/results.json")["Body"].read()
        document: Item = json.loads(body)
        return document

    @contextmanager
    def job_failing_for(self, input_part: str) -> Iterator[None]:
        """For a while the Glue script fails for inputs whose URL has this part."""
        with self.job_doing("sys.exit('no such luck')", input_part):
            yield

    @contextmanager
    def job_hanging_for(self, input_part: str) -> Iterator[None]:
        """For a while the Glue script does not come to an end for inputs with this part."""
        with self.job_doing("import time; time.sleep(600)", input_part):
            yield

    @contextmanager
    def job_waiting_for(self, file: Path) -> Iterator[None]:
        """For a while the Glue script waits for this file to be there, whatever its input."""
        with self.job_doing(
            f"import os, time\n    while not os.path.exists({str(file)!r}): time.sleep(0.1)", ""
        ):
            yield

    @contextmanager
    def job_doing(self, what: str, input_part: str) -> Iterator[None]:
        """For a while the Glue script does this for inputs whose URL has this part."""
        s3, bucket = self.cloud.client("s3"), self.outputs["CodeBucketName"]
        key, imports = "jobs/clean_csv.py", "import argparse\n"
        real = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        failing = f"import sys\nif any({input_part!r} in word for word in sys.argv):\n    {what}\n"
        assert imports in real
        broken = real.replace(imports, imports + failing, 1)
        s3.put_object(Bucket=bucket, Key=key, Body=broken.encode())
        try:
            yield
        finally:
            s3.put_object(Bucket=bucket, Key=key, Body=real.encode())

    def kill_functions(self) -> int:
        """Kill every function's processes, whatever they are doing; return how many."""
        functions = self.cloud.client("lambda").list_functions()["Functions"]
        kill = self.cloud.functions.kill_sandboxes
        return sum(kill(function["FunctionName"]) for function in functions)


def wait_until(
    look: Callable[[], Item | None], what: str, patience: float = PATIENCE_SECONDS
) -> Item:
    """What `look` finds, asked again and again; fails after a while.

    The longer it waits, the longer it pauses: looks take the processor from what they wait for.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < patience:
        found = look()
        if found is not None:
            return found
        time.sleep(min(max(0.1, waited / 10), 1))
    raise AssertionError(f"waited {patience:g} s in vain for {what}")
