"""What a message is checked against before it is sent: the deployed contract of its dataset."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.contracts import dataset_names, find_contract
from cli.client.deployment import Deployment
from cli.exit_codes import REFUSED, CommandFailed
from contracts import layout
from contracts.errors import InvalidDataset, InvalidRequest, Problem
from contracts.run_request import RunRequest
from dataset_loading import only_new
from dataset_loading.check import check_query
from dataset_loading.file import parse_dataset

_ANYWAY: Final = "--unchecked sends the message anyway"


def check_against_contract(deployment: Deployment, request: RunRequest) -> None:
    """Raise if the dataset has no contract, or query or onlyNew do not fit it.

    Nothing is said where the contract cannot be read: the pipeline checks it again.

    Raises:
        CommandFailed: the pipeline would refuse the message.
    """
    name, key = request.dataset_name, layout.dataset_source_key(request.dataset_name)
    try:
        found = find_contract(deployment, name)
        known = dataset_names(deployment) if found is None else []
    except ClientError:
        return  # not ours to read
    if found is None:
        raise CommandFailed(
            f"not sent: there is no dataset {name}: {deployment.output('CodeBucketName')} has no"
            f" {key}; there are {', '.join(known) or 'none'}",
            REFUSED,
            f"pipeline upload brings contracts; {_ANYWAY}",
        )
    try:
        text = found.decode()
    except UnicodeDecodeError:
        return  # the pipeline reports it
    if request.query is None and request.only_new is None:
        return
    try:
        dataset, _ = parse_dataset(text, key)
        if problems := only_new.problems_of(request, dataset):
            raise _refused(f"the message does not fit the dataset {name}", problems)
        if request.query is not None:
            check_query(request.query, dataset)
    except InvalidDataset as error:
        raise _refused(f"the contract {key} is not valid", error.problems) from None
    except InvalidRequest as error:
        raise _refused(f"the query does not fit the dataset {name}", error.problems) from None


def _refused(what: str, problems: Any) -> CommandFailed:
    found: tuple[Problem, ...] = tuple(problems)
    lines = "\n".join(f"  {problem}" for problem in found)
    return CommandFailed(f"not sent: {what}\n{lines}", REFUSED, _ANYWAY)
