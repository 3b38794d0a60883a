"""`aws …` as a person types it, by boto3: the commands that README.md shows run without an AWS CLI.

    aws_by_boto3.py s3 cp FILE s3://bucket/prefix/ | s3 ls s3://bucket/prefix/
    aws_by_boto3.py SERVICE OPERATION --option value …

Options are an operation's parameters as the AWS CLI spells them, so a wrong one fails here as well.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import jmespath
from botocore import xform_name
from botocore.config import Config

# Options of the AWS CLI itself, each with a value; none of them changes what is asked for.
OF_THE_COMMAND_LINE = ("--output", "--query", "--cli-binary-format", "--cli-read-timeout")


def main(words: Sequence[str]) -> int:
    """Run one command and print its response; return its exit status."""
    client = boto3.client(words[0], config=Config(read_timeout=300, retries={"max_attempts": 0}))
    if words[0] == "s3":
        return _s3(client, words[1], words[2:])
    given, others = _options(words[2:])
    if unknown := [name for name in given if not name.startswith("--")]:
        raise SystemExit(f"aws: error: {unknown}")
    method = words[1].replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    members = shape.input_shape.members
    names = {f"--{xform_name(name, '-')}": name for name in members}
    request = {
        names[option]: _value(members[names[option]].type_name, text)
        for option, text in given.items()
        if option not in OF_THE_COMMAND_LINE
    }
    if client.can_paginate(method):  # as the AWS CLI does by itself
        response = client.get_paginator(method).paginate(**request).build_full_result()
    else:
        response = getattr(client, method)(**request)
    if words[:2] == ["lambda", "invoke"]:
        Path(others[0]).write_bytes(response.pop("Payload").read())
    _show(response, given.get("--query"), given.get("--output", "json"))
    return 0


def _options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Each option's value, and the words that belong to none."""
    given: dict[str, str] = {}
    others: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            given[word] = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        else:
            others.append(word)
    return given, others


def _value(kind: str, text: str) -> Any:
    if text.startswith(("file://", "fileb://")):
        text = Path(text.partition("://")[2]).read_text()
    if kind == "blob":
        return text.encode()
    return text if kind == "string" else json.loads(text)


def _show(response: dict[str, Any], query: str | None, output: str) -> None:
    response.pop("ResponseMetadata", None)
    found = jmespath.search(query, response) if query else response
    if output == "text":
        print("\t".join(map(str, found)) if isinstance(found, list) else found)
    else:
        print(json.dumps(found, indent=4, default=str))


def _s3(client: Any, command: str, words: Sequence[str]) -> int:
    bucket, _, key = words[-1].removeprefix("s3://").partition("/")
    if command == "cp":
        source = Path(words[0])
        name = key + source.name if not key or key.endswith("/") else key
        client.put_object(Bucket=bucket, Key=name, Body=source.read_bytes())
        print(f"upload: {source} to s3://{bucket}/{name}")
    elif command == "ls":
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        for item in (item for page in pages for item in page.get("Contents", [])):
            print(item["LastModified"], item["Size"], item["Key"])
    else:
        raise SystemExit(f"aws: error: s3 {command} is not known here")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
