"""Services of ours serve operations by one table, and refuse others as their protocol's errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from local.local_cloud.http.operations import JsonService
from local.local_cloud.http.refusals import error_response
from local.local_cloud.http.services import HttpRequest, Response, ServiceError
from local.local_cloud.jobs.emr_serverless import EmrServerlessService
from local.local_cloud.message_moves import MessageMoves
from local.local_cloud.permissions.grants import Grants
from local.local_cloud.permissions.principals import Principals
from local.local_cloud.permissions.roles import IamService
from local.local_cloud.permissions.sts import StsService
from local.local_cloud.redshift.data import RedshiftDataService


def as_clients_read_it(service: str, response: Response) -> dict[str, Any]:
    """What boto3 makes of a response, by its own model of the service."""
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    operation = model.operation_model(model.operation_names[0])
    parser = create_parser(model.resolved_protocol)
    headers = HeadersDict(response.headers)
    raw = {"status_code": response.status, "headers": headers, "body": response.body}
    return dict(parser.parse(raw, operation.output_shape))


@pytest.mark.parametrize("service", ["glue", "sts", "lambda", "emr-serverless", "s3", "ssm"])
@pytest.mark.parametrize("status", [404, 501])
def test_an_error_is_one_of_the_services_protocol(service: str, status: int) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"} if service == "sts" else {}
    error = ServiceError("NotEmulated", "not <here>", status)

    response = error_response(error, service, form)

    parsed = as_clients_read_it(service, response)["Error"]
    assert (parsed["Code"], parsed["Message"]) == ("NotEmulated", "not <here>")
    if service == "sts":
        assert parsed["Type"] == ("Receiver" if status == 501 else "Sender")
    if service == "lambda":
        assert json.loads(response.body)["Type"] == ("Server" if status == 501 else "User")


def refusal_of(service: Any, *request: Any) -> ServiceError:
    with pytest.raises(ServiceError) as refusal:
        service.handle(*request) if len(request) == 1 else service.call(*request)
    return refusal.value


def test_whatever_the_protocol_an_unknown_operation_is_refused_alike(tmp_path: Path) -> None:
    grants = Grants()
    form = HttpRequest("POST", "/", body=b"Action=GetUser")
    refused = [
        refusal_of(RedshiftDataService("http://127.0.0.1:1", tmp_path, print), "ListSessions", {}),
        refusal_of(StsService(Principals(), grants.roles), form),
        refusal_of(IamService(grants, print, 1), form),
        refusal_of(
            EmrServerlessService("http://127.0.0.1:1", tmp_path, print, {}),
            HttpRequest("DELETE", "/applications/a"),
        ),
        refusal_of(MessageMoves(None), "ListQueues", {}),  # type: ignore[arg-type]
    ]

    assert {(error.code, error.status) for error in refused} == {("NotEmulated", 501)}
    assert [error.message.partition("emulate ")[2] for error in refused] == [
        "redshift-data ListSessions",
        "sts GetUser",
        "iam GetUser",
        "emr-serverless DeleteApplication",
        "sqs ListQueues",
    ]


class Half(JsonService):
    service = "ssm"
    target_prefix = "AmazonSSM"
    forwards = True


def test_what_a_forwarding_service_does_not_serve_is_the_substrates() -> None:
    assert Half({"SendCommand": dict}).serves("SendCommand")
    assert not Half({"SendCommand": dict}).serves("GetParameter")
