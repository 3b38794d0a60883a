"""validate: a message and its response as they are on the wire."""

from __future__ import annotations

from typing import Any

from data_run import UNIT, DataRun

from contracts import layout
from steps import validate


def test_the_handler_returns_plain_json(cloud: Any, lambda_context: Any) -> None:
    DataRun(cloud).lay_out("id,amount,seen_on,country\na,1,,\n")
    response = validate.handler({"runId": "run-1", "unitId": UNIT}, lambda_context)
    assert response == {
        "rowsIn": 1,
        "filtered": 0,
        "rejected": 0,
        "valid": 1,
        "removed": 0,
        "warned": 0,
        "files": 1,
        "validUrl": f"s3://data-bucket/{layout.valid_prefix('run-1', UNIT)}",
    }
