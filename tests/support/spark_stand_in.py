"""A stand-in for `jobs/orders_spark.py` that needs no Spark: the same work, by the csv module.

It is uploaded in the real script's place and run by the same services, with the same arguments, and
leaves what a job leaves. For units that a test names it fails, or comes to no end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from running_cloud import RunningCloud

from local import sample_data

KEY = "jobs/orders_spark.py"
SCRIPT = """
import csv
import io
import json
import sys
import time

import boto3

words = sys.argv[1:]
given = dict(zip(words[::2], words[1::2]))
if given["--UNIT_ID"] in FAILING:
    sys.exit("no such luck")
if given["--UNIT_ID"] in HANGING:
    time.sleep(600)


def split(url):
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix


s3 = boto3.client("s3")
bucket, before = split(given["--INPUT_URL"])
after = split(given["--OUTPUT_URL"])[1]


def read(name):
    return s3.get_object(Bucket=bucket, Key=before + name)["Body"].read().decode()


def write(name, text):
    s3.put_object(Bucket=bucket, Key=after + name, Body=text.encode())


report = json.loads(read("report.json"))
newest = {}
for number, row in enumerate(csv.DictReader(io.StringIO(read(report["files"][0]), newline=""))):
    for name in ("country", "currency"):
        row[name] = SPELLINGS.get(row[name], row[name])
    key = row["order_id"] or number
    if key not in newest or newest[key]["updated_at"] < row["updated_at"]:
        newest[key] = row
rows = io.StringIO(newline="")
writer = csv.DictWriter(rows, list(row), lineterminator="\\n")
writer.writeheader()
writer.writerows(newest.values())
write(report["files"][0], rows.getvalue())
write("rejected.jsonl", read("rejected.jsonl"))
report["rowsRemoved"] = report["rowsOut"] - len(newest)
report.update(rowsOut=len(newest), jobId=given["--JOB_ID"], runId=given["--RUN_ID"])
write("report.json", json.dumps(report))
"""


@contextmanager
def no_spark(
    cloud: RunningCloud, *, failing: tuple[str, ...] = (), hanging: tuple[str, ...] = ()
) -> Iterator[None]:
    """For a while the Spark script is this one.

    Args:
        failing, hanging: ids of units whose Spark job fails, or goes on for ever.
    """
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["CodeBucketName"]
    real = s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()
    spellings = {written: plain for plain, written in sample_data.SPELLINGS.items()}
    script = f"FAILING, HANGING, SPELLINGS = {failing!r}, {hanging!r}, {spellings!r}\n{SCRIPT}"
    s3.put_object(Bucket=bucket, Key=KEY, Body=script.encode())
    try:
        yield
    finally:
        s3.put_object(Bucket=bucket, Key=KEY, Body=real)
