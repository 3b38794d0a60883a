"""docs/recipes.md, its section on files: every recipe does what the page says, on each path.

A recipe is a heading with blocks: what of the contract matters, the object, the rows that are
stored, and the rows that are rejected. The object is written in the encoding and compression that
the contract names.
"""

from __future__ import annotations

import bz2
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pinned_job
import pytest
import yaml
from aws_cloud import _environment, cloud
from data_run import DataRun, dataset
from job_scripts import loaded
from test_clean_csv import SCRIPT, clean

from dataset_loading.check import check_dataset

__all__ = ["_environment", "cloud"]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"
ENDINGS = {"csv": "csv", "jsonl": "jsonl", "json": "json"}


@dataclass(frozen=True)
class Recipe:
    contract: dict[str, Any]
    body: bytes
    rows: list[dict[str, str]]
    rejected: list[tuple[int, str]]

    @property
    def columns(self) -> list[str]:
        return [column["name"] for column in self.contract["columns"]]


def packed(text: str, form: dict[str, Any]) -> bytes:
    data = text.encode(form.get("encoding", "utf-8"))
    if form.get("compression") == "bzip2":
        return bz2.compress(data)
    if form.get("compression") == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("member.csv", data)
        return file.getvalue()
    return data


def recipes() -> Iterator[Any]:
    section = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)
    files = next(text for text in section if text.startswith("Files\n"))
    for part in files.split("\n### ")[1:]:
        title = part.partition("\n")[0]
        blocks = re.findall(r"^```(\w+)\n(.*?)^```", part, flags=re.M | re.S)
        held = dict(blocks)
        contract = yaml.safe_load(held["yaml"])
        text = held.get("csv") or held["json"]
        rows = [json.loads(line) for line in held["jsonl"].splitlines()]
        refused = re.findall(r"^line (\d+): (.*)$", held.get("text", ""), flags=re.M)
        rejected = [(int(line), reason) for line, reason in refused]
        body = packed(text, contract["format"])
        yield pytest.param(Recipe(contract, body, rows, rejected), id=title)


RECIPES = list(recipes())


def test_the_page_has_recipes() -> None:
    assert len(RECIPES) >= 13


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_contract_and_validation_does_what_it_says(
    recipe: Recipe, cloud: Any
) -> None:
    text = yaml.safe_dump(
        {
            **{"name": "sales", "source": {"prefix": "landing/sales/"}, **recipe.contract},
            "targets": {"dynamodb": {"key": ["id"]}},
        }
    )
    check_dataset(text, "sales")
    run = DataRun(cloud, dataset(**recipe.contract)).lay_out(recipe.body, "object")
    found = run.validate()
    stored = [
        {
            name: str(value)
            for name, value in zip(recipe.columns, row, strict=True)
            if value is not None
        }
        for row in run.valid_rows()
    ]
    assert stored == recipe.rows
    assert found.rejected == len(recipe.rejected)
    if recipe.rejected:
        assert [(one["line"], one["reason"]) for one in run.rejects()] == recipe.rejected


@pytest.fixture(params=["here", pytest.param(pinned_job.NAME, marks=pytest.mark.slow)])
def job(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "here":
        yield loaded(SCRIPT)
        return
    with pinned_job.running(SCRIPT) as job:
        yield job


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_job_passes_on_what_validation_would_store(recipe: Recipe, job: Any, s3: Any) -> None:
    found = clean(job, s3, recipe.body, key="in/object", **recipe.contract)
    names, *rows = found.rows
    # The one text of a row may be empty: then its line is.
    texts = [{name: text for name, text in zip(names, row, strict=False) if text} for row in rows]
    malformed = [(one["line"], one["reason"]) for one in found.rejects]
    assert set(malformed) <= set(recipe.rejected)
    assert [row for row in texts if row in recipe.rows] == recipe.rows
    # What breaks a check of the contract is left to validation.
    assert len(texts) + len(malformed) == len(recipe.rows) + len(recipe.rejected)
