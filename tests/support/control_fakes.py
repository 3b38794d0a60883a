"""What the tests of the control steps share: requests, runs in the ledger, a fake of executions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from contracts import layout
from contracts.dataset import DatasetSnapshot
from contracts.messages import ClaimRun
from contracts.run_request import RunRequest
from dataset_loading.check import check_dataset
from ledger.table import Ledger
from runs.claims import claim_run
from runtime import s3

NOW = datetime(2026, 11, 20, 8, 15, 0, 123456, tzinfo=UTC)
LOST_RESPONSE = EndpointConnectionError(endpoint_url="https://service")

DATASET = """\
name: orders
source:
  prefix: landing/orders/
  partition: dt=%Y-%m-%d/
  suffix: .csv
columns:
  - {name: order_id, type: integer, required: true}
  - {name: amount, type: "decimal(10,2)", minimum: 0}
  - {name: country, allowed: [DE, AT]}
  - {name: ordered_on, type: date}
rules:
  - {name: positive, check: amount > 0}
transform: |
  SELECT order_id, amount, upper(country) AS country FROM valid
targets:
  dynamodb: {key: [order_id]}
limits: {objects: 50, objectMegabytes: 1}
"""


def arn(execution: str) -> str:
    return (
        f"arn:aws:lambda:us-east-1:123456789012:function:pipeline:1/durable-execution/{execution}/0"
    )


def request(**fields: Any) -> RunRequest:
    return RunRequest.from_json(
        {"datasetName": "orders", "runId": "r1", "startDateTime": "2026-11-01", **fields}
    )


def client_error(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "Operation",
    )


class Executions:
    """Lambda's durable executions as far as the steps use them: by ARN and by name."""

    def __init__(self) -> None:
        self.status: dict[str, str] = {}
        self.started: dict[str, bytes] = {}
        self.durable = True

    def get_durable_execution(self, **arguments: Any) -> dict[str, Any]:
        known = self.status.get(arguments["DurableExecutionArn"])
        if known is None:
            raise client_error("ResourceNotFoundException", 404)
        return {"Status": known}

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        name, payload = arguments["DurableExecutionName"], arguments["Payload"]
        assert arguments["InvocationType"] == "Event"
        if self.started.setdefault(name, payload) != payload:
            raise client_error("DurableExecutionAlreadyStartedException", 409)
        self.status[arn(name)] = "RUNNING"
        return {"StatusCode": 202} | ({"DurableExecutionArn": arn(name)} if self.durable else {})


def claimed(ledger: Ledger, execution: str = "one", **fields: Any) -> RunRequest:
    """A run in the ledger, held by the execution."""
    message = request(**fields)
    claim_run(ClaimRun(request=message, execution_arn=arn(execution)), ledger, NOW)
    return message


def freeze_dataset(
    data_bucket: str, run_id: str = "r1", text: str = DATASET, input_url: str | None = None
) -> DatasetSnapshot:
    """Put the contract where load_dataset puts it."""
    checked = check_dataset(text, "orders")
    snapshot = DatasetSnapshot(
        dataset=checked.dataset,
        version=checked.version,
        query=None,
        index="orders",
        run_id=run_id,
        run_started_at="2026-11-20T08:15:00Z",
        output_columns=checked.output_columns,
        input_url=input_url,
    )
    s3.write_json(data_bucket, layout.dataset_snapshot_key(run_id), snapshot.to_json())
    return snapshot
