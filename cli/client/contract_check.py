"""What a message is checked against before it is sent: the deployed contract of its dataset."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.deployment import Deployment
from cli.exit_codes import REFUSED, CommandFailed
from contracts import layout
from contracts.errors import InvalidDataset, InvalidRequest, Problem
from contracts.run_request import RunRequest
from dataset_loading.check import check_query
from dataset_loading.file import parse_dataset

_MISSING: Final = frozenset({"NoSuchKey", "404"})
_ANYWAY: Final = "--unchecked sends the message anyway"


def check_against_contract(deployment: Deployment, request: RunRequest) -> None:
    """Raise if the dataset has no contract, or the query does not fit it.

    Nothing is said where the contract cannot be read: the pipeline checks it again.

    Raises:
        CommandFailed: the pipeline would refuse the message.
    """
    name, bucket = request.dataset_name, deployment.output("CodeBucketName")
    s3 = deployment.client("s3")
    key = layout.dataset_source_key(name)
    try:
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8")
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            raise CommandFailed(
                f"not sent: there is no dataset {name}: {bucket} has no {key}{_others(s3, bucket)}",
                REFUSED,
                f"pipeline upload brings contracts; {_ANYWAY}",
            ) from None
        return  # not ours to read
    except UnicodeDecodeError:
        return  # the pipeline reports it
    if request.query is None:
        return
    try:
        dataset, _ = parse_dataset(text, key)
        check_query(request.query, dataset)
    except InvalidDataset as error:
        raise _refused(f"the contract {key} is not valid", error.problems) from None
    except InvalidRequest as error:
        raise _refused(f"the query does not fit the dataset {name}", error.problems) from None


def _refused(what: str, problems: Any) -> CommandFailed:
    found: tuple[Problem, ...] = tuple(problems)
    lines = "\n".join(f"  {problem}" for problem in found)
    return CommandFailed(f"not sent: {what}\n{lines}", REFUSED, _ANYWAY)


def _others(s3: Any, bucket: str) -> str:
    """The datasets that there are, as far as they may be listed."""
    try:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=layout.dataset_source_key("")[:-5])
    except ClientError:
        return ""
    names = [each["Key"].split("/")[-1] for each in listed.get("Contents", [])]
    found = sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))
    return f"; there are {', '.join(found)}" if found else ""
