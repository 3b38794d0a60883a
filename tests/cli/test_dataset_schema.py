"""The schema of contracts: current, and of one mind with the contract's own types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from cli.dataset_schema import SCHEMA_FILE, dataset_schema, schema_text
from cli.main import app

ROOT = Path(__file__).parents[2]
CONTRACTS = sorted((ROOT / "datasets").glob("*.yaml"))
SCHEMA = dataset_schema()
CHECKER = jsonschema.Draft7Validator(SCHEMA)
SMALL: dict[str, Any] = {
    "name": "visits",
    "source": {"prefix": "landing/visits/"},
    "columns": [{"name": "visit_id", "type": "decimal(12,2)", "minimum": "0.5"}],
    "targets": {"dynamodb": {"key": ["visit_id"]}},
}


def test_the_schema_that_ships_is_current() -> None:
    reported = "write it anew: pipeline dataset schema > datasets/dataset.schema.json"

    assert (ROOT / SCHEMA_FILE).read_text(encoding="utf-8") == schema_text(), reported


def test_the_command_prints_the_schema() -> None:
    assert CliRunner().invoke(app, ["dataset", "schema"]).output == schema_text()


def test_it_is_a_schema() -> None:
    of_schemas = jsonschema.Draft7Validator(jsonschema.Draft7Validator.META_SCHEMA)
    assert list(of_schemas.iter_errors(SCHEMA)) == []


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_contracts_that_ship_name_their_schema_and_fit_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert text.startswith("# yaml-language-server: $schema=dataset.schema.json\n")
    assert not list(CHECKER.iter_errors(yaml.safe_load(text)))


def test_every_field_is_explained() -> None:
    for name, model in [("Dataset", SCHEMA), *SCHEMA["definitions"].items()]:
        assert model["description"], name
        for field, schema in model.get("properties", {}).items():
            assert schema.get("description"), f"{name}.{field}"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"format": {"delimiter": ";", "encoding": "utf-16"}},
        {"format": {"type": "json", "compression": "gzip"}},
        {"rows": {"minimum": 1}, "freshness": {"column": "at", "maximumAgeHours": 1.5}},
        {"jobs": [{"stage": "clean", "glueJob": "clean-csv"}]},
        {"lookups": [{"name": "c", "key": "c.csv", "columns": [{"name": "code"}]}]},
    ],
)
def test_what_is_right_fits(changes: dict[str, Any]) -> None:
    assert not list(CHECKER.iter_errors({**SMALL, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"nmae": "x"},
        {"name": "Visits"},
        {"columns": []},
        {"columns": [{"name": "a", "type": "text"}]},
        {"columns": [{"name": "a", "severity": "ignore"}]},
        {"format": {"type": "csv", "encoding": "utf-7"}},
        {"format": {"type": "jsonl", "delimiter": ";"}},
        {"rows": {"minimum": 1, "severity": "quarantine"}},
        {"freshness": {"column": "at", "maximumAgeHours": 0}},
        {"jobs": [{"stage": "clean", "engine": "redshift", "script": "jobs/x.py"}]},
        {"limits": {"partMegabytes": 0}},
        {"lookups": [{"name": "c", "key": "runs/c.csv", "columns": [{"name": "code"}]}]},
        {"transform": None},
    ],
)
def test_what_is_wrong_is_seen_by_the_editor(changes: dict[str, Any]) -> None:
    assert list(CHECKER.iter_errors({**SMALL, **changes}))


def test_it_is_plain_json_without_leftovers_of_its_making() -> None:
    text = json.dumps(SCHEMA)

    assert '"$defs"' not in text
    assert '"null"' not in text
    assert '"discriminator"' not in text
