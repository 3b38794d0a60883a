"""pools.yaml: what it may say, and everything that is wrong with one at once."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from cli.pools_schema import pools_schema
from contracts.errors import InvalidInput
from remote_jobs.pools.pools_file import BYTES_AT_MOST, POOLS_AT_MOST, parse_pools

GOOD = """\
pools:
  database: {limit: 4}
  a-b_2: {limit: 500}
  redshift: {limit: 2}
  glue/my-stack-clean-csv: {limit: 5}
  emr/j-LOCAL00000001: {limit: 10}
  emr-serverless/00local000000001: {limit: 1.0}
"""
BAD = {
    "a pool without a limit": ("pools: {a: {}}", "pools.a.limit (line 1): is required"),
    "nothing behind a pool": ("pools:\n  a:\n", "pools.a (line 2): is empty"),
    "no place": ("pools:\n  a: {limit: 0}\n", "pools.a.limit (line 2): should be greater than"),
    "too many places": ("pools: {a: {limit: 501}}", "should be less than or equal to 500"),
    "a limit as text": ("pools: {a: {limit: '5'}}", "should be a valid integer"),
    "a truth": ("pools: {a: {limit: true}}", "should be a valid integer"),
    "a field that is none": ("pools: {a: {limits: 5}}", "did you mean limit?"),
    "another field": ("pools: {}\nqueue: 5\n", "queue (line 2): is not a field here"),
    "a name of capitals": (
        "pools: {Data: {limit: 1}}",
        "pools.Data (line 1): is no name of a pool: take",
    ),
    "a name of nothing": ("pools: {'': {limit: 1}}", "is no name of a pool: take lower-case"),
    "a name that is a number": ("pools: {5: {limit: 1}}", "should be a valid string"),
    "an engine without a place": ("pools: {glue: {limit: 1}}", "is an engine"),
    "steps through Systems Manager": (
        "pools: {emr-ssm/j-A: {limit: 1}}",
        "is no name of a pool: take",
    ),
    "a pool twice": ("pools:\n  a: {limit: 1}\n  a: {limit: 2}\n", "a is given twice"),
    "a list": ("- a", "must be a mapping of fields, beginning with pools:"),
    "nothing": ("", "must be a mapping of fields, beginning with pools:"),
    "comments only": ("# pools:\n", "must be a mapping of fields"),
    "no YAML": ("pools: {", "is not YAML"),
    "half a pair": ('pools: {"a\\ud800": {limit: 1}}', "half of a surrogate pair"),
    "a file for a longer day": (f"pools: {{}}\n#{'x' * BYTES_AT_MOST}", "is too large"),
}
# What a schema cannot say, as it sees the value, not the text; and names in JSON are texts.
NOT_BY_SCHEMA = {
    "a pool twice",
    "no YAML",
    "half a pair",
    "a file for a longer day",
    "a name that is a number",
}
CHECKER = jsonschema.Draft7Validator(pools_schema())


def problems(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_pools(text, "pools.yaml")
    assert caught.value.subject == "pools.yaml"
    return "\n".join(str(problem) for problem in caught.value.problems)


def test_limits_by_name() -> None:
    assert parse_pools(GOOD, "pools.yaml").limits == {
        "database": 4,
        "a-b_2": 500,
        "redshift": 2,
        "glue/my-stack-clean-csv": 5,
        "emr/j-LOCAL00000001": 10,
        "emr-serverless/00local000000001": 1,
    }
    assert parse_pools("pools: {}", "pools.yaml").limits == {}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_file_is_refused_with_place_and_reason(name: str) -> None:
    text, reason = BAD[name]
    assert reason in problems(text)


def test_every_problem_is_reported_at_once() -> None:
    found = problems("pools:\n  A: {limit: 1}\n  b: {limit: 0}\n  glue: {limit: 1}\nx: 1\n")
    assert [line.partition(":")[0] for line in found.splitlines()] == [
        "pools.A (line 2)",
        "pools.b.limit (line 3)",
        "pools.glue (line 4)",
        "x (line 5)",
    ]


def test_a_few_lines_of_aliases_are_not_written_out() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]"
        for last, name in zip("abcdefghijklmnop", "bcdefghijklmnopq", strict=True)
    ]
    assert "100,000 values" in problems("\n".join(lines))


def test_a_file_may_have_many_pools_but_not_any_number() -> None:
    def pools(count: int) -> str:
        return "pools:\n" + "".join(f"  p{number}: {{limit: 1}}\n" for number in range(count))

    assert len(parse_pools(pools(POOLS_AT_MOST), "pools.yaml").limits) == POOLS_AT_MOST
    assert "at most 200" in problems(pools(POOLS_AT_MOST + 1))


class TestSchema:
    def test_it_takes_what_is_right(self) -> None:
        assert not list(CHECKER.iter_errors(yaml.safe_load(GOOD)))

    @pytest.mark.parametrize("name", sorted(BAD.keys() - NOT_BY_SCHEMA))
    def test_it_refuses_what_is_wrong(self, name: str) -> None:
        value: Any = yaml.safe_load(BAD[name][0])
        assert list(CHECKER.iter_errors(value))
