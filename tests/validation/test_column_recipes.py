"""Each recipe of docs/recipes.md about columns does what the page says."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_run import DataRun, dataset

from dataset_loading.check import check_dataset

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
SECTION = re.split(r"^## ", PAGE.partition("\n## Columns\n")[2], flags=re.MULTILINE)[0]
RECIPES = dict(part.split("\n", 1) for part in SECTION.split("\n### ")[1:])


def block(recipe: str, language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", recipe, flags=re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def outcome(run: DataRun, body: str) -> list[str]:
    """A line for each row: its value, or why it is rejected."""
    response = run.lay_out(body).validate()
    rejects = {reject["line"]: reject for reject in (run.rejects() if response.rejected else [])}
    values = iter(run.valid_rows())
    lines = []
    for line in range(2, response.rows_in + 2):
        if line in rejects:
            lines.append(f"line {line}: {rejects[line]['reason']}")
        else:
            (value,) = next(values)
            lines.append(shown(value))
    return lines


def shown(value: Any) -> str:
    """As SQL writes it."""
    if isinstance(value, datetime):
        return re.sub(r"(\.\d*?)0+$", r"\1", str(value))
    return "NULL" if value is None else str(value).lower() if value in (True, False) else str(value)


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_does_what_the_page_says(cloud: Any, title: str) -> None:
    column = yaml.safe_load(block(RECIPES[title], "yaml"))
    contract = dataset(columns=[column], targets={"dynamodb": {"key": [column["name"]]}})
    assert check_dataset(yaml.safe_dump(contract.to_json()), "sales").dataset == contract
    assert (
        outcome(DataRun(cloud, contract), block(RECIPES[title], "csv"))
        == block(RECIPES[title], "text").splitlines()
    )


def test_there_is_a_recipe_for_each_field() -> None:
    fields = {name for recipe in RECIPES.values() for name in yaml.safe_load(block(recipe, "yaml"))}
    assert fields >= {
        *("format", "zone", "decimal", "thousands", "percent", "trueValues", "falseValues"),
        *("trim", "nulls"),
    }
