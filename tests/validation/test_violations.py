"""What is counted and shown of the rules that a unit's rows break."""

from __future__ import annotations

from typing import Any

from contracts.dataset import Severity
from reading_rules.malformed import VALUE_CHARACTERS
from validation.checks import Check
from validation.violations import EXAMPLES, BrokenRules

LATE = Check("sent > due", "late", "breaks the rule late: sent <= due")
NEGATIVE = Check("n < 0", "minimum", "{value} is below the minimum 0", "n", Severity.WARN)


def of_lines(check: Check, *lines: int, value: str | None = "x") -> BrokenRules:
    """The rules of a chunk in which the rows at these lines break one."""
    rules = BrokenRules()
    for line in lines:
        found = rules.of(check)
        found.rows += 1
        found.add_example(line, value)
    return rules


def only(rules: BrokenRules) -> dict[str, Any]:
    (rule,) = rules.to_json()["rules"]
    return dict(rule)


def test_of_many_rows_that_break_a_rule_the_first_ones_are_shown() -> None:
    rule = only(of_lines(LATE, *range(2, 50)))

    assert rule["rows"] == 48
    assert [example["line"] for example in rule["examples"]] == [2, 3, 4][:EXAMPLES]


def test_what_further_chunks_break_is_added_up() -> None:
    rules = of_lines(LATE, 2, 3)
    rules.add(of_lines(LATE, 10, 11))
    rules.add(of_lines(NEGATIVE, 12))

    late, negative = rules.to_json()["rules"]
    assert (late["rule"], late["rows"]) == ("late", 4)
    assert [example["line"] for example in late["examples"]] == [2, 3, 10]
    assert (negative["rule"], negative["column"], negative["severity"]) == ("minimum", "n", "warn")


def test_a_column_is_a_rule_of_its_own_and_named_with_it() -> None:
    rules = of_lines(NEGATIVE, 2)
    rules.add(of_lines(Check("m < 0", "minimum", "{value} is too low", "m"), 3, 4))

    assert [found.name for found in rules.most_frequent()] == ["minimum m", "minimum n"]
    assert [found.name for found in rules.of_severity(Severity.WARN)] == ["minimum n"]
    assert only(of_lines(NEGATIVE, 2))["reason"] == "a value is below the minimum 0"


def test_a_long_value_is_shown_by_its_beginning() -> None:
    (example,) = only(of_lines(NEGATIVE, 2, value="y" * 10_000))["examples"]

    assert example == {"line": 2, "value": "y" * VALUE_CHARACTERS}
    assert only(of_lines(NEGATIVE, 2, value=None))["examples"][0]["value"] is None


def test_rules_of_the_whole_object_count_all_its_rows() -> None:
    rules = BrokenRules()
    assert not rules
    rules.of_object("row-count", Severity.FAIL, "has 2 rows, fewer than 3", 2)

    assert rules
    assert (only(rules)["rows"], only(rules)["examples"]) == (2, [])


def test_without_values_only_the_lines_of_rows_are_left() -> None:
    rules = of_lines(NEGATIVE, 2, 3, value="-1")
    rules.of_object("freshness", Severity.FAIL, "its newest d, 2011-11-11T11:11:11Z, is old", 9)

    bare = rules.without_values().to_json()["rules"]

    assert [rule["rows"] for rule in bare] == [9, 2]
    assert bare[1]["examples"] == [{"line": 2, "value": None}, {"line": 3, "value": None}]
    assert "2011" not in bare[0]["reason"]
    assert rules.to_json()["rules"][1]["examples"][0]["value"] == "-1", "the others stay"
