"""dataset check: what a contract may say of how its files are written; every problem at once."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from contracts.dataset import CsvFormat, Dataset
from contracts.errors import InvalidDataset
from dataset_loading.check import check_dataset

CLEAN = [{"stage": "clean", "engine": "glue", "glueJob": "clean-csv"}]
OWN = [{"stage": "mine", "engine": "glue", "glueJob": "my-own"}]
SPARK = [{"stage": "enrich", "engine": "emr", "script": "jobs/mine.py"}]


def checked(form: dict[str, Any], **changes: Any) -> Dataset:
    text = yaml.safe_dump(
        {
            "name": "sales",
            "source": {"prefix": "landing/sales/"},
            "format": form,
            "columns": [{"name": "id"}],
            "targets": {"dynamodb": {"key": ["id"]}},
            **changes,
        }
    )
    return check_dataset(text, "sales").dataset


def problems(form: dict[str, Any], **changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidDataset) as refused:
        checked(form, **changes)
    return {
        problem.path.partition(" ")[0]: f"{problem.message} ({problem.value})"
        for problem in refused.value.problems
    }


def test_all_that_is_wrong_is_said_at_once_with_the_path() -> None:
    found = problems(
        {
            **{"nulls": ["NA", "NA"], "skipLines": 0, "footerLines": 101, "comment": "ab"},
            **{"escape": "/", "padShortRows": "yes", "encoding": "utf-32", "compression": "xz"},
            **{"delimiter": "|||||"},
        }
    )
    assert {path.removeprefix("format.") for path in found} == {
        *("nulls", "skipLines", "footerLines", "comment", "escape", "padShortRows", "encoding"),
        *("compression", "delimiter"),
    }
    assert "one to four ASCII characters" in found["format.delimiter"]
    assert "name each text once" in found["format.nulls"]


@pytest.mark.parametrize(
    ("form", "path", "message"),
    [
        ({"comment": '"'}, "format.comment", "must be another character than the quote"),
        ({"delimiter": "||", "comment": "|"}, "format.comment", "must be another character"),
        ({"quote": "\\", "escape": "\\"}, "format.escape", "take another quote"),
        ({"delimiter": "\\", "escape": "\\"}, "format.escape", "take another delimiter"),
        ({"comment": "\\", "escape": "\\"}, "format.escape", "take another comment"),
        ({"delimiter": '|"'}, "format", "the delimiter must not hold the quote"),
        ({"nulls": [""]}, "format.nulls", "a text of 1 to 100 characters"),
        ({"nulls": ["a\nb"]}, "format.nulls", "in one line"),
        ({"type": "json", "records": "Records"}, "format.records", "such as $.Records"),
        ({"type": "json", "records": "$"}, "format.records", "such as $.Records"),
        ({"type": "json", "records": "$.a[*]"}, "format.records", "such as $.Records"),
        ({"type": "json", "concatenated": True}, "format.concatenated", "is not a field here"),
        ({"type": "jsonl", "records": "$.a"}, "format.records", "is not a field here"),
        ({"type": "parquet", "comment": "#"}, "format.comment", "is not a field here"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_makes_no_sense_is_refused(form: dict[str, Any], path: str, message: str) -> None:
    assert message in problems(form)[path]


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ({"nulls": ["NA"]}, "format.nulls"),
        ({"skipLines": 1}, "format.skipLines"),
        ({"footerLines": 1}, "format.footerLines"),
        ({"comment": "#"}, "format.comment"),
        ({"escape": "\\"}, "format.escape"),
        ({"padShortRows": True}, "format.padShortRows"),
        ({"delimiter": "||"}, "format.delimiter"),
        ({"encoding": "utf-16-le"}, "format.encoding"),
        ({"compression": "zip"}, "format.compression"),
        ({"type": "jsonl", "concatenated": True}, "format.concatenated"),
        ({"type": "json", "records": "$.a"}, "format.records"),
        ({"type": "jsonl", "caseInsensitive": True}, "format.caseInsensitive"),
        ({"type": "parquet", "nulls": ["NA"]}, "format.nulls"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("jobs", [OWN, SPARK], ids=["own", "spark"])
def test_a_job_that_may_not_know_a_field_is_named(
    form: dict[str, Any], path: str, jobs: list[dict[str, Any]]
) -> None:
    found = problems(form, jobs=jobs)
    assert list(found) == [path]
    assert (
        f"the first job here, {jobs[0]['stage']}, reads the objects in its own way" in found[path]
    )
    assert checked(form, jobs=[*CLEAN, *jobs]).jobs[1].stage == jobs[0]["stage"]


def test_a_contract_of_before_is_as_it_was() -> None:
    assert CsvFormat().to_json() == {
        **{"type": "csv", "delimiter": ",", "quote": '"', "header": True},
        **{"encoding": "utf-8", "compression": "auto"},
    }
    assert checked({"encoding": "utf-16"}, jobs=OWN).jobs[0].stage == "mine"


ZSTD = [{"compression": "zstd"}, {"compression": "auto"}]


@pytest.mark.parametrize("packed", ZSTD, ids=["by name", "by its keys"])
def test_what_the_shipped_job_cannot_do_with_zstd_is_said_before_it_runs(
    packed: dict[str, Any],
) -> None:
    source = {"prefix": "landing/sales/", "suffix": ".csv.zst"}
    form = {**packed, "skipLines": 1, "escape": "\\", "encoding": "utf-16", "nulls": ["NA"]}
    found = problems(form, jobs=CLEAN, source=source)
    assert set(found) == {"format.skipLines", "format.escape", "format.encoding"}
    assert all("compress with gzip" in message for message in found.values())
    assert checked(form, source=source).format.compression == packed["compression"]
    assert checked({**packed, "nulls": ["NA"]}, jobs=CLEAN, source=source).jobs
    assert checked({**form, "compression": "gzip"}, jobs=CLEAN, source=source).jobs


def test_columns_of_lookups_are_written_as_types_are() -> None:
    """docs/datasets.md says what to do instead."""
    column = {"name": "since", "type": "date", "format": "%d.%m.%Y", "nulls": ["-"], "trim": True}
    lookup = {"name": "shops", "key": "lookups/shops.csv", "columns": [column]}
    found = problems({}, lookups=[lookup])
    assert found == {
        f"lookups[0].columns[0].{name}": f"is not a field here ({value})"
        for name, value in (("format", '"%d.%m.%Y"'), ("nulls", None), ("trim", "true"))
    }
