"""Contracts as the deployment has them, in its code bucket."""

from __future__ import annotations

import difflib
from typing import Final

from botocore.exceptions import ClientError

from cli.client.deployment import Deployment
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from contracts import layout
from contracts.dataset import Dataset
from contracts.errors import InvalidDataset
from dataset_loading.check import CheckedDataset, check_dataset
from dataset_loading.file import parse_dataset

_MISSING: Final = frozenset({"NoSuchKey", "404"})


def read_contract(deployment: Deployment, name: str) -> Dataset:
    """The contract of a dataset, its file parsed; its SQL is not looked at.

    Raises:
        CommandFailed: there is none of this name, or its file is broken.
    """
    file = layout.dataset_source_key(name)
    try:
        return parse_dataset(contract_text(deployment, name), file)[0]
    except InvalidDataset as error:
        raise refuse_broken(file, error) from None


def checked_contract(deployment: Deployment, name: str) -> CheckedDataset:
    """The contract of a dataset, its SQL checked and its result's columns known.

    Raises:
        CommandFailed: there is none of this name, or it is broken.
    """
    try:
        return check_dataset(contract_text(deployment, name), name)
    except InvalidDataset as error:
        raise refuse_broken(layout.dataset_source_key(name), error) from None


def refuse_broken(file: str, error: InvalidDataset) -> CommandFailed:
    """The error for a contract that is broken, with every problem."""
    lines = "\n".join(f"  {problem}" for problem in error.problems)
    return CommandFailed(
        f"the contract {file} is not valid:\n{lines}",
        REFUSED,
        f"correct it, check it (pipeline dataset check {file}), then: pipeline upload",
    )


def contract_text(deployment: Deployment, name: str) -> str:
    """The text of a contract's file.

    Raises:
        CommandFailed: there is none of this name; names those that there are.
    """
    text = find_contract(deployment, name)
    if text is not None:
        return text.decode(errors="replace")
    known = dataset_names(deployment)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "pipeline upload brings contracts there"
    folder = layout.s3_url(deployment.output("CodeBucketName"), "datasets/")
    raise CommandFailed(
        f"there is no dataset {name} in {folder}; there are {', '.join(known) or 'none'}",
        NOT_FOUND,
        hint,
    )


def find_contract(deployment: Deployment, name: str) -> bytes | None:
    """A contract's file; None: there is none of this name."""
    bucket, key = deployment.output("CodeBucketName"), layout.dataset_source_key(name)
    try:
        response = deployment.client("s3").get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise
    content: bytes = response["Body"].read()
    return content


def dataset_names(deployment: Deployment) -> list[str]:
    """The datasets that the deployment has contracts of, by name."""
    prefix, suffix = layout.dataset_source_key("*").split("*")
    pages = (
        deployment.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=deployment.output("CodeBucketName"), Prefix=prefix)
    )
    keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
    return sorted(
        key.removeprefix(prefix).removesuffix(suffix) for key in keys if key.endswith(suffix)
    )
