"""Contracts made at random: right ones are taken, one mistake is found."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidDataset
from dataset_loading.check import CheckedDataset, check_dataset

TYPES = ["string", "integer", "double", "boolean", "date", "timestamp", "decimal(18,3)"]
BOUNDS = {
    "integer": (-5, "7"),
    "double": (0.5, 1e3),
    "date": ("2020-01-01", "2030-12-31"),
    "timestamp": ("2020-01-01T00:00:00Z", "2030-01-01 10:00:00"),
    "decimal(18,3)": ("0.125", 5),
}


def generated(draw: random.Random) -> dict[str, Any]:
    """A contract that is right, with any of what contracts may hold."""
    columns = []
    for number in range(draw.randint(1, 12)):
        column: dict[str, Any] = {"name": f"c{number}_{draw.choice('abc')}"}
        kind = draw.choice(TYPES)
        if kind != "string" or draw.random() < 0.5:
            column["type"] = kind
        if draw.random() < 0.5:
            column["required"] = draw.random() < 0.5
        if kind in BOUNDS and draw.random() < 0.5:
            column["minimum"], column["maximum"] = BOUNDS[kind]
        if kind == "string" and draw.random() < 0.3:
            column["allowed"] = ["a", "NO", "1"]
        columns.append(column)
    names = [column["name"] for column in columns]
    key = draw.sample(names, draw.randint(1, len(names)))
    targets = {"dynamodb": {"key": key}, "redshift": {"table": "t", "key": key}}
    wanted = draw.choice([["dynamodb"], ["redshift"], ["dynamodb", "redshift"]])
    value: dict[str, Any] = {
        "name": "orders",
        "source": {"prefix": "in/", **draw.choice([{}, {"partition": "%Y/%m/%d/"}])},
        "columns": columns,
        "targets": {name: targets[name] for name in wanted},
    }
    if draw.random() < 0.5:
        value["format"] = draw.choice(
            [
                {"delimiter": ";", "encoding": "utf-16", "compression": "gzip"},
                {"type": "jsonl"},
                {"type": "json", "compression": "zstd"},
                {"type": "parquet"},
            ]
        )
    if draw.random() < 0.5:
        value["rules"] = [
            {"name": f"rule-{n}", "check": f"{name} IS NOT NULL OR length('{name}') > {n}"}
            for n, name in enumerate(names)
        ]
    if draw.random() < 0.5:
        value["transform"] = f"SELECT {', '.join(names)} FROM valid WHERE {names[0]} IS NOT NULL"
    if draw.random() < 0.5:
        value["jobs"] = [
            {"stage": f"s{n}", "glueJob": "clean-csv"} for n in range(draw.randint(1, 3))
        ]
    return value


def drop_name(value: dict[str, Any]) -> str:
    del value["columns"][0]["name"]
    return "columns[0].name"


def misspell(value: dict[str, Any]) -> str:
    value["source"]["sufix"] = ".csv"
    return "source.sufix"


def lose_key(value: dict[str, Any]) -> str:
    target = next(iter(value["targets"]))
    value["targets"][target]["key"] = ["nowhere"]
    return f"targets.{target}.key"


def break_rule(value: dict[str, Any]) -> str:
    value["rules"] = [{"name": "r", "check": "nowhere = 1"}]
    return "rules[0].check"


def repeat_column(value: dict[str, Any]) -> str:
    value["columns"].append(value["columns"][0])
    return "columns named twice"


@pytest.mark.parametrize("seed", range(25))
def test_generated_contracts_are_right_and_survive_their_snapshot(seed: int) -> None:
    text = yaml.safe_dump(generated(random.Random(seed)))  # noqa: S311

    checked = check_dataset(text, "orders")

    assert DatasetSnapshot.from_json(snapshot(checked).to_json()) == snapshot(checked)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mistake", [drop_name, misspell, lose_key, break_rule, repeat_column])
def test_one_mistake_in_a_generated_contract_is_found(
    seed: int, mistake: Callable[[dict[str, Any]], str]
) -> None:
    value = generated(random.Random(seed))  # noqa: S311
    place = mistake(value)

    with pytest.raises(InvalidDataset) as caught:
        check_dataset(yaml.safe_dump(value), "orders")

    assert len(caught.value.problems) == 1
    assert place in str(caught.value)


def snapshot(checked: CheckedDataset) -> DatasetSnapshot:
    return DatasetSnapshot(
        dataset=checked.dataset,
        version=checked.version,
        query=None,
        index="i",
        run_id="r1",
        run_started_at="2026-11-20T08:15:00Z",
        output_columns=checked.output_columns,
    )
