"""Whether a message runs Spark on this machine, and what is missing here if it does.

    python -m cli.client.spark events/emr-ssm.json --seed 7

It takes the arguments of `pipeline demo`. Exit status 0: its message runs Spark, and PySpark is not
installed; 1: nothing is to be installed. `make run` asks it, and installs PySpark only then.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from cli.client.messages import ID_TO_COME
from cli.exit_codes import NOT_FOUND, CommandFailed
from contracts.dataset import Dataset
from contracts.errors import InvalidRequest
from contracts.job_step import JobStep
from durable_pipeline.intake import parse_message

ROOT: Final = Path(__file__).resolve().parents[2]
_IMPORTS_SPARK: Final = re.compile(r"^\s*(from|import) pyspark\b", re.MULTILINE)


def runs_spark(body: str, root: Path = ROOT) -> bool:
    """Whether a job of the message's dataset is a Spark script.

    What is wrong with the message or its contract is no matter here: the pipeline refuses it, with
    every reason.

    Args:
        root: of a clone, with `datasets/` and `jobs/`.
    """
    try:
        request = parse_message(body, default_run_id=ID_TO_COME)
        if request is None:
            return False
        contract = (root / "datasets" / f"{request.dataset_name}.yaml").read_text("utf-8")
        dataset = Dataset.from_json(yaml.safe_load(contract))
    except (InvalidRequest, ValidationError, yaml.YAMLError, OSError):
        return False
    return any(_is_spark(root / _script(job)) for job in dataset.jobs)


def check_spark(body: str) -> None:
    """See that this machine can run the message's jobs.

    Raises:
        CommandFailed: they are Spark jobs, and PySpark or Java is not here; says what to type.
    """
    if not runs_spark(body):
        return
    if not _has_pyspark():
        raise CommandFailed(
            "this message's dataset runs a Spark job, and PySpark is not installed here",
            NOT_FOUND,
            "type make setup-spark (310 MB, once), then the same again",
        )
    found = subprocess.run(  # noqa: S603 - our own script
        [ROOT / "scripts" / "find-java"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise CommandFailed(found.stderr.strip(), NOT_FOUND)


def _script(job: JobStep) -> str:
    """Its key in the code bucket; a Glue job of ours has the name of its script."""
    return job.script or f"jobs/{(job.glue_job or '').replace('-', '_')}.py"


def _is_spark(script: Path) -> bool:
    return script.is_file() and bool(_IMPORTS_SPARK.search(script.read_text("utf-8")))


def _has_pyspark() -> bool:
    return importlib.util.find_spec("pyspark") is not None


def main(words: Sequence[str]) -> int:
    """See the module."""
    files = [Path(word) for word in words if not word.startswith("-") and Path(word).is_file()]
    wanted = any(runs_spark(file.read_text("utf-8", errors="replace")) for file in files)
    return 0 if wanted and not _has_pyspark() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
