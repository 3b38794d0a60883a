"""Spark job: of the orders that another job has read, keep each one's newest state, spelled alike.

    orders_spark.py --JOB_ID … --INPUT_URL s3://bucket/prefix/ --OUTPUT_URL s3://bucket/prefix/
                    --DATASET_URL s3://bucket/key [--RUN_ID … --UNIT_ID … --JOB_KEY …]
                    [--INPUT_URLS s3://bucket/key]

One file for Glue, EMR, EMR Serverless and a machine with PySpark; what it does to rows is
`enriched`, a function from one DataFrame to another. INPUT_URL is the output of a job before it in
the chain. Under OUTPUT_URL it writes data/*.parquet (all columns as text), rejected.jsonl
(carried over) and, last, report.json, whose counts go back to the source. A repeat overwrites them.

With INPUT_URLS, a document that lists objects of one unit, it reads of each what the job before has
written below objects/0000/ and so on, and writes likewise: one object after another, so that a row
is compared with those of its own object only.

One rule decides how files are reached. Where Spark's own Hadoop knows the URL's scheme, as it does
for s3:// on Glue and EMR, Spark reads and writes in place and boto3 is not needed. Where it does
not and Spark runs in one process, files are staged: fetched by boto3, worked on in a local
directory, put back. Anywhere else the job ends and says why: executors cannot see that directory.

It runs on Python 3.7 and Spark 3.3 or later, with nothing of ours.
"""

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

OUR_JOB_ID = re.compile(r"^\d{8}T\d{6}Z-")
KEY = "order_id"
CHANGED_AT = "updated_at"
COUNTRIES = {
    "AUSTRIA": "AT",
    "DEUTSCHLAND": "DE",
    "FRANCE": "FR",
    "GERMANY": "DE",
    "UK": "GB",
    "UNITED KINGDOM": "GB",
}
CURRENCIES = {"€": "EUR", "EURO": "EUR", "£": "GBP"}
# Columns whose values this job understands, and the fields that say they are written otherwise.
READ = (KEY, CHANGED_AT, "country", "currency")
WRITTEN = ("format", "zone", "trim", "nulls", "from")
# What validation takes for a timestamp; Spark alone would also take a bare year.
TIMESTAMP = (
    r"^\d{4}-\d{2}-\d{2}"
    r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6}0*)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$"
)


class JobError(Exception):
    """What ends the job with one clear line."""


# -- the rows --------------------------------------------------------------------------------------


def enriched(frame):
    """What this job is for; columns are text before and after."""
    return newest(normalised(frame))


def normalised(frame):
    """No spaces around values, nothing empty, one spelling of countries and currencies."""
    trimmed = [F.trim(F.col(name)) for name in frame.columns]
    frame = frame.select(
        [F.when(value != "", value).alias(n) for n, value in zip(frame.columns, trimmed)]  # noqa: B905
    )
    for name, spellings in (("country", COUNTRIES), ("currency", CURRENCIES)):
        frame = frame.withColumn(name, F.upper(F.col(name))).replace(spellings, subset=[name])
    return frame


def newest(frame, key=KEY, changed_at=CHANGED_AT):
    """Of the rows with the same key, the one that changed last.

    A row without a key, or whose time is none, cannot be compared. It stays, so that validation
    rejects it with a reason. Of rows that changed at once, the greatest text wins: the same one in
    every repeat, whatever the order of the rows.
    """
    columns = [F.col(name) for name in frame.columns]
    text = F.col(changed_at)
    changed = F.when(text.rlike(TIMESTAMP), text.cast("timestamp"))
    comparable = F.col(key).isNotNull() & changed.isNotNull()
    # Rows that cannot be compared are spread by their content, not gathered in one place.
    alike = Window.partitionBy(
        F.when(comparable, F.col(key)), F.when(~comparable, F.xxhash64(*columns))
    ).orderBy(changed.desc(), *[column.desc_nulls_last() for column in columns])
    place = "place among alike"
    ranked = frame.select("*", F.row_number().over(alike).alias(place))
    return ranked.filter(~comparable | (F.col(place) == 1)).drop(place)


def refuse_written(columns):
    """Values that are written otherwise would be taken for other ones, so rows would get lost."""
    for column in columns:
        said = [field for field in WRITTEN if column.get(field)]
        if column["name"] in READ and said:
            raise JobError(
                "orders_spark does not know the field "
                + said[0]
                + " of column "
                + column["name"]
                + "; it reads plain texts, and times as ISO 8601"
            )


def read_rows(spark, locations, form, names):
    """What the job before wrote, as text; columns go by their names."""
    if form == "parquet":
        frame = spark.read.parquet(*locations)
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise JobError("the input lacks the columns " + ", ".join(missing))
        return frame.select([F.col(name).cast("string").alias(name) for name in names])
    if form != "csv":
        raise JobError("the input's format is " + repr(form) + "; csv and parquet are read")
    schema = StructType([StructField(name, StringType()) for name in names])
    options = {
        **{"header": True, "enforceSchema": False, "mode": "FAILFAST", "encoding": "UTF-8"},
        # Without multiLine, a line break within quotes would cut the row.
        **{"sep": ",", "quote": '"', "escape": '"', "multiLine": True, "lineSep": "\n"},
    }
    return spark.read.schema(schema).options(**options).csv(locations)


# -- files -----------------------------------------------------------------------------------------


class HadoopFiles:
    """Files that every part of Spark reaches by their URL."""

    def __init__(self, spark):
        self._fs = spark._jvm.org.apache.hadoop.fs
        self._read_all = spark._jvm.org.apache.commons.io.IOUtils.toByteArray
        self._configuration = spark._jsc.hadoopConfiguration()

    def read(self, url):
        stream = self._at(url)[0].open(self._at(url)[1])
        try:
            return bytes(self._read_all(stream))
        finally:
            stream.close()

    def write(self, url, body):
        system, path = self._at(url)
        stream = system.create(path, True)
        stream.write(bytearray(body))
        stream.close()

    def copy(self, source, target):
        arguments = (*self._at(source), *self._at(target), False, True, self._configuration)
        self._fs.FileUtil.copy(*arguments)

    def readable(self, url):
        return url

    def save(self, frame, prefix):
        frame.write.mode("overwrite").parquet(prefix + "data")
        system, path = self._at(prefix + "data")
        names = sorted(status.getPath().getName() for status in system.listStatus(path))
        return ["data/" + name for name in names if name[0] not in "_."]

    def _at(self, url):
        path = self._fs.Path(url)
        return path.getFileSystem(self._configuration), path


class StagedFiles:
    """Objects that boto3 fetches and puts, by way of a directory."""

    def __init__(self, directory):
        import boto3  # only here: on a cluster it may not be there, and is not needed

        self._s3 = boto3.client("s3")
        self._directory = Path(directory)
        self._fetched = 0

    def read(self, url):
        bucket, key = split_url(url)
        return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, url, body):
        bucket, key = split_url(url)
        self._s3.put_object(Bucket=bucket, Key=key, Body=body)

    def copy(self, source, target):
        bucket, key = split_url(source)
        to_bucket, to_key = split_url(target)
        found = {"Bucket": bucket, "Key": key}
        self._s3.copy_object(CopySource=found, Bucket=to_bucket, Key=to_key)

    def readable(self, url):
        bucket, key = split_url(url)
        self._fetched += 1
        name = "%05d-%s" % (self._fetched, key.rpartition("/")[2])  # noqa: UP031
        path = self._directory / name
        self._s3.download_file(bucket, key, str(path))
        return path.as_uri()

    def save(self, frame, prefix):
        directory = self._directory / "data"
        frame.write.mode("overwrite").parquet(directory.as_uri())
        names = []
        for number, path in enumerate(sorted(directory.glob("part-*"))):
            names.append("data/part-%05d.parquet" % number)  # noqa: UP031
            bucket, key = split_url(prefix + names[-1])
            self._s3.upload_file(str(path), bucket, key)
        return names


def split_url(url):
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise JobError("not an S3 URL (s3://bucket/key): " + url)
    return bucket, key


def files_for(spark, url, directory):
    """How this Spark reaches the URL; the module's docstring has the rule."""
    scheme = url.partition("://")[0]
    if knows_scheme(spark, scheme):
        return HadoopFiles(spark)
    if spark.sparkContext.master.startswith("local"):
        return StagedFiles(directory)
    raise JobError(
        "this cluster's Hadoop knows no file system for " + scheme + "://, and its executors cannot"
        " see files that the driver would fetch; set spark.hadoop.fs." + scheme + ".impl"
    )


def knows_scheme(spark, scheme):
    from py4j.protocol import Py4JJavaError

    systems = spark._jvm.org.apache.hadoop.fs.FileSystem
    try:
        systems.getFileSystemClass(scheme, spark._jsc.hadoopConfiguration())
    except Py4JJavaError:
        return False
    return True


# -- the job ---------------------------------------------------------------------------------------


def arguments(argv=None):
    """The job's arguments; those that Glue adds are passed over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    # Glue may give Spark jobs a --JOB_ID of its own beside ours.
    parser.add_argument("--JOB_ID", required=True, action="append")
    for name in ("INPUT_URL", "OUTPUT_URL", "DATASET_URL"):
        parser.add_argument("--" + name, required=True)
    for name in ("RUN_ID", "UNIT_ID", "JOB_KEY", "INDEX", "INPUT_URLS"):
        parser.add_argument("--" + name)
    options = parser.parse_known_args(argv)[0]
    ours = [word for word in options.JOB_ID if OUR_JOB_ID.match(word)]
    options.JOB_ID = (ours or options.JOB_ID)[-1]
    if not options.INPUT_URL.endswith("/"):
        raise JobError(
            "orders_spark reads another job's output, not the object " + options.INPUT_URL + ";"
            " put clean-csv before it in the dataset's jobs"
        )
    if not options.OUTPUT_URL.endswith("/"):
        options.OUTPUT_URL += "/"
    return options


def run(options, spark, files):
    """Transform the rows and return the report."""
    started = time.time()
    source, target = options.INPUT_URL, options.OUTPUT_URL
    before = read_json(files, source + "report.json")
    dataset = read_json(files, options.DATASET_URL)["dataset"]
    refuse_written(dataset["columns"])
    names = [column["name"] for column in dataset["columns"]]
    report = {"jobId": options.JOB_ID, "runId": options.RUN_ID}
    if options.INPUT_URLS:
        reported = {one["place"]: one for one in before["objects"]}
        report["objects"] = []
        for found in read_json(files, options.INPUT_URLS)["objects"]:
            place = found["place"]
            below = "objects/%04d/" % place  # noqa: UP031
            about = run_object(
                options, spark, files, names, reported[place], source + below, target + below
            )
            report["objects"].append({"place": place, "url": found["url"], **about})
    else:
        report.update(run_object(options, spark, files, names, before, source, target))
    report.update({"spark": spark.version, "seconds": round(time.time() - started, 3)})
    files.write(target + "report.json", json.dumps(report, indent=1).encode())
    log("wrote", **report)
    return report


def read_json(files, url):
    return json.loads(files.read(url).decode())


def run_object(options, spark, files, names, before, source, target):
    """Transform the rows of one object; returns what the report says of it.

    `before` is what the job before reported of it, `source` and `target` are prefixes.
    """
    paths = before.get("files", ["data/part-00000.csv"])
    locations = [files.readable(source + path) for path in paths]
    rows = read_rows(spark, locations, before.get("format", "csv"), names)
    found = rows.count()
    if found != before["rowsOut"]:
        raise JobError(
            source + " holds " + str(found) + " rows, but its report says " + str(before["rowsOut"])
        )
    log("read", job_id=options.JOB_ID, input=source, rows=found, by=type(files).__name__)
    written = files.save(enriched(rows), target)
    rows_out = spark.read.parquet(*[files.readable(target + name) for name in written]).count()
    if before.get("rowsBad"):
        files.copy(source + "rejected.jsonl", target + "rejected.jsonl")
    else:
        files.write(target + "rejected.jsonl", b"")
    return {
        "rowsIn": before["rowsIn"],
        "rowsOut": rows_out,
        "rowsFiltered": before["rowsFiltered"],
        "rowsBad": before["rowsBad"],
        "rowsRemoved": before.get("rowsRemoved", 0) + found - rows_out,
        "format": "parquet",
        "files": written,
    }


def session():
    """The service's session, or one of this process; where it runs is not for a script to say."""
    return (
        SparkSession.builder.appName("orders_spark")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "false")  # a value that is no time is NULL, no failure
        .getOrCreate()
    )


def log(message, **fields):
    print(json.dumps({"message": message, **fields}), flush=True)


def first_line(error):
    """What went wrong: of a Java exception the sentence, not the hundred lines of its trace."""
    text = str(getattr(error, "java_exception", None) or error)
    return " ".join(text.splitlines()[0].split())[:1000] if text.strip() else repr(error)


def main(argv=None):
    options = arguments(argv)
    spark = session()
    try:
        with tempfile.TemporaryDirectory(prefix="orders-spark-") as directory:
            files = files_for(spark, options.OUTPUT_URL, os.path.realpath(directory))
            run(options, spark, files)
    except JobError:
        raise
    except Exception as error:
        raise JobError(first_line(error)) from error
    finally:
        if spark.sparkContext.master.startswith("local"):
            spark.stop()  # so that Java prints nothing after the line that reports the failure


if __name__ == "__main__":
    # Services show a job's last line: the exception's own. An exit status would hide it, and Glue
    # takes even sys.exit(0) for a failure in some versions.
    main()
