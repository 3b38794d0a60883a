"""The shell script by which an instance submits a step: once, however full EMR is."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Final

from remote_jobs.engines.emr_steps import COMMAND_RUNNER, FULL_MESSAGE

# Run Command fills in what stands in double braces; in JSON the first brace can be written so.
DOUBLE_BRACE: Final = re.compile(r"\{(?=\{)")
# The AWS CLI sends a request again whose response was lost, which would submit a second step: it
# may not. The script tries again only after refusals, which submit nothing; the command's timeout,
# which is the job's, ends that. Waiting times differ by process number.
SCRIPT: Final = """\
export AWS_MAX_ATTEMPTS=1 AWS_PAGER=""
while :; do
  if response=$({command} 2>&1); then
    printf '%s\\n' "$response"
    exit 0
  fi
  case "$response" in
    *"{full}"*|*ThrottlingException*|*"Rate exceeded"*) sleep $((15 + $$ % 30)) ;;
    *) printf '%s\\n' "$response" >&2; exit 1 ;;
  esac
done
"""


def add_step_script(cluster: str, name: str, command: Sequence[str], *, region: str) -> str:
    """Shell commands that add the step and print EMR's response, `{"StepIds": ["s-..."]}`.

    Args:
        command: the step's command line.
    """
    step = {
        "Type": "CUSTOM_JAR",
        "Name": name,
        "ActionOnFailure": "CONTINUE",
        "Jar": COMMAND_RUNNER,
        "Args": list(command),
    }
    steps = DOUBLE_BRACE.sub(r"\\u007b", json.dumps([step]))
    words = ["aws", "emr", "add-steps", "--region", region, "--cluster-id", cluster]
    words += ["--output", "json", "--steps", steps]
    return SCRIPT.format(command=shlex.join(words), full=FULL_MESSAGE)
