"""The `aws` that commands on an instance find: `aws emr add-steps`, by boto3.

So that commands run alike on every machine, with an AWS CLI or without. It is run as a script of
its own and imports nothing of ours.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

_COMMAND_RUNNER: Final = "command-runner.jar"
_TYPES: Final = {"CUSTOM_JAR": (), "SPARK": ("spark-submit",)}
_STEP_KEYS: Final = frozenset({"Type", "Name", "ActionOnFailure", "Jar", "Args"})
_USAGE_STATUS: Final = 252  # as the AWS CLI's
_FAILED_STATUS: Final = 254


def main(words: Sequence[str]) -> int:
    """Run one command and return its exit status.

    Args:
        words: what follows `aws`.
    """
    if list(words[:2]) != ["emr", "add-steps"]:
        called = " ".join(["aws", *words[:2]])
        print(f"{called} is not emulated by the local cloud", file=sys.stderr)
        return _USAGE_STATUS
    options = _parser().parse_args(words[2:])
    try:
        steps = [_step(step) for step in _given_steps(options.steps)]
    except (ValueError, KeyError, AttributeError, OSError) as error:
        print(f"Error parsing parameter '--steps': {error!r}", file=sys.stderr)
        return _USAGE_STATUS
    import boto3  # slow, and not needed until here
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = boto3.client("emr", region_name=options.region)
        response = client.add_job_flow_steps(JobFlowId=options.cluster_id, Steps=steps)
    except (ClientError, BotoCoreError) as error:
        print(f"\n{error}", file=sys.stderr)
        return _FAILED_STATUS
    _print({"StepIds": response["StepIds"]}, options.query, options.output)
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"aws: error: {message}", file=sys.stderr)
        raise SystemExit(_USAGE_STATUS)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="aws emr add-steps", allow_abbrev=False)
    parser.add_argument("--cluster-id", required=True)
    parser.add_argument("--steps", required=True, nargs="+")
    parser.add_argument("--region")
    parser.add_argument("--query")
    parser.add_argument("--output", choices=("json", "text"), default="json")
    parser.add_argument("--no-cli-pager", action="store_true")
    return parser


def _given_steps(values: Sequence[str]) -> list[dict[str, Any]]:
    """The steps of `--steps`: JSON, in the command line or in a file named by `file://`."""
    found: list[dict[str, Any]] = []
    for value in values:
        text = Path(value[7:]).read_text("utf-8") if value.startswith("file://") else value
        if not text.lstrip().startswith(("[", "{")):
            raise ValueError("steps are taken as JSON only")
        steps = json.loads(text)
        found += steps if isinstance(steps, list) else [steps]
    return found


def _step(given: dict[str, Any]) -> dict[str, Any]:
    """A step in the API's terms, of one in those of the AWS CLI."""
    unknown = sorted(set(given) - _STEP_KEYS)
    if unknown:
        raise ValueError(f"unknown or not emulated: {', '.join(unknown)}")
    kind = str(given.get("Type", "CUSTOM_JAR")).upper()
    if kind not in _TYPES:
        raise ValueError(f"steps of the Type {kind} are not emulated")
    jar = given.get("Jar", _COMMAND_RUNNER) if kind == "CUSTOM_JAR" else _COMMAND_RUNNER
    return {
        "Name": given.get("Name", "Custom JAR" if kind == "CUSTOM_JAR" else "Spark application"),
        "ActionOnFailure": given.get("ActionOnFailure", "CONTINUE"),
        "HadoopJarStep": {"Jar": jar, "Args": [*_TYPES[kind], *given.get("Args", [])]},
    }


def _print(response: Any, query: str | None, output: str) -> None:
    if query:
        import jmespath  # type: ignore[import-untyped]

        response = jmespath.search(query, response)
    if output == "json":
        print(json.dumps(response, indent=4))
    elif isinstance(response, dict):
        print("\n".join(f"STEPIDS\t{step}" for step in response["StepIds"]))
    elif isinstance(response, list):
        print("\t".join(map(str, response)))
    else:
        print(response)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
