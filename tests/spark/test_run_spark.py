"""`make run-spark` as a person runs it: a Python job, then a Spark job, through the local cloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import sample_data

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.cloud, pytest.mark.spark, pytest.mark.timeout(600)]


def test_a_chain_of_two_engines_accounts_for_every_row_of_the_source(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "demo", "events/run-spark.json"]
    done = subprocess.run(  # noqa: S603
        [*command, "--port", "0", "--json", "--state-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert (report["status"], report["addsUp"]) == ("SUCCEEDED", True)
    files = sample_data.make_exports().files
    assert report["rows"] == {
        "rowsIn": sum(file.rows for file in files),
        "filtered": 0,
        "rejected": sum(file.malformed + file.invalid for file in files),
        "removed": sum(file.outdated for file in files),
        "stored": sum(file.valid for file in files),
        "warned": 0,
        "superseded": 0,
    }
    # Both jobs of every unit, and its load; what is stored carries the id of the last of the chain.
    for unit in report["units"]:
        assert len(unit["jobIds"]) == 3
        assert len(set(unit["jobIds"])) == 3
    of_spark = {unit["jobIds"][1] for unit in report["units"]}
    (_, by_unit) = report["warehouse"]
    job_id = by_unit["columns"].index("job_id")
    assert {row[job_id] for row in by_unit["rows"]} == of_spark
