"""Store Spark's classes as Java has them in memory, so that jobs on this machine start sooner.

    .venv/bin/python scripts/share_spark_classes.py   # `make setup-spark`; only once

A small job loads what jobs on sample data load; its Java writes the classes down when it ends.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

from local.local_cloud.jobs.spark_submit import CLASSES, java_options, spark_environment

INSTALLED = Path(sys.prefix) / "complete.json"  # when the environment was last changed
SECONDS_TO_WRITE = 300


def main() -> int:
    if CLASSES.exists() and CLASSES.stat().st_mtime >= INSTALLED.stat().st_mtime:
        return 0
    print("Storing Spark's classes for a quicker start (only once)", flush=True)
    part = CLASSES.with_suffix(".part")
    with tempfile.TemporaryDirectory() as directory:
        os.environ.update(spark_environment(Path(directory)))
        os.environ["SPARK_SUBMIT_OPTS"] = java_options("ArchiveClassesAtExit", part)
        run_job(Path(directory))
    if not part.exists():
        print("This Java does not store classes; Spark starts without them.", file=sys.stderr)
        return 0
    part.replace(CLASSES)
    return 0


def run_job(directory: Path) -> None:
    """Read and write the formats of datasets; order rows and keep the newest of each key."""
    sql = importlib.import_module("pyspark.sql")
    session = sql.SparkSession.builder.getOrCreate()
    java = session.sparkContext._gateway.proc
    session.sparkContext.setLogLevel("ERROR")
    rows = session.createDataFrame(
        [(str(n), n % 3, n / 2) for n in range(50)], "id string, of int, value double"
    )
    rows.write.parquet(f"{directory}/parquet")
    rows.write.csv(f"{directory}/csv", header=True)
    rows.write.json(f"{directory}/json")
    session.read.csv(f"{directory}/csv", header=True).count()
    session.read.json(f"{directory}/json").count()
    of_key = sql.Window.partitionBy("of").orderBy(sql.functions.col("id").desc())
    newest = session.read.parquet(f"{directory}/parquet").withColumn(
        "rank", sql.functions.row_number().over(of_key)
    )
    newest.where("rank = 1").drop("rank").coalesce(1).write.parquet(f"{directory}/newest")
    session.stop()
    java.stdin.close()
    java.wait(SECONDS_TO_WRITE)


if __name__ == "__main__":
    sys.exit(main())
