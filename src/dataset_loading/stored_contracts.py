"""The datasets in the code bucket: one contract each, found by name."""

from __future__ import annotations

import difflib

from contracts import layout
from contracts.errors import InvalidDataset, NotFound, Problem
from dataset_loading.file import contract_text
from runtime import clients, s3


def read_contract(code_bucket: str, name: str) -> str:
    """The text of a dataset's contract.

    Raises:
        InvalidDataset: there is none of this name, or it is no text.
        NotFound: the bucket is not there.
    """
    key = layout.dataset_source_key(name)
    try:
        return contract_text(s3.read_bytes(code_bucket, key), key)
    except NotFound as error:
        known = _known_datasets(code_bucket)  # raises when it is the bucket that lacks
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"; did you mean {near[0]}?" if near else ""
        problem = f"there is no such dataset; there are {', '.join(known) or 'none'}{advice}"
        raise InvalidDataset(key, [Problem("datasetName", problem, name)]) from error


def _known_datasets(code_bucket: str) -> list[str]:
    prefix, suffix = layout.dataset_source_key("*").split("*")
    with clients.translated(f"listing the datasets in s3://{code_bucket}/{prefix}"):
        pages = clients.client("s3").get_paginator("list_objects_v2")
        keys = [
            found["Key"]
            for page in pages.paginate(Bucket=code_bucket, Prefix=prefix)
            for found in page.get("Contents", ())
        ]
    return sorted(
        key.removeprefix(prefix).removesuffix(suffix) for key in keys if key.endswith(suffix)
    )
