"""Columns that come from an object's key: what a contract may say, and what they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contracts.columns import Column
from contracts.errors import InvalidDataset, InvalidRequest
from contracts.source.key_columns import texts_of_key
from dataset_loading.check import CheckedDataset, check_dataset, check_query

WRITTEN = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
KEY = "landing/region=EU%20West/Region=EU/dt=2026-01-05/shop-17/orders_20260105_10.csv"


def checked(column: dict[str, Any], **changes: Any) -> CheckedDataset:
    value = {
        "name": "orders",
        "source": {"prefix": "in/"},
        "columns": [{"name": "id"}, {"name": "x", **column}],
        "targets": {"dynamodb": {"key": ["id"]}},
        **changes,
    }
    return check_dataset(yaml.safe_dump(value, allow_unicode=True), "orders")


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ({"from": "key"}, KEY),
        ({"from": "partition", "source": "Region"}, "EU"),
        ({"from": "partition", "source": "DT", "type": "date"}, "2026-01-05"),
        ({"from": "partition", "source": "none"}, None),
        ({"from": "key", "keyPattern": "orders_%Y%m%d", "type": "date"}, "2026-01-05"),
        ({"from": "key", "keyPattern": "sales_%Y%m%d", "type": "date"}, None),
        (
            {"from": "key", "keyPattern": "orders_%Y%m%d_%H", "type": "timestamp"},
            "2026-01-05T10:00:00Z",
        ),
        ({"from": "key", "keyPattern": "shop-(?P<value>[0-9]+)", "type": "integer"}, "17"),
        ({"from": "key", "keyPattern": "shop-(?P<value>[a-z]+)"}, None),
        ({"from": "key", "keyPattern": "(?P<value>x?)landing"}, None),
        ({"from": "last-modified", "type": "timestamp"}, "2026-11-20T07:00:00Z"),
    ],
    ids=str,
)
def test_the_text_of_a_key(column: dict[str, Any], text: str | None) -> None:
    assert texts_of_key(checked(column).dataset.columns, KEY, WRITTEN) == {"x": text}


FROM_KEYS = [
    Column.from_json({"name": "a", "from": "partition"}),
    Column.from_json({"name": "b", "from": "key", "keyPattern": "(?P<value>[0-9]+)"}),
    Column.from_json({"name": "c", "type": "date", "from": "key", "keyPattern": "%Y%m%d"}),
]


@given(st.text("ab=%/_-0123456789é", max_size=40))
def test_any_key_gives_a_text_or_none(key: str) -> None:
    found = texts_of_key(FROM_KEYS, key, WRITTEN)
    assert list(found) == ["a", "b", "c"]
    assert "" not in found.values()


def test_hives_word_for_none_is_none() -> None:
    column = Column.from_json({"name": "a", "from": "partition"})
    key = "in/a=__HIVE_DEFAULT_PARTITION__/a.csv"
    assert texts_of_key([column], key, WRITTEN) == {"a": None}
    assert texts_of_key([column], "in/a=b", WRITTEN) == {"a": None}  # a file, not a folder


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"from": "key", "type": "integer"}, "needs a keyPattern: the whole key is no integer"),
        ({"from": "key", "source": "X"}, "leave source out"),
        ({"from": "last-modified"}, "take type timestamp, not string"),
        ({"from": "last-modified", "type": "timestamp", "zone": "UTC"}, "leave format and zone"),
        ({"from": "partition", "unique": True}, "all rows of an object have this value"),
        ({"from": "partition", "keyPattern": "x"}, "write from: key beside it"),
        ({"keyPattern": "x"}, "write from: key beside it"),
        ({"from": "key", "keyPattern": "(?P<value>"}, "is not a regular expression"),
        ({"from": "key", "keyPattern": r"(?P<value>a+)\1*"}, "in time linear in a key"),
        ({"from": "key", "keyPattern": "shop-"}, "or have the group (?P<value>"),
        ({"from": "key", "keyPattern": "%Y%m%d"}, "take type date or timestamp, not string"),
        (
            {"from": "key", "keyPattern": "%Y%m%d", "type": "date", "format": "%Y%m%d"},
            "leave format and zone out",
        ),
        ({"from": "Key"}, "should be 'partition', 'key' or 'last-modified'"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(column: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        checked(column)
    assert len(caught.value.problems) == 1
    assert message in str(caught.value)


def test_a_contract_needs_a_column_of_the_object() -> None:
    with pytest.raises(InvalidDataset, match="needs a column that is in the objects themselves"):
        checked({}, columns=[{"name": "id", "from": "key"}])


def test_a_query_that_a_job_applies_names_no_column_of_the_key() -> None:
    jobs = [{"stage": "clean", "glueJob": "clean-csv"}]
    with_job = checked({"from": "partition"}, jobs=jobs).dataset
    with pytest.raises(InvalidRequest, match="column x is not in the objects, .* job clean"):
        check_query("X = 'EU' AND id = '1'", with_job)
    check_query("id = '1'", with_job)
    check_query("x = 'EU'", checked({"from": "partition"}).dataset)
