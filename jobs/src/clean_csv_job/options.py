"""What the job is given: its arguments, S3 URLs, and a log."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

USAGE = "Read objects, leave out what is malformed or filtered, write clean CSV."


class JobError(Exception):
    """What ends the job with one clear line."""


class InvalidData(JobError):
    """The object itself is the reason, or the query: another try would end in the same way.

    Its name is what the pipeline looks for in the line (docs/jobs.md).
    """


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The job's arguments; those that Glue adds are passed over."""
    parser = argparse.ArgumentParser(description=USAGE, allow_abbrev=False)
    for name in ("JOB_ID", "INPUT_URL", "OUTPUT_URL", "DATASET_URL"):
        parser.add_argument("--" + name, required=True)
    for name in ("RUN_ID", "UNIT_ID", "JOB_KEY", "QUERY", "INDEX", "INPUT_URLS"):
        parser.add_argument("--" + name)
    return parser.parse_known_args(joined(sys.argv[1:] if argv is None else argv))[0]


def joined(words: Sequence[str]) -> list[str]:
    """`--NAME value` as `--NAME=value`: argparse takes a value like `-items<-3` for an option."""
    pairs, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and "=" not in word and rest and not rest[0].startswith("--"):
            word = word + "=" + rest.pop(0)
        pairs.append(word)
    return pairs


def split_url(url: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise JobError("not an S3 URL (s3://bucket/key): " + url)
    return bucket, key


def log(message: str, **fields: Any) -> None:
    print(json.dumps({"message": message, **fields}), flush=True)
