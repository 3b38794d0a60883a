"""List all keys in one way, in a process of its own; prints what it took."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import boto3

from contracts.dataset import Limits, Source
from sources.limits import check_limits
from sources.listing import list_source
from sources.manifest import freeze, write_packs

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)


def paginator(bucket: str, _keys: int) -> int:
    """boto3 alone, which retains the key, the size and the ETag of each object."""
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    found = [
        (each["Key"], each["Size"], each["ETag"])
        for page in pages.paginate(Bucket=bucket, Prefix="landing/orders/")
        for each in page["Contents"]
    ]
    return len(found)


def listing(bucket: str, keys: int) -> int:
    """The listing of a run, filtered by the contract's source."""
    source = Source(prefix="landing/orders/", partition="dt=%Y-%m-%d/", suffix=".csv.gz")
    return sum(len(some) for some in list_source(source, bucket, START, END, keys).objects)


def manifest(bucket: str, keys: int) -> int:
    """Listed, and frozen into the run's manifest."""
    source = Source(prefix="landing/orders/", partition="dt=%Y-%m-%d/", suffix=".csv.gz")
    found = list_source(source, bucket, START, END, keys)
    objects = check_limits(found.objects, Limits(objects=keys))
    packs = write_packs(objects, "run-1", "frozen", 1)
    return freeze(packs, found, "run-1", 181, "frozen", 1).objects


WAYS: dict[str, Callable[[str, int], int]] = {
    "boto3": paginator,
    "listing": listing,
    "manifest": manifest,
}


def main(way: str, port: str, keys: int) -> int:
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    WAYS[way]("keys-1", 1)  # imports and the client
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, processor = time.perf_counter(), time.process_time()
    if WAYS[way](f"keys-{keys}", keys) != keys:
        raise AssertionError("keys are missing")
    took = {"seconds": time.perf_counter() - began, "processor": time.process_time() - processor}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**took, "megabytes": (after - before) / 1024}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
