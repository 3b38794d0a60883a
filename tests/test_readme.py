"""What README.md and docs/ name exists: commands, files, fields, defaults, outputs, targets."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from cli import exit_codes
from cli.documents.reference import reference
from cli.main import app
from contracts.dataset import (
    Column,
    CsvFormat,
    Dataset,
    DynamodbTarget,
    FilesTarget,
    Freshness,
    JobStep,
    Limits,
    Lookup,
    RedshiftTarget,
    RowLimits,
    Rule,
    Source,
)
from contracts.run_request import RunRequest
from dataset_loading.check import check_dataset
from durable_pipeline.intake import parse_message

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MESSAGE = (ROOT / "docs" / "message.md").read_text(encoding="utf-8")
DATASETS = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGES["README.md"] = README
TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def table(text: str, first_title: str) -> dict[str, list[str]]:
    """The rows of the table under this title, by their first cell without its backquotes."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {first_title} |"):
            break
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *others = (cell.strip() for cell in line.strip("|").split("|"))
        rows[first.strip("`")] = others
    rows.pop("---", None)
    return rows


def commands(group: Any, path: str = "pipeline") -> dict[str, Any]:
    if not hasattr(group, "commands"):
        return {path: group}
    found: dict[str, Any] = {path: group} if group.invoke_without_command else {}
    for name, command in group.commands.items():
        found |= commands(command, f"{path} {name}")
    return found


COMMANDS = commands(typer.main.get_command(app))


def test_the_three_sentences_and_the_picture_come_first() -> None:
    start = README.split("## ", maxsplit=1)[0]
    sentences, picture, _ = start.partition("![")
    assert picture
    assert len(re.findall(r"[.:;]\s", sentences)) >= 3


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGES[page]):
        assert (folder / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    named = re.findall(
        r"(?<![\w/*.])((?:src|docs|events|datasets|jobs|local|cli|tests|sql)/[\w./-]*)", PAGES[page]
    )
    # The contracts that README.md and jobs.md let one write, and the files of the examples.
    invented = {"datasets/visits.yaml", "datasets/readings.yaml", *EXAMPLES}
    for path in {name.rstrip(".") for name in named} - invented:
        assert (ROOT / path).exists(), path


EXAMPLES = set(re.findall(r"^`([^`]+)`, new:$", PAGES["extending.md"], re.MULTILINE))
# File names that are no files of this repository, by what makes them.
MADE_BY = {
    "the reader of extending.md": EXAMPLES,
    "the reader": {
        "datasets/visits.yaml",
        "2026-11-01/visits.csv",
        "visits.csv",
        "more.csv",
        "landing/visits/visits.csv",
        "landing/visits/more.csv",
        "orders.csv",
        "lookups/countries.csv",
        "message.json",
        "result.json",
        "started.json",
        "test.csv",
        "landing/standard/test.csv",
        "archive/test.csv",
    },
    "pipeline rejected": {"corrected.jsonl"},
    "the local cloud": {"calls.json"},
    "who brings a function": {"datasets/readings.yaml"},
    "jobs and steps": {
        "data/part-00000.csv",
        "objects/0000/data/part-00000.csv",
        "objects/0000/rejected.jsonl",
        "part-00000.parquet",
        "rejected.jsonl",
        "report.json",
        "-transform.jsonl",
        "runs/RUN_ID/results.json",
        "2026-11-01/november-1-00000-003-00000.csv",
    },
    "no one: a setting of Spark": {"spark.sql"},
    "no one: the end of a pattern of keys": {"H.csv"},
}
FILE_NAME = re.compile(
    r"""(?<![\w/*.\-{$("])([\w-]+(?:[\w./-]*[\w-])?"""
    r"""\.(?:csv|yaml|yml|json|jsonl|py|sql|toml|md|txt|parquet|whl|sh))\b(?![\w/])"""
)
TRACKED = {path.name for path in ROOT.glob("*")} | {
    path.name
    for folder in (
        "cli",
        "datasets",
        "docs",
        "events",
        "jobs",
        "local",
        "requirements",
        "sql",
        "src",
        "tests",
    )
    for path in (ROOT / folder).rglob("*")
    if "__pycache__" not in path.parts
}


@pytest.mark.parametrize("page", PAGES)
def test_file_names_without_a_folder_exist_or_are_made_by_somebody(page: str) -> None:
    """`aws s3 cp readings.csv …` was there, and no such file."""
    made = set().union(*MADE_BY.values())
    for name in FILE_NAME.findall(PAGES[page]):
        assert name in made or Path(name).name in TRACKED, name


def test_a_file_that_is_not_there_is_found() -> None:
    (name,) = FILE_NAME.findall('aws s3 cp readings.csv "s3://bucket/landing/standard/"')
    assert name == "readings.csv"
    assert name not in TRACKED


def test_the_first_deploy_does_not_write_into_a_tracked_file() -> None:
    typed = [line for text in PAGES.values() for line in text.splitlines() if "sam deploy" in line]
    assert any("sam build && sam deploy --region" in line for line in typed)
    assert not [line for line in typed if "sam deploy --guided" in line]


def test_what_stays_behind_is_what_the_template_keeps() -> None:
    retained = r"\n  (\w+):\n    Type: .+\n(?: {4}.*\n){0,3}?    DeletionPolicy: Retain"
    of_template = set(re.findall(retained, TEMPLATE))
    reported = table(PAGES["operations.md"], "what stays")
    assert of_template
    assert of_template == {
        name for row in reported if "Bucket, " in row for name in row.split(", ")
    }


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page, text in PAGES.items():
        named = re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, flags=re.MULTILINE)
        assert set(named) <= targets, page
    assert {"run", "local", "test", "check"} <= targets


def test_the_reference_of_commands_is_what_the_commands_say() -> None:
    assert PAGES["commands.md"] == reference(), "make reference"
    assert {name.split("`")[1] for name in table(reference(), "command")} == set(COMMANDS)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_written_as_they_are_typed(page: str) -> None:
    """Every `pipeline …` line names a command and options that it has."""
    for line in re.findall(r"(?:^ {4}|^ {6}|`|^)(pipeline [^`\n]+)", PAGES[page], re.MULTILINE):
        names = [name for name in COMMANDS if line == name or line.startswith(f"{name} ")]
        assert names, line
        command = COMMANDS[max(names, key=len)]
        options = {name for parameter in command.params for name in parameter.opts}
        for option in re.findall(r"(?<!\S)(--[a-z-]+)", line):
            assert option in options | {"--help"}, line


def test_every_field_of_the_message_is_in_the_table_with_its_default() -> None:
    rows = table(MESSAGE, "field")
    fields = {field.alias: field for field in RunRequest.model_fields.values()}
    assert list(rows) == list(fields)
    for name, cells in rows.items():
        default = fields[name].get_default()
        if isinstance(default, int | float):
            assert cells[1] == str(default), name


def test_messages_that_are_shown_are_accepted() -> None:
    shown = [block for text in (README, MESSAGE) for block in blocks(text, "json")]
    shown += re.findall(r"--message-body '(\{.*?\})'", PAGES["deploying.md"])
    assert len(shown) >= 2
    for message in shown:
        request = parse_message(message, "message-id")
        assert request is not None
        sent = json.loads(message)
        assert sent.get("datasetName", sent.get("processing_type")) == request.dataset_name


def test_the_contract_that_is_shown_is_valid() -> None:
    (contract,) = blocks(README, "yaml")
    checked = check_dataset(contract, yaml.safe_load(contract)["name"])
    assert [name for name, _ in checked.output_columns] == ["visit_id", "visited_at", "minutes"]


@pytest.mark.parametrize(
    "model",
    [
        *(Dataset, Source, CsvFormat, Column, Rule, RowLimits, Freshness, Lookup, JobStep),
        *(FilesTarget, DynamodbTarget, RedshiftTarget),
    ],
)
def test_every_field_of_a_contract_is_documented(model: type[Any]) -> None:
    for field in model.model_fields.values():
        assert re.search(rf"`[^`\n]*\b{field.alias}\b", DATASETS), field.alias


def test_the_limits_of_a_contract_are_documented_with_their_defaults() -> None:
    rows = table(DATASETS.split("### limits")[1], "field")
    fields = {field.alias: field.get_default() for field in Limits.model_fields.values()}
    assert list(rows) == list(fields)
    for name, default in fields.items():
        assert rows[name][0].replace(",", "") == str(default)


def test_outputs_and_parameters_that_are_named_are_in_the_template() -> None:
    outputs = TEMPLATE.split("\nOutputs:\n")[1]
    named = {name for text in PAGES.values() for name in re.findall(r"\$\(output (\w+)\)", text)}
    assert "DataBucketName" in named
    for name in named:
        assert f"\n  {name}:\n" in f"\n{outputs}", name
    for row in table(PAGES["operations.md"], "parameter"):
        for name in re.findall(r"[A-Z]\w+", row):
            assert f"\n  {name}:\n" in TEMPLATE, name


def test_alarms_that_are_explained_are_all_there_are() -> None:
    explained = {
        name for row in table(PAGES["operations.md"], "alarm") for name in re.findall(r"\w+", row)
    }
    assert explained == set(re.findall(r"\n  (\w+)Alarm:\n", TEMPLATE))


def test_exit_codes_are_documented() -> None:
    codes = [value for name, value in inspect.getmembers(exit_codes) if isinstance(value, int)]
    assert exit_codes.EXIT_STATUS in PAGES["commands.md"]
    for code in codes:
        assert str(code) in exit_codes.EXIT_STATUS


def test_the_changelog_knows_this_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert f"## {version[1]}" in (ROOT / "CHANGELOG.md").read_text()
