"""Glue Python shell job: read one object, leave out what is malformed or filtered, write clean CSV.

    clean_csv.py --JOB_ID … --RUN_ID … --UNIT_ID … --JOB_KEY … --INPUT_URL s3://bucket/key
                 --OUTPUT_URL s3://bucket/prefix/ --DATASET_URL s3://bucket/key [--QUERY SQL]
                 [--INPUT_URLS s3://bucket/key]

Under OUTPUT_URL it writes data/part-00000.csv (the contract's columns as text, empty is missing),
rejected.jsonl (the malformed rows) and, last, report.json. A repeat overwrites all three.

With INPUT_URLS, a document that lists objects, it reads these one after another, as if each were
alone, and writes objects/0000/data/part-00000.csv and so on, by the objects' places in their unit;
report.json then lists what it did with each. An object that cannot be read fails the job.

It runs on Python 3.9 with boto3 and duckdb 1.4 or later.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import boto3

from clean_csv_job.cleaning import clean
from clean_csv_job.fetching import MEGABYTE, fetch
from clean_csv_job.options import InvalidData, JobError, arguments, log, split_url
from clean_csv_job.sources import format_of
from reading_rules.no_data import advice_for


def run(options: Any, s3: Any, directory: str) -> None:
    started = time.monotonic()
    target = split_url(options.OUTPUT_URL.rstrip("/") + "/x")
    out_bucket, prefix = target[0], target[1][:-1]
    dataset = read_json(s3, options.DATASET_URL)["dataset"]
    report = {"jobId": options.JOB_ID, "runId": options.RUN_ID}
    if options.INPUT_URLS:
        reports = []
        for found in objects_of(read_json(s3, options.INPUT_URLS), options.INPUT_URLS):
            output = out_bucket, f"{prefix}objects/{found['place']:04d}/"
            about = clean_object(options, s3, dataset, found, directory, output)
            reports.append({"place": found["place"], "url": found["url"], **about})
        report["objects"] = reports
    else:
        found = {"url": options.INPUT_URL}
        report.update(clean_object(options, s3, dataset, found, directory, (out_bucket, prefix)))
    report["seconds"] = round(time.monotonic() - started, 3)
    s3.put_object(
        Bucket=out_bucket,
        Key=prefix + "report.json",
        Body=json.dumps(report, indent=1).encode(),
        ContentType="application/json",
    )
    if options.INPUT_URLS:
        log("wrote", **{**report, "objects": len(report["objects"])})
    else:
        log("wrote", **report)


def read_json(s3: Any, url: str) -> Any:
    bucket, key = split_url(url)
    return json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])


def objects_of(document: Any, url: str) -> Sequence[Mapping[str, Any]]:
    """The objects that the document of INPUT_URLS lists."""
    objects = document.get("objects") if isinstance(document, dict) else None
    if not objects:
        raise JobError(url + " is not a list of objects: it has no field objects, or none in it")
    return cast("Sequence[Mapping[str, Any]]", objects)


def clean_object(
    options: Any,
    s3: Any,
    dataset: Mapping[str, Any],
    found: Mapping[str, Any],
    parent: str,
    output: tuple[str, str],
) -> dict[str, Any]:
    """Read one object and write what comes of it; returns what the report says.

    Args:
        found: the object, as INPUT_URLS lists it; at least its `url`.
        parent: the directory in which the object gets its own, for as long as it is read.
        output: bucket and prefix.
    """
    url = found["url"]
    bucket, key = split_url(url)
    if key.endswith("/"):
        raise JobError("clean_csv reads an object, not another job's output: put it first")
    source = s3.get_object(Bucket=bucket, Key=key)
    _refuse_large(source["ContentLength"], dataset, url)
    with tempfile.TemporaryDirectory(prefix="object-", dir=parent) as directory:
        try:
            file = fetch(source["Body"], key, format_of(dataset), directory, url)
            log("read", job_id=options.JOB_ID, input=url, bytes=source["ContentLength"])
            about = clean(file, dataset, directory, url, options.QUERY)
        except InvalidData as error:
            raise InvalidData(f"{error}{advice_for(key)}") from error
        out_bucket, prefix = output
        s3.upload_file(os.path.join(directory, "data.csv"), out_bucket, prefix + about["files"][0])
        rejected = os.path.join(directory, "rejected.jsonl")
        s3.upload_file(rejected, out_bucket, prefix + "rejected.jsonl")
    return about


def main(argv: Sequence[str] | None = None) -> str | None:
    """Run the job; returns None, or the one line that says why it failed."""
    options = arguments(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="clean-csv-") as directory:
            run(options, boto3.client("s3"), os.path.realpath(directory))
    except Exception as error:  # whatever ends the job, Glue shows the last line of stderr
        if not isinstance(error, JobError):
            log("failed", error=repr(error))
        kind = "InvalidData: " if isinstance(error, InvalidData) else ""
        return f"clean_csv: {kind}{' '.join(str(error).split())}"
    return None


def _refuse_large(size: int, dataset: Mapping[str, Any], url: str) -> None:
    limit = (dataset.get("limits") or {}).get("objectMegabytes", 2048)
    if size > limit * MEGABYTE:
        raise InvalidData(
            f"{url} is larger than the contract's limit of {limit} MB (limits.objectMegabytes);"
            " split it, raise the limit, or take a Spark job instead"
        )


if __name__ == "__main__":
    failure = main()
    if failure:  # Glue takes even sys.exit(0) for a failure in some versions
        sys.exit(failure)
