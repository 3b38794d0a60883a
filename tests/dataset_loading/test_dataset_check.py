from __future__ import annotations

import re
from pathlib import Path

import pytest
from control_fakes import DATASET

from contracts.dataset import CsvFormat, Freshness, RowLimits, Severity
from contracts.errors import InvalidDataset
from dataset_loading import check
from dataset_loading.check import check_dataset

ROOT = Path(__file__).parents[2]


FRESH = "freshness: {{column: {}, maximumAgeHours: {}}}\n"
LOOKUPS = """\
lookups:
  - name: countries
    key: lookups/countries.csv
    columns: [{name: code}, {name: title}]
transform: |
  SELECT order_id, amount, title AS country
  FROM valid LEFT JOIN countries ON code = valid.country
"""
JOINED = re.sub(r"transform: \|\n.*\n", LOOKUPS, DATASET)


def broken(old: str, new: str, text: str = DATASET) -> InvalidDataset:
    assert old in text
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(text.replace(old, new), "orders")
    assert str(caught.value).startswith("datasets/orders.yaml: ")
    return caught.value


def reported(error: InvalidDataset) -> str:
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
        ("a: " + "[" * 500, "is not YAML"),
        (
            'name: orders\ndescription: "\\U00110000"\n',
            "2, column 17: is not YAML: \\U00110000 is no character; the last one is \\U0010FFFF",
        ),
        ('name: "\\Uffffffff"\n', "line 1, column 10: is not YAML: \\Uffffffff is no character"),
        (
            f"%YAML 1.{'1' * 5000}\n---\nname: orders\n",
            "line 1, column 9: is not YAML: the version",
        ),
        (
            "name: orders\nlimits: !!map [objects]\n",
            "line 2, column 9: is not YAML: expected a map",
        ),
        ("name: orders\nlimits: !!map few\n", "line 2, column 9: is not YAML: expected a map"),
    ],
)
def test_what_is_not_yaml_is_reported_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(text, "orders")

    assert place in str(caught.value)


def test_all_problems_of_the_fields_are_reported_at_once_with_their_lines() -> None:
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
        ("upper(country)", "upper(contry)", 'unknown column "contry"; did you mean "country"?'),
        ("upper(country)", "upper(valid.contry)", 'did you mean "country"?'),
        ("FROM valid", "\n  FROM valid\n  WHERE amont > 1", "(line 3 of the SQL)"),
        ("FROM valid", "FROM valid JOIN valid b USING (order_di)", 'unknown column "order_di"'),
        ("SELECT order_id", "SELECT * EXCLUDE (contry), order_id", 'did you mean "country"?'),
        ("FROM valid", "FROM valid WHERE ordered_on < today()", "today is not allowed"),
        ("FROM valid", "FROM valid WHERE random() < 0.5", "random is not allowed: a repeat"),
        ("FROM valid", "FROM valid USING SAMPLE 10%", "must not take samples"),
        ("check: amount > 0", "check: ordered_on < now()", "now is not allowed: a repeat of"),
        (
            "check: amount > 0",
            "check: age(ordered_on) > INTERVAL 1 DAY",
            "is not allowed: a repeat",
        ),
        ("minimum: 0", "minimum: 10, maximum: 9.5", "columns[1].minimum (line 8): is larger than"),
        ("allowed: [DE, AT]", "allowed: []", "columns[2].allowed"),
        ("allowed: [DE, AT]", "references: contry", 'unknown column "contry"; did you mean'),
        ("allowed: [DE, AT]", "references: amount", "is of type decimal(10,2), but country string"),
        ("allowed: [DE, AT]", "references: country", "references must name another column"),
        ("allowed: [DE, AT]", "severity: ignore", "columns[2].severity"),
        (
            "rules:",
            "rows: {minimum: 5, maximum: 4}\nrules:",
            "rows (line 11): the minimum is larger",
        ),
        ("rules:", "rows: {severity: fail}\nrules:", "name a minimum, a maximum or both"),
        (
            "rules:",
            "rows: {minimum: 1, severity: quarantine}\nrules:",
            "should be 'warn' or 'fail'",
        ),
        ("rules:", f"{FRESH.format('order_on', 3)}rules:", 'did you mean "ordered_on"?'),
        ("rules:", f"{FRESH.format('amount', 3)}rules:", "take a date or timestamp column"),
        ("rules:", f"{FRESH.format('ordered_on', 0)}rules:", "freshness.maximumAgeHours (line 11)"),
        ("source:", "format: {delimiter: ',', quote: ','}\nsource:", "must not be the same"),
        ("source:", "format: {encoding: utf-7}\nsource:", "format.encoding (line 2)"),
        ("source:", "format: {type: json, delimiter: ;}\nsource:", "is not a field here"),
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
def test_every_mistake_is_reported_with_its_place(old: str, new: str, complaint: str) -> None:
    assert complaint in reported(broken(old, new))


def with_files(**fields: str) -> str:
    """The contract with a target files, whose fields are given as YAML."""
    given = {"prefix": "results/orders/", **fields}
    lines = "".join(f"    {name}: {value}\n" for name, value in given.items())
    return DATASET.replace("targets:\n", f"targets:\n  files:\n{lines}")


def test_files_may_go_beside_the_source() -> None:
    checked = check_dataset(with_files(partitionBy="[country]", format="jsonl"), "orders")
    assert checked.dataset.targets.names() == ("files", "dynamodb")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (
            {"partitionBy": "[contry]"},
            'targets.files.partitionBy (line 18): unknown column "contry"',
        ),
        ({"partitionBy": "[contry]"}, 'did you mean "country"?'),
        ({"partitionBy": "[ordered_on]"}, 'unknown column "ordered_on"'),
        ({"partitionBy": "[country, country]"}, "names a column twice (found country, country)"),
        ({"partitionBy": "[country, amount, order_id]"}, "leaves no column for the files"),
    ],
)
def test_folders_of_files_are_columns_of_the_result(fields: dict[str, str], complaint: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(with_files(**fields), "orders")
    assert complaint in reported(caught.value)


@pytest.mark.parametrize(
    ("kind", "advice"), [("double", "a text or a whole number"), ("timestamp", "take a date")]
)
def test_values_that_make_no_folders_are_refused(kind: str, advice: str) -> None:
    text = with_files(partitionBy="[at]").replace("amount, upper", f"NULL::{kind} AS at, upper")
    with pytest.raises(
        InvalidDataset, match=f"is of type {kind}, which makes no folders.*{advice}"
    ):
        check_dataset(text, "orders")


@pytest.mark.parametrize(
    ("prefix", "source", "how"),
    [
        ("incoming/orders/", "incoming/orders/", "lies inside"),
        ("incoming/orders/csv/", "incoming/orders/", "lies inside"),
        ("incoming/", "incoming/orders/", "contains"),
    ],
)
def test_a_run_does_not_feed_on_its_own_files(prefix: str, source: str, how: str) -> None:
    text = with_files(prefix=prefix).replace("landing/orders/", source)
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(text, "orders")
    (problem,) = caught.value.problems
    assert problem.path.startswith("targets.files.prefix (line ")
    assert problem.value == prefix
    assert problem.message.startswith(f"{how} source.prefix {source}: ")
    assert problem.message.endswith("such as results/orders/")

    elsewhere = text.replace("source:\n", "source:\n  bucket: another\n")
    assert check_dataset(elsewhere, "orders").dataset.targets.files


@pytest.mark.parametrize("prefix", ["runs", "quarantine", "published", "stored-objects", "landing"])
def test_files_do_not_go_where_the_pipeline_has_its_own(prefix: str) -> None:
    with pytest.raises(InvalidDataset, match=f"keeps its own files.*{prefix}/") as caught:
        check_dataset(with_files(prefix=f"{prefix}/orders/"), "orders")
    (problem,) = caught.value.problems
    assert problem.path.startswith("targets.files.prefix (line ")


def test_every_mistake_of_a_files_target_is_reported_at_once() -> None:
    text = with_files(
        prefix="landing/out/", format="parquet", compression="bzip2", header="true", delimiter=";"
    )
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(text, "orders")
    paths = [problem.path.partition(" ")[0] for problem in caught.value.problems]
    assert paths == [
        f"targets.files.{name}" for name in ("prefix", "compression", "header", "delimiter")
    ]


def test_a_schedule_of_new_objects_only_does_not_replace_partitions() -> None:
    text = with_files(partitionBy="[country]", replace="partition") + (
        "schedules:\n"
        "  - {name: daily, cron: '0 2 * * *'}\n"
        "  - {name: late, cron: '5 * * * *', onlyNew: true}\n"
    )
    with pytest.raises(InvalidDataset) as caught:
        check_dataset(text, "orders")
    (problem,) = caught.value.problems
    assert problem.path.startswith("schedules[1].onlyNew (line ")
    assert problem.value == "true"
    assert "take replace: none" in problem.message
    assert check_dataset(text.replace("replace: partition", "replace: none"), "orders")


NAMED = DATASET.replace("name: country,", "name: country, source: Land des Käufers,")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("check: amount > 0", """check: '"land des käufers" = country\'"""),
        ("upper(country)", 'upper("Land des Käufers")'),
        ("key: [order_id]", "key: [Land des Käufers]"),
    ],
    ids=["rule", "transform", "key"],
)
def test_who_names_a_column_as_the_file_does_is_reported_its_name(old: str, new: str) -> None:
    assert 'so it is called in the file, but here "country"' in reported(broken(old, new, NAMED))


@pytest.mark.parametrize(
    ("field", "value"),
    [("delimiter", "x"), ("delimiter", "€"), ("quote", "7"), ("delimiter", r"\n"), ("quote", "")],
)
def test_what_separates_fields_is_ascii_and_no_letter(field: str, value: str) -> None:
    text = f'format: {{{field}: "{value}"}}\nsource:'
    due = "one ASCII character that is no letter"
    due = "one to four ASCII characters that are no letters" if field == "delimiter" else due
    assert f"must be {due}" in reported(broken("source:", text))


def test_checks_beyond_one_value_are_part_of_a_contract() -> None:
    text = DATASET.replace(
        "rules:", f"rows: {{minimum: 1}}\n{FRESH.format('ordered_on', 36)}rules:"
    )
    text = text.replace("allowed: [DE, AT]", "unique: true, severity: warn")

    dataset = check_dataset(text, "orders").dataset

    assert dataset.columns[2].unique
    assert dataset.columns[2].severity is Severity.WARN
    assert dataset.rows == RowLimits(minimum=1, severity=Severity.FAIL)
    assert dataset.freshness == Freshness(column="ordered_on", maximum_age_hours=36)
    assert dataset.freshness.severity is Severity.WARN


def test_allowed_values_are_data_however_many() -> None:
    values = ", ".join(f"'2020-01-01 00:00:00.{n:06}'" for n in range(5_000))
    text = DATASET.replace("type: date}", f"type: timestamp, allowed: [{values}, never]}}")

    (problem,) = broken("a", "a", text).problems

    assert problem.path.startswith("columns[3].allowed (line ")
    assert (problem.message, problem.value) == ("is not of type timestamp", "never")


@pytest.mark.parametrize(
    ("transform", "complaint"),
    [
        ('SELECT order_id, "current_date" AS d FROM valid', "current_date is not allowed"),
        ("SELECT order_id FROM valid, pg_timezone_names()", "reaches beyond the rows"),
        ("SELECT order_id FROM valid, (SUMMARIZE valid)", "SUMMARIZE"),
        ("FROM (PIVOT valid ON country USING sum(amount))", "a PIVOT in it names its values"),
        ("SELECT order_id FROM valid LIMIT random()", "random is not allowed"),
        ("SELECT order_id FROM valid WHERE pg_sleep(1) IS NULL", "sleep_ms is not allowed"),
    ],
)
def test_a_transform_is_judged_by_the_engines_catalogue(transform: str, complaint: str) -> None:
    text = re.sub(r"transform: \|\n  .*\n", f"transform: |\n  {transform}\n", DATASET)
    assert complaint in reported(broken("a", "a", text))


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "transform",
    [
        "SELECT order_id FROM valid LIMIT length(lpad('x', 2000000000, 'y'))",
        "SELECT order_id FROM valid, range(length(repeat('x', 2000000000)))",
        "SELECT order_id, strptime(country, repeat('x', 2000000000)) AS d FROM valid",
    ],
)
def test_a_transforms_constants_are_computed_within_bounds(transform: str) -> None:
    text = re.sub(r"transform: \|\n  .*\n", f"transform: |\n  {transform}\n", DATASET)
    assert "computes constants that take more than" in reported(broken("a", "a", text))


def test_a_contract_has_a_bounded_number_of_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check.RULES_AT_MOST == 1_000
    monkeypatch.setattr(check, "RULES_AT_MOST", 10)
    more = "".join(f"  - {{name: r{n}, check: amount > {n}}}\n" for n in range(10))

    (problem,) = broken("rules:\n", f"rules:\n{more}").problems

    assert problem.path == "rules (line 12)"
    assert problem.message == "has 11 rules; a contract has at most 10"


def doubled(times: int) -> str:
    """A transform whose result has each column so many times doubled."""
    ctes = "".join(f", a{n} AS (SELECT *, * FROM a{n - 1})" for n in range(1, times + 1))
    return f"WITH a0 AS (FROM valid){ctes} FROM a{times}"


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("transform", "complaint"),
    [
        (doubled(12), "has 16,384 columns; a result has at most 1,600"),
        (doubled(30), "takes more than 5 seconds or 768 MB to check"),
    ],
    ids=["wide", "without end"],
)
def test_a_result_has_a_bounded_number_of_columns(transform: str, complaint: str) -> None:
    text = re.sub(r"transform: \|\n  .*\n", f"transform: |\n  {transform}\n", DATASET)
    assert complaint in reported(broken("a", "a", text))


def test_a_transform_may_choose_columns_by_a_pattern() -> None:
    text = DATASET.replace("SELECT order_id, amount,", "SELECT COLUMNS('o.*_id'), amount,")
    assert check_dataset(text, "orders").output_columns[0] == ("order_id", "integer")


def test_a_transform_may_join_lookups_by_their_names() -> None:
    checked = check_dataset(JOINED, "orders")

    assert checked.output_columns[2] == ("country", "string")
    assert checked.dataset.lookups[0].format == CsvFormat()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("title AS", "tile AS", 'unknown column "tile"; did you mean "title"?'),
        ("JOIN countries", "JOIN cities", "must read from valid, countries only, not from cities"),
        (
            "name: countries",
            "name: valid",
            "lookups[0].name (line 14): is the relation of the rows",
        ),
        ("key: lookups/countries.csv", "format: {}", "needs either key"),
        ("key: lookups/countries.csv", "url: http://x/y", "lookups[0].url (line 15)"),
        ("{name: code}", "{name: code, type: text}", "lookups[0].columns[0].type (line 16)"),
        ("{name: code}", "{name: title}", "columns named twice: title"),
        ("LEFT JOIN countries ON code = valid.country", "", 'unknown column "title"'),
        ("columns: [{name: code}", "format: {type: jsonl}\n    columns: [{name: code}", "'csv'"),
    ],
)
def test_mistakes_with_lookups_are_reported(old: str, new: str, complaint: str) -> None:
    assert complaint in reported(broken(old, new, JOINED))


def test_a_lookup_that_nothing_reads_is_a_mistake() -> None:
    text = JOINED.replace("title AS country", "country").replace(
        "LEFT JOIN countries ON code", "--"
    )

    assert "lookups[0] (line 14): the transform does not read it" in reported(
        broken("a", "a", text)
    )


def test_all_problems_of_the_sql_are_reported_at_once() -> None:
    text = DATASET.replace("amount > 0", "amont > 0").replace("[order_id]", "[oder_id]")

    error = broken("minimum: 0", "minimum: x", text)

    assert [problem.path.split(" ")[0] for problem in error.problems] == [
        "columns[1].minimum",
        "rules[0].check",
        "targets.dynamodb.key",
    ]


BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
)


# So many values that their number cannot even be written.
DEEP = "\n".join(
    ["b0: &b0 [x]"] + [f"b{n}: &b{n} [*b{n - 1}, *b{n - 1}]" for n in range(1, 16_000)]
)


@pytest.mark.parametrize(
    ("old", "new", "path", "complaint"),
    [
        ("columns:\n", f"{BOMB}\ncolumns:\n", "file", "more than 100,000 values"),
        ("columns:\n", "loop: &loop [*loop]\ncolumns:\n", "file", "is not YAML"),
        ("minimum: 0", "minimum: !!float abc", "line", "'abc' cannot be read as !!float"),
        ("minimum: 0", f"minimum: {'9' * 5000}", "line", "cannot be read as !!int"),
        ("minimum: 0", f"minimum: 0x{'f' * 20000}", "line", "cannot be read as !!int"),
        ("minimum: 0", 'minimum: !!int ""', "line", "cannot be read as !!int"),
        ("minimum: 0", "minimum: !!bool abc", "line", "cannot be read as !!bool"),
        pytest.param(
            *("columns:\n", f"{DEEP}\ncolumns:\n", "file", "more than 100,000 values"),
            marks=pytest.mark.slow,
        ),
        ("minimum: 0", "minimum: !!timestamp abc", "line", "cannot be read as !!timestamp"),
        ("columns:\n", 'description: "\\ud800"\ncolumns:\n', "description", "surrogate pair"),
        ("columns:\n", '"\\udfff": 1\ncolumns:\n', "\\udfff", "surrogate pair"),
        ("minimum: 0", 'allowed: ["1", "2\\0"]', "columns[1].allowed[1] (line ", "a NUL"),
        ("columns:\n", 'description: "a\\x00b"\ncolumns:\n', "description", "a NUL character"),
        ("columns:\n", '"a\\0": 1\ncolumns:\n', "a\\0 (line", "a NUL character"),
    ],
    ids=[
        "aliases",
        "loop",
        "float",
        "digits",
        "digits of base 16",
        "int",
        "bool",
        "deep",
        "timestamp",
        "surrogate",
        "surrogate in a name",
        "NUL among allowed values",
        "NUL",
        "NUL in a name",
    ],
)
def test_a_hostile_file_is_refused_in_words(old: str, new: str, path: str, complaint: str) -> None:
    error = broken(old, new)

    (problem,) = [one for one in error.problems if complaint in one.message]
    assert problem.path.startswith(path)
    assert str(error).encode()


@pytest.mark.parametrize(
    "table",
    ["pipeline_loads", "public.pipeline_runs", "mart.pipeline_x", "pg_temp.a", "pg_class"]
    + ["information_schema.tables"],
)
def test_tables_of_the_pipeline_and_of_the_warehouse_are_no_targets(table: str) -> None:
    error = broken("targets:", f"targets:\n  redshift: {{table: {table}, key: [order_id]}}")

    (problem,) = error.problems
    assert problem.path.startswith("targets.redshift.table")
    assert "take another name" in problem.message


@pytest.mark.parametrize("prefix", ["runs/", "runs/r1/", "quarantine/orders/"])
def test_the_pipelines_own_files_are_no_source(prefix: str) -> None:
    error = broken("prefix: landing/orders/", f"prefix: {prefix}")
    (problem,) = error.problems
    assert problem.path == "source.prefix (line 3)"
    assert problem.message == (
        "runs/ and quarantine/ of the data bucket hold the pipeline's own files;"
        " take another prefix, such as landing/orders/"
    )
    assert problem.value == f'"{prefix}"'

    elsewhere = DATASET.replace("prefix: landing/orders/", f"bucket: b\n  prefix: {prefix}")
    assert check_dataset(elsewhere, "orders").dataset.source.prefix == prefix


@pytest.mark.parametrize("key", ["runs/r1/results.json", "quarantine/orders/r1/a.jsonl"])
def test_the_pipelines_own_files_are_no_lookup(key: str) -> None:
    error = broken("key: lookups/countries.csv", f"key: {key}", JOINED)
    (problem,) = error.problems
    assert problem.path.startswith("lookups[0].key (line ")
    assert "hold the pipeline's own files" in problem.message
    assert problem.value == f'"{key}"'


def test_of_more_than_a_hundred_problems_the_first_hundred_are_reported() -> None:
    columns = "columns:\n" + "".join(f"  - {{name: c{n}, type: x}}\n" for n in range(300))

    error = broken("columns:\n", columns)

    assert len(error.problems) == 101
    assert "200 more" in reported(error)


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
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3)"
        " SELECT order_id, n FROM valid, t",
        "SELECT DISTINCT ON (order_id) * FROM valid ORDER BY ordered_on DESC",
    ],
)
def test_transforms_may_do_what_queries_do(transform: str) -> None:
    text = re.sub(r"transform: \|\n  .*\n", f"transform: |\n  {transform}\n", DATASET)

    assert check_dataset(text, "orders").output_columns[0] == ("order_id", "integer")


def test_objects_are_grouped_for_jobs_too() -> None:
    jobs = "jobs:\n  - {stage: clean, glueJob: clean-csv, timeoutSeconds: 600}\n"
    grouped = DATASET.replace("source:\n", "source:\n  group: {objects: 20}\n") + jobs
    dataset = check_dataset(grouped, "orders").dataset
    assert dataset.source.group is not None
    assert [job.stage for job in dataset.jobs] == ["clean"]
