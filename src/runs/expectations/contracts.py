"""The contracts that expect something by a time, as the code bucket has them now."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools.metrics import MetricUnit

from contracts import layout
from contracts.dataset import Dataset
from contracts.errors import InvalidDataset, NotFound
from dataset_loading.file import contract_text, parse_dataset
from runtime import clients, s3
from runtime.handler import logger, metrics

_FIELD = b"expect"


@dataclass(frozen=True)
class DeployedContract:
    """A contract's file, read only when its dataset is asked for.

    Attributes:
        name: of the file, for messages.
        changed_at: when it was put there, most recently.
        expecting: reads the dataset; None: it expects nothing, or is broken.
    """

    name: str
    changed_at: datetime
    expecting: Callable[[], Dataset | None]


def deployed_contracts(code_bucket: str) -> Iterator[DeployedContract]:
    """All of them, expecting something or not: one that cannot be read ends nothing here."""
    prefix, suffix = layout.dataset_source_key("*").split("*")
    arguments = {"Bucket": code_bucket, "Prefix": prefix}
    while True:
        with clients.translated(f"listing the datasets in s3://{code_bucket}/{prefix}"):
            page = clients.client("s3").list_objects_v2(**arguments)
        for found in page.get("Contents", ()):
            key = found["Key"]
            if key.endswith(suffix):
                read = functools.partial(_read, code_bucket, key, found["ETag"])
                yield DeployedContract(key, found["LastModified"], read)
        if not page.get("IsTruncated"):
            return
        arguments["ContinuationToken"] = page["NextContinuationToken"]


def _read(code_bucket: str, key: str, etag: str) -> Dataset | None:
    """A broken contract is left out and counted: a run of it is refused with its problems, and
    `pipeline doctor` names it."""
    try:
        return _parsed(code_bucket, key, etag)
    except NotFound:  # removed just now
        return None
    except InvalidDataset as error:
        logger.warning("a broken contract: what it expects is not looked at", extra={"key": key})
        logger.debug("why it is broken", extra={"key": key, "error": str(error)})
        metrics.add_metric("BrokenContracts", MetricUnit.Count, 1)
        return None


@functools.lru_cache(maxsize=512)
def _parsed(code_bucket: str, key: str, etag: str) -> Dataset | None:
    """None: it expects nothing. Cached for the sandbox's life by what the file is."""
    del etag
    content = s3.read_bytes(code_bucket, key)
    if _FIELD not in content:
        return None
    dataset, _ = parse_dataset(contract_text(content, key), key)
    return dataset if dataset.expect is not None else None
