"""Whatever is nested in JSON keeps its digits and its texts."""

from __future__ import annotations

import json
import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scratch_duckdb import connect

from reading_rules.json.records import JSON_LINE, json_values

DIGITS = st.text(string.digits, min_size=1, max_size=25).map(lambda text: text.lstrip("0") or "0")
NUMBERS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "-"]),
        DIGITS,
        st.one_of(st.just(""), st.text(string.digits, min_size=1, max_size=20).map(".{}".format)),
        st.one_of(
            st.just(""),
            st.builds(
                "{}{}{}".format,
                st.sampled_from("eE"),
                st.sampled_from(["", "+", "-"]),
                st.integers(0, 999),
            ),
        ),
    ),
)
LETTERS = st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('\x02"\\u0.-1'))
TEXTS = st.one_of(
    st.text(LETTERS, max_size=8), NUMBERS, NUMBERS.map("\x02{}".format), st.just("\\u0002")
)


def written(value: Any) -> str:
    """JSON of a value whose numbers are already written, as tuples of one."""
    if isinstance(value, tuple):
        return str(value[0])
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{json.dumps(key)}: {written(one)}" for key, one in value.items()) + "}"
        )
    return json.dumps(value)


def read(text: str) -> Any:
    return json.loads(
        text, parse_int=lambda digits: (digits,), parse_float=lambda digits: (digits,)
    )


VALUES = st.recursive(
    st.one_of(NUMBERS.map(lambda digits: (digits,)), TEXTS, st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=100)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_whatever_is_nested_keeps_its_digits_and_texts(values: list[Any]) -> None:
    line = written({f"k{n}": value for n, value in enumerate(values)})
    texts = json_values([f"/k{n}" for n in range(len(values))])
    with connect() as connection:
        (found,) = connection.execute(
            f"SELECT {texts} FROM (SELECT ?::VARCHAR AS {JSON_LINE})", [line]
        ).fetchone()
    for value, text in zip(values, found, strict=True):
        if isinstance(value, (list, dict)):
            assert read(text) == value
        elif isinstance(value, tuple):
            assert text == value[0]
        elif isinstance(value, str) or value is None:
            assert text == value
        else:
            assert text == str(value).lower()
