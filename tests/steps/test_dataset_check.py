from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from control_fakes import DATASET

from contracts.dataset import DatasetSnapshot
from contracts.errors import InvalidDataset, InvalidRequest
from steps.dataset_check import CheckedDataset, check_dataset, check_query

ROOT = Path(__file__).parents[2]


def broken(old: str, new: str, text: str = DATASET) -> InvalidDataset:
    assert old in text
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(text.replace(old, new), "orders")
    assert str(caught.value).startswith("datasets/orders.yaml: ")
    return caught.value


def told(error: InvalidDataset) -> str:
    return "\n".join(str(problem) for problem in error.problems)


@pytest.mark.parametrize(
    "file", sorted((ROOT / "datasets").glob("*.yaml")), ids=lambda file: file.stem
)
def test_the_datasets_that_ship_are_right(file: Path) -> None:
    assert check_dataset(file.read_text(), file.stem).output_columns


def test_a_checked_contract_knows_its_version_and_output() -> None:
    checked = check_dataset(DATASET, "orders")

    assert re.fullmatch("[0-9a-f]{12}", checked.version)
    assert checked.version != check_dataset(DATASET + "# more\n", "orders").version
    assert checked.output_columns == (
        ("order_id", "integer"),
        ("amount", "decimal(10,2)"),
        ("country", "string"),
    )


def test_without_a_transform_the_columns_are_the_output() -> None:
    text = re.sub(r"transform: \|\n.*\n", "", DATASET)

    assert [name for name, _ in check_dataset(text, "orders").output_columns] == [
        "order_id",
        "amount",
        "country",
        "ordered_on",
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: orders\n  bad: 1\n", "line 2, column 6"),
        ("name: [orders\n", "line 2, column 1"),
        ("name: orders\nname: twice\n", "line 2, column 1: is not YAML: name is given twice"),
        ("name: \t@\n", "line 1"),
        ("- a list\n", "line 1: must be a mapping"),
        ("", "line 1: must be a mapping"),
        ("name: \x00", "is not YAML"),
        ("a: " + "[" * 5000, "is not YAML"),
    ],
)
def test_what_is_not_yaml_is_told_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(text, "orders")

    assert place in str(caught.value)


def test_all_problems_of_the_fields_are_told_at_once_with_their_lines() -> None:
    text = """\
name: Orders
source: {prefix: landing}
columns:
  - {name: a, type: text}
  - {name: b, requird: true, minimum: [1]}
  - {type: integer}
targets: {}
limits:
  objects: many
"""
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(text, "orders")

    problems = {problem.path: problem for problem in caught.value.problems}
    assert set(problems) == {
        "name (line 1)",
        "source.prefix (line 2)",
        "columns[0].type (line 4)",
        "columns[1].requird (line 5)",
        "columns[1].minimum (line 5)",
        "columns[2].name (line 6)",
        "targets (line 7)",
        "limits.objects (line 9)",
    }
    assert "did you mean required?" in problems["columns[1].requird (line 5)"].message
    assert problems["columns[2].name (line 6)"].message == "is required"
    assert problems["limits.objects (line 9)"].value == '"many"'


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("name: orders", "name: other", "name (line 1): must be orders"),
        ("check: amount > 0", "check: amont > 0", 'unknown column "amont"; did you mean "amount"?'),
        ("check: amount > 0", "check: amount", "must be true or false, but is of type DECIMAL"),
        ("check: amount > 0", "check: amount >", "is not SQL"),
        ("check: amount > 0", "check: country > 5 + ordered_on", "rule positive"),
        ("minimum: 0", "minimum: cheap", "columns[1].minimum (line 8): is not of type decimal"),
        ("allowed: [DE, AT]", 'allowed: [DE], pattern: "("', "columns[2].pattern (line 9)"),
        ("type: date", "type: date, maximum: 2026-13-01", "is not of type date"),
        ("upper(country)", "upper(contry)", "Referenced column"),
        ("FROM valid", "FROM valid WHERE", "transform (line 13): is not SQL"),
        ("FROM valid", "FROM orders", "must read from valid only, not from orders"),
        ("FROM valid", "FROM 'other.csv'", "must read from valid only"),
        ("FROM valid", "FROM read_csv('other.csv')", "read_csv is not allowed"),
        ("FROM valid", "FROM valid JOIN information_schema.tables ON true", "valid only"),
        ("FROM valid", "FROM valid; DROP TABLE valid", "without semicolons"),
        ("SELECT order_id", "DELETE FROM valid --", "must be one SELECT"),
        (
            "amount, upper",
            "[amount] AS amount, upper",
            "column amount: values of type DECIMAL(10,2)[]",
        ),
        ("AS country", "AS Country", 'column "Country": name it by AS'),
        ("AS country", "", "name it by AS"),
        ("AS country", "AS run_id", "column run_id: the pipeline adds one of this name"),
        ("AS country", "AS amount", "two columns of the result have this name"),
        ("key: [order_id]", "key: [oder_id]", 'unknown column "oder_id"; did you mean "order_id"'),
        ("key: [order_id]", "key: [zzz]", "there are order_id, amount, country"),
        ("key: [order_id]", "key: [order_id, order_id]", "names a column twice"),
        ("key: [order_id]", "key: [ordered_on]", 'unknown column "ordered_on"'),
    ],
)
def test_every_mistake_is_told_with_its_place(old: str, new: str, complaint: str) -> None:
    assert complaint in told(broken(old, new))


def test_all_problems_of_the_sql_are_told_at_once() -> None:
    text = DATASET.replace("amount > 0", "amont > 0").replace("[order_id]", "[oder_id]")

    error = broken("minimum: 0", "minimum: x", text)

    assert [problem.path.split(" ")[0] for problem in error.problems] == [
        "columns[1].minimum",
        "rules[0].check",
        "targets.dynamodb.key",
    ]


def test_of_a_hopeless_file_the_first_hundred_problems_are_told() -> None:
    columns = "columns:\n" + "".join(f"  - {{name: c{n}, type: x}}\n" for n in range(300))

    error = broken("columns:\n", columns)

    assert len(error.problems) == 101
    assert "200 more" in told(error)


def test_values_that_yaml_would_bend_stay_text() -> None:
    text = DATASET.replace("[DE, AT]", "[DE, NO, on]").replace(
        "type: date}", "type: date, minimum: 2020-01-01}"
    )

    columns = {column.name: column for column in check_dataset(text, "orders").dataset.columns}

    assert columns["country"].allowed == ("DE", "NO", "on")
    assert columns["ordered_on"].minimum == "2020-01-01"


@pytest.mark.parametrize(
    "transform",
    [
        "SELECT * FROM valid",
        "FROM valid",
        "SELECT order_id, sum(amount) AS amount FROM valid GROUP BY ALL -- per order",
        "WITH large AS (SELECT * FROM valid WHERE amount > 5) SELECT * FROM large",
        "SELECT order_id, max(amount) AS a FROM valid GROUP BY 1 UNION ALL SELECT 1, 2.5",
        "SELECT order_id, n FROM valid, range(3) AS numbers(n)",
        "SELECT DISTINCT ON (order_id) * FROM valid ORDER BY ordered_on DESC",
    ],
)
def test_transforms_may_do_what_queries_do(transform: str) -> None:
    text = re.sub(r"transform: \|\n  .*\n", f"transform: |\n  {transform}\n", DATASET)

    assert check_dataset(text, "orders").output_columns[0] == ("order_id", "integer")


class TestQuery:
    CHECKED = check_dataset(DATASET, "orders")

    @pytest.mark.parametrize(
        "query",
        [
            "amount > 10",
            "Amount >= 10.5 AND country IN ('DE', 'AT')",
            "ordered_on BETWEEN DATE '2026-01-01' AND '2026-12-31' OR country IS NULL",
            "country LIKE 'D%;--' ",
            "CASE WHEN amount > 5 THEN true ELSE country = 'x' END",
            "TRY_CAST(country AS INTEGER) IS NULL",
            "len(list_filter([amount], lambda x: abs(x) > 1 AND x < 5)) = 1",
            "len(list_filter([[1]], lambda x: len(list_filter(x, lambda y: y > x[1])) > 1)) = 1",
            "order_id = 1" + " OR order_id = 2" * 200,
            '"amount" > 1',
        ],
    )
    def test_boolean_expressions_over_the_columns_are_taken(self, query: str) -> None:
        check_query(query, self.CHECKED.dataset)

    @pytest.mark.parametrize(
        ("query", "complaint"),
        [
            ("amont > 1", 'unknown column "amont"; did you mean "amount"?'),
            ("foo > 1 AND bar < 2", "there are order_id, amount, country, ordered_on"),
            ('country = "DE"', "text goes in single quotes"),
            ("amount", "must be true or false"),
            ("", "is empty"),
            ("-- nothing", "is empty"),
            ("amount > 1; DROP TABLE valid", "without semicolons"),
            ("amount > 1;", "without semicolons"),
            ("amount > 1 -- always", "comments"),
            ("amount > 1 /* x */", "comments"),
            ("SELECT 1", "not a statement"),
            ("DROP TABLE valid", "not a statement"),
            ("COPY valid TO 'x'", "not a statement|is not SQL"),
            ("amount > (SELECT 1)", "must use the row's columns only"),
            ("EXISTS (SELECT 1)", "must use the row's columns only"),
            ("amount IN (SELECT 1)", "must use the row's columns only"),
            ("amount > ?", "must use the row's columns only"),
            ("amount > $1", "must use the row's columns only"),
            ("COLUMNS(*) IS NULL", "must use the row's columns only"),
            ("valid.amount > 1", "bare names"),
            ("sum(amount) > 1", "aggregate"),
            ("row_number() OVER () > 1", "window"),
            ("unnest([true, false])", "(?i)unnest"),
            ("read_text('/etc/passwd') = 'x'", "read_text is not allowed"),
            ("current_setting('memory_limit') = 'x'", "current_setting is not allowed"),
            ("getenv('HOME') = 'x'", "getenv is not allowed"),
            ("nonsense(amount)", "nonsense"),
            ("amount > 1) OR (1 = 1", "is not SQL"),
            ("country = 'open", "is not SQL"),
            ("(" * 2000 + "true" + ")" * 2000, "nested too deeply"),
            ("rowid > 1", 'unknown column "rowid"'),
            ("len(list_filter([amount], lambda x: x > zz)) = 1", 'unknown column "zz"'),
            ("amount > 1 AS x", "not a statement"),
        ],
    )
    def test_anything_else_is_refused(self, query: str, complaint: str) -> None:
        with pytest.raises(InvalidRequest, match=complaint) as caught:
            check_query(query, self.CHECKED.dataset)

        assert [problem.path for problem in caught.value.problems] == ["query"]


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
        value["format"] = draw.choice([{"delimiter": ";"}, {"type": "jsonl"}, {"type": "parquet"}])
    if draw.random() < 0.5:
        value["rules"] = [
            {"name": f"rule-{n}", "check": f"{name} IS NOT NULL OR length('{name}') > {n}"}
            for n, name in enumerate(names)
        ]
    if draw.random() < 0.5:
        value["transform"] = f"SELECT {', '.join(names)} FROM valid WHERE {names[0]} IS NOT NULL"  # noqa: S608
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
