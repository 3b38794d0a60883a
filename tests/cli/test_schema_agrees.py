"""The schema of contracts and the contract's own types: one mind about what is right."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from cli.dataset_schema import dataset_schema
from contracts.errors import InvalidDataset
from dataset_loading.check import check_dataset
from dataset_loading.file import parse_dataset

CHECKER = jsonschema.Draft7Validator(dataset_schema())
SMALL: dict[str, Any] = {
    "name": "visits",
    "source": {"prefix": "landing/visits/"},
    "columns": [{"name": "visit_id"}],
    "targets": {"dynamodb": {"key": ["visit_id"]}},
}
GLUE = {"stage": "clean", "glueJob": "clean-csv"}
SPARK = {"stage": "enrich", "engine": "emr", "script": "jobs/a/b.py"}
FUNCTION = {"stage": "enrich", "engine": "lambda", "function": "enrich-orders"}
COUNTRIES = {"name": "countries", "columns": [{"name": "code", "source": "ISO Code"}]}
KEY_TIME = r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"

Changes = dict[str, Any]


def column(**fields: Any) -> Changes:
    return {"columns": [{"name": "a", **fields}]}


def source(**fields: Any) -> Changes:
    return {"source": {"prefix": "landing/visits/", **fields}}


def files(**fields: Any) -> Changes:
    return {"targets": {"files": {"prefix": "results/visits/", **fields}}}


def warehouse(**fields: Any) -> Changes:
    return {"targets": {"redshift": {"table": "visits", "key": ["visit_id"], **fields}}}


GOOD: dict[str, Changes] = {
    "odd CSV": {
        "format": {
            **{"nulls": ["NA", "\\N"], "skipLines": 3, "footerLines": 1.0, "comment": "#"},
            **{"escape": "\\", "padShortRows": True, "delimiter": "||", "encoding": "utf-16-le"},
            **{"compression": "zip"},
        }
    },
    "odd JSON lines": {
        "format": {"type": "jsonl", "concatenated": True, "caseInsensitive": True, "nulls": ["-"]}
    },
    "odd JSON": {"format": {"type": "json", "records": "$.a_b.c-d", "compression": "bzip2"}},
    "small": {},
    "another name in the file": column(source="Order ID"),
    "bounds by number": column(type="double", minimum=-1, maximum=0.5),
    "bounds by text": column(type="date", minimum="2026-01-01"),
    "decimal": column(type="decimal(38,38)"),
    "a form": column(type="date", format="%d.%m.%Y"),
    "forms": column(
        type="timestamp", format=["epoch-seconds", "%d.%m.%Y %H:%M"], zone="Asia/Tokyo"
    ),
    "a decimal comma": column(type="decimal(5,2)", decimal=",", thousands="."),
    "a percent sign": column(type="double", percent=True),
    "words for truth": column(type="boolean", trueValues=["J"], falseValues=["N"]),
    "columns of the key": {
        "columns": [
            {"name": "a"},
            {"name": "b", "from": "key"},
            {"name": "c", "from": "key", "keyPattern": "c-(?P<value>[a-z]+)"},
            {"name": "d", "from": "partition", "source": "D"},
            {"name": "e", "type": "timestamp", "from": "last-modified"},
        ]
    },
    "no percent sign": column(percent=False, trim=False),
    "nothing": column(trim=True, nulls=["NA", "-"]),
    "truth": column(required=True, unique=False),
    "a whole number with a point": {"limits": {"objects": 5.0}, "rows": {"minimum": 1.0}},
    "a percentage": {"limits": {"rejectedPercentage": 0.5}},
    "rows from": {"rows": {"minimum": 0}},
    "rows up to": {"rows": {"maximum": 9, "severity": "warn"}},
    "both targets": {"targets": {**SMALL["targets"], "redshift": {"table": "a.b", "key": ["x"]}}},
    "files": files(),
    "all of files": files(
        format="csv",
        compression="zstd",
        partitionBy=["x", "y"],
        header=False,
        delimiter="\t",
        replace="partition",
    ),
    "files beside another": {"targets": {**SMALL["targets"], **files()["targets"]}},
    "lines": files(format="jsonl", compression="gzip"),
    "columns": files(format="parquet", compression="snappy", replace="none"),
    "days": {"targets": {"dynamodb": {"key": ["visit_id"], "ttlDays": 30}}},
    "tab": {"format": {"delimiter": "\t", "quote": "'"}},
    "csv": {"format": {"type": "csv", "header": False}},
    "parquet": {"format": {"type": "parquet"}},
    "lookup by key": {"lookups": [{**COUNTRIES, "key": "a.csv"}]},
    "lookup by url": {"lookups": [{**COUNTRIES, "url": "s3://b/a", "format": {"type": "parquet"}}]},
    "partition": source(partition="dt=%Y-%m-%d/", timeFrom="partition"),
    "excluded": source(exclude=["*.tmp", "old/*", "**/[!a]?.csv"]),
    "partition in one": source(partition="%Y%m%d/%H/"),
    "a marker": source(partition="dt=%Y-%m-%d/", ready={"marker": "_SUCCESS"}),
    "a marker waited for": source(
        partition="dt=%Y-%m-%d/",
        ready={"marker": "state/DONE", "otherwise": "wait", "waitSeconds": 60},
    ),
    "a marker not waited for": source(
        partition="%Y/%m/%d/", ready={"marker": "_SUCCESS", "otherwise": "skip"}
    ),
    "modification": source(timeFrom="last-modified", suffix=".csv"),
    "time in the key": source(timeFrom="key", keyTime=KEY_TIME),
    "time in the key as text": source(timeFrom="key", keyTime="events_%Y%m%d_%H.csv"),
    "glue": {"jobs": [GLUE, {**GLUE, "stage": "again", "engine": "glue", "sparkArguments": []}]},
    "spark": {"jobs": [{**SPARK, "sparkArguments": ["--conf", "a=b"], "arguments": {"X": "1"}}]},
    "waiting": {"jobs": [{**GLUE, "pool": "a-b_2", "queueSeconds": 60, "retryDelaySeconds": 0}]},
    "waiting long": {"jobs": [{**SPARK, "queueSeconds": 604_800, "retryDelaySeconds": 3600}]},
    "a load that waits": warehouse(queueSeconds=604_800),
    "a function that is tried again": {"jobs": [{**FUNCTION, "retryDelaySeconds": 5}]},
    "a transform that fails units": {
        "transform": "SELECT * FROM valid",
        "onTransformError": "fail",
    },
    "freshness": {"freshness": {"column": "at", "maximumAgeHours": 1}},
}
BAD: dict[str, Changes] = {
    "a form of texts": column(format="%d.%m.%Y"),
    "no form": column(type="date", format=[]),
    "a zone of days": column(type="date", zone="Europe/Berlin"),
    "a fraction of a whole": column(type="integer", decimal=","),
    "a point of another kind": column(type="double", decimal=";"),
    "letters between thousands": column(type="double", thousands="x"),
    "thousands of days": column(type="date", thousands="."),
    "a percentage of texts": column(percent=True),
    "words for texts": column(trueValues=["J"], falseValues=["N"]),
    "one word for truth": column(type="boolean", trueValues=["J"]),
    "no word for nothing": column(nulls=[""]),
    "a column of nowhere": column(**{"from": "header"}),
    "a pattern of no key": column(keyPattern="c-(?P<value>[a-z]+)"),
    "a pattern of a folder": column(**{"from": "partition", "keyPattern": "(?P<value>a)"}),
    "trim as text": column(trim="yes"),
    "no texts for nothing": {"format": {"nulls": []}},
    "an empty text for nothing": {"format": {"nulls": [""]}},
    "a number for nothing": {"format": {"nulls": [-1]}},
    "a text for nothing twice": {"format": {"nulls": ["NA", "NA"]}},
    "lines of two lines for nothing": {"format": {"nulls": ["a\nb"]}},
    "no lines to skip": {"format": {"skipLines": 0}},
    "too many lines below": {"format": {"footerLines": 101}},
    "truth for lines": {"format": {"footerLines": True}},
    "a long comment": {"format": {"comment": "//"}},
    "another escape": {"format": {"escape": "^"}},
    "a very long delimiter": {"format": {"delimiter": "|||||"}},
    "records of a list": {"format": {"type": "json", "records": "$.a[0]"}},
    "records of CSV": {"format": {"records": "$.a"}},
    "no name": {"name": None},
    "another end for a row": {"onTransformError": "ignore"},
    "no time to wait": {"jobs": [{**GLUE, "queueSeconds": 59}]},
    "too long to wait": {"jobs": [{**GLUE, "queueSeconds": 604_801}]},
    "a delay below nothing": {"jobs": [{**GLUE, "retryDelaySeconds": -1}]},
    "a delay too long": {"jobs": [{**GLUE, "retryDelaySeconds": 3601}]},
    "a pool of capitals": {"jobs": [{**GLUE, "pool": "Database"}]},
    "a pool of an engine": {"jobs": [{**GLUE, "pool": "redshift"}]},
    "a pool by an engine's name": {"jobs": [{**SPARK, "pool": "emr"}]},
    "a pool with a place": {"jobs": [{**SPARK, "pool": "emr/j-1"}]},
    "a function in a pool": {"jobs": [{**FUNCTION, "pool": "database"}]},
    "a function that waits": {"jobs": [{**FUNCTION, "queueSeconds": 60}]},
    "a load without time to wait": warehouse(queueSeconds=1),
    "nothing behind a field": {"transform": None},
    "nothing behind a field of a column": column(pattern=None),
    "nothing in a list": {"rules": [None]},
    "nothing for a target": {"targets": {"dynamodb": None}},
    "a field's name in Python": {"limits": {"unit_seconds": 5}},
    "another": {"freshness": {"column": "at", "maximum_age_hours": 1}},
    "a number as text": {"limits": {"objects": "5"}},
    "a share as text": {"limits": {"rejectedPercentage": "5"}},
    "a fraction": {"limits": {"objects": 5.5}},
    "a truth as number": column(required=1),
    "a truth as text": column(required="yes"),
    "a number as truth": {"rows": {"minimum": True}},
    "a bound as truth": column(minimum=True),
    "a bound as list": column(minimum=[1]),
    "a text as number": {"description": 5},
    "a number among texts": column(allowed=[1]),
    "header as text": {"format": {"header": "no"}},
    "a source without a mark": column(source=" "),
    "an empty source": column(source=""),
    "a long source": column(source="x" * 257),
    "a source as number": column(source=2026),
    "precision": column(type="decimal(39,2)"),
    "no precision": column(type="decimal(0,0)"),
    "digits of elsewhere": column(type="decimal(1８,2)"),
    "spaced": column(type="decimal(18, 2)"),
    "no rows": {"rows": {"severity": "fail"}},
    "negative rows": {"rows": {"minimum": -1}},
    "no target": {"targets": {}},
    "files nowhere": {"targets": {"files": {}}},
    "files with no end": files(prefix="results/visits"),
    "files at the root": files(prefix="/"),
    "files among the pipeline's": files(prefix="runs/visits/"),
    "files among what was rejected": files(prefix="quarantine/"),
    "files among uploads": files(prefix="landing/results/"),
    "files upwards": files(prefix="results/../visits/"),
    "files with nothing between": files(prefix="results//visits/"),
    "files where characters are special": files(prefix="results/{a}/"),
    "files of another kind": files(format="xml"),
    "csv as parquet is compressed": files(compression="snappy"),
    "lines as parquet is compressed": files(format="jsonl", compression="snappy"),
    "a header of lines": files(format="jsonl", header=True),
    "fields of parquet": files(format="parquet", delimiter=","),
    "a quote between fields": files(delimiter='"'),
    "a letter between fields of files": files(delimiter="x"),
    "seven partitions": files(partitionBy=["a", "b", "c", "d", "e", "f", "g"]),
    "partitions to replace and none": files(replace="partition"),
    "runs to replace": files(replace="run"),
    "no key": {"targets": {"dynamodb": {"key": []}}},
    "a line end behind": column(type="string\n"),
    "days beyond": {"targets": {"dynamodb": {"key": ["visit_id"], "ttlDays": 4000}}},
    "a letter between fields": {"format": {"delimiter": "x"}},
    "a digit around fields": {"format": {"quote": "1"}},
    "two characters": {"format": {"quote": "||"}},
    "a line end": {"format": {"delimiter": "\n"}},
    "not ASCII": {"format": {"delimiter": "¦"}},
    "no character": {"format": {"quote": ""}},
    "a lookup nowhere": {"lookups": [COUNTRIES]},
    "a lookup in two places": {"lookups": [{**COUNTRIES, "key": "a.csv", "url": "s3://b/a"}]},
    "a lookup named as the rows": {"lookups": [{**COUNTRIES, "name": "valid", "key": "a.csv"}]},
    "a lookup of JSON": {"lookups": [{**COUNTRIES, "key": "a", "format": {"type": "json"}}]},
    "partition without a day": source(partition="%Y/%m/"),
    "no partition": source(timeFrom="partition"),
    "no time in the key": source(timeFrom="key"),
    "time in the key unasked": source(keyTime=KEY_TIME),
    "time in the key and elsewhere": source(timeFrom="last-modified", keyTime=KEY_TIME),
    "a marker without partitions": source(ready={"marker": "_SUCCESS"}),
    "a marker in no folder": source(partition="dt=%Y-%m-%d", ready={"marker": "_SUCCESS"}),
    "ready without a marker": source(partition="dt=%Y-%m-%d/", ready={"otherwise": "skip"}),
    "a marker from the root": source(partition="dt=%Y-%m-%d/", ready={"marker": "/_SUCCESS"}),
    "ready as text": source(partition="dt=%Y-%m-%d/", ready="_SUCCESS"),
    "another otherwise": source(
        partition="dt=%Y-%m-%d/", ready={"marker": "_SUCCESS", "otherwise": "ignore"}
    ),
    "seconds to fail after": source(
        partition="dt=%Y-%m-%d/",
        ready={"marker": "_SUCCESS", "otherwise": "fail", "waitSeconds": 60},
    ),
    "no time to wait for data": source(
        partition="dt=%Y-%m-%d/", ready={"marker": "_SUCCESS", "waitSeconds": 0}
    ),
    "a week to wait": source(
        partition="dt=%Y-%m-%d/", ready={"marker": "_SUCCESS", "waitSeconds": 604800}
    ),
    "nothing excluded": source(exclude=[]),
    "excluded as text": source(exclude="*.tmp"),
    "an empty pattern": source(exclude=[""]),
    "excluded from the root": source(exclude=["/landing/visits/old/*"]),
    "half a time": source(timeFrom="key", keyTime=r"(?P<year>\d{4})"),
    "half a time as text": source(timeFrom="key", keyTime="events_%Y%m"),
    "glue without a job": {"jobs": [{"stage": "clean"}]},
    "glue with a script": {"jobs": [{**GLUE, "script": "jobs/a.py"}]},
    "glue with options": {"jobs": [{**GLUE, "sparkArguments": ["--x"]}]},
    "spark without a script": {"jobs": [{"stage": "enrich", "engine": "emr-ssm"}]},
    "spark with a glue job": {"jobs": [{**SPARK, "glueJob": "clean-csv"}]},
    "a script elsewhere": {"jobs": [{**SPARK, "script": "jobs/../a.py"}]},
    "a script nowhere": {"jobs": [{**SPARK, "script": "jobs//a.py"}]},
    "a stage of ours": {"jobs": [{**GLUE, "stage": "record-run"}]},
    "a load as job": {"jobs": [{**SPARK, "engine": "redshift"}]},
    "an argument as number": {"jobs": [{**GLUE, "arguments": {"X": 1}}]},
}
BEYOND_A_SCHEMA: dict[str, Changes] = {
    "scale over precision": column(type="decimal(2,3)"),
    "one character for both": {"format": {"delimiter": "|", "quote": "|"}},
    "from over to": {"rows": {"minimum": 2, "maximum": 1}},
    "a name twice": {"columns": [{"name": "a"}, {"name": "a", "type": "date"}]},
    "a source twice": {"columns": [{"name": "a", "source": "X"}, {"name": "b", "source": "x"}]},
    "itself": column(references="a"),
    "no expression": source(timeFrom="key", keyTime=KEY_TIME + "("),
    "an expression without a linear match": source(timeFrom="key", keyTime=KEY_TIME + r"(a)*\1"),
    "another directive": source(timeFrom="key", keyTime="%Y%m%d%j"),
    "cluster": {"jobs": [{**SPARK, "sparkArguments": ["--deploy-mode", "cluster"]}]},
}


def verdicts(changes: Changes) -> tuple[bool, bool]:
    """Whether the schema takes a contract, and whether reading the file does."""
    document = {**SMALL, **changes}
    by_schema = not list(CHECKER.iter_errors(document))
    try:
        parse_dataset(yaml.safe_dump(document, allow_unicode=True), "datasets/visits.yaml")
    except InvalidDataset:
        return by_schema, False
    return by_schema, True


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right_is_right_for_both(name: str) -> None:
    assert verdicts(GOOD[name]) == (True, True)


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_wrong_for_both(name: str) -> None:
    assert verdicts(BAD[name]) == (False, False)


@pytest.mark.parametrize("name", BEYOND_A_SCHEMA)
def test_what_a_schema_cannot_say_is_seen_when_the_contract_is_checked(name: str) -> None:
    assert verdicts(BEYOND_A_SCHEMA[name]) == (True, False)


def test_a_key_that_names_a_column_twice_is_wrong_for_both() -> None:
    document = {**SMALL, "targets": {"dynamodb": {"key": ["visit_id", "visit_id"]}}}

    assert list(CHECKER.iter_errors(document))
    with pytest.raises(InvalidDataset, match="names a column twice"):
        check_dataset(yaml.safe_dump(document), "visits")


def test_an_empty_field_is_reported_with_its_line() -> None:
    text = yaml.safe_dump(SMALL, sort_keys=False) + "transform:\nrows: {minimum: }\n"

    with pytest.raises(InvalidDataset) as refusal:
        parse_dataset(text, "datasets/visits.yaml")

    reported = [str(problem) for problem in refusal.value.problems]
    assert reported[0] == "transform (line 10): is empty: give it a value, or leave the field out"
    assert sum("rows.minimum" in line for line in reported) == 1
