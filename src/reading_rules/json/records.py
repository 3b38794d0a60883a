"""Records that are JSON objects, one a line: the texts of the contract's columns, as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from reading_rules.header import both_names
from reading_rules.sql import sql_literal
from reading_rules.visible import visible

JSON_LINE: Final = '"json-line"'  # hyphens keep our columns apart from every contract column
IS_OBJECT: Final = f"(CASE WHEN json_valid({JSON_LINE}) THEN json_type({JSON_LINE}) END) = 'OBJECT'"
# An empty line is NULL; as one of spaces it is no record, and nothing wrong. The comparison spares
# all others a closer look.
IS_BLANK: Final = (
    f"{JSON_LINE} IS NULL OR ({JSON_LINE} < '!' AND trim({JSON_LINE}, concat(' ', chr(9))) = '')"
)
IS_NO_OBJECT: Final = f"({IS_BLANK}) IS NOT TRUE AND ({IS_OBJECT}) IS NOT TRUE"
NO_OBJECT: Final = "not a JSON object"
# Numbers that a double would change, in value or in spelling: long, with an exponent, small, minus
# zero, with a zero at the end. By what stands before or behind a number in JSON, as dates and other
# texts have much that looks like these; a text that still does only costs time.
_DELICATE: Final = r"[:,\[\s-]([0-9.]{16}|[0-9.]+[eE]|0\.000)|[:,\[\s]-0|\.[0-9]*0([\s,\]}]|$)"
_TOKENS: Final = r'("(?:[^"\\]|\\.)*")|(-?[0-9][-+0-9.eE]*)'
_SIGN: Final = "\\u0002"  # as JSON escapes it: stands before the digits of a number made a text
_SIGNED_NUMBER: Final = r'"\\u0002(-?[0-9][-+0-9.eE]*)"'


def json_pointer(key: str) -> str:
    """DuckDB's other notation, `$."key"`, knows wildcards and escapes; this takes any key."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def json_texts(names: Mapping[str, str], *, ignores_case: bool = False) -> str:
    """SQL for the texts of the columns as VARCHAR[], in their order; NULL for what is no object.

    Where columns have two names, or the case of keys is ignored, a last one is no column's: of an
    object with two values for a column it is that column and what is wrong, `name: reason`;
    otherwise NULL.

    Args:
        names: what each column is called in the file, by its own name.
        ignores_case: whether keys may be written in another case.
    """
    own = {name: len(names) + n for n, name in enumerate(_other_names(names), start=1)}
    keys = [*names.items(), *((name, name) for name in own)]
    if ignores_case:
        found = _values_of_any_case(keys)
    else:
        found = json_values(json_pointer(key) for _, key in keys)
    if not own:
        return found
    texts, faults = [], []
    for n, (name, key) in enumerate(names.items(), start=1):
        one = f"found[{n}]"
        if name in own:
            other = f"found[{own[name]}]"
            reason = f"{name}: {both_names(name, key, 'the record')}"
            both = f"{one} IS NOT NULL AND {other} IS NOT NULL"
            faults.append(f"WHEN {both} THEN {sql_literal(reason)}")
            one = f"coalesce({one}, {other})"
        texts.append(one)
    last = f"found[{len(keys) + 1}]" if ignores_case else "NULL"
    texts.append(f"CASE {' '.join(faults)} ELSE {last} END")
    listed = f"CASE WHEN found IS NOT NULL THEN [{', '.join(texts)}] END"
    return f"list_transform([{found}], lambda found: {listed})[1]"


def json_fault(found: str, names: Mapping[str, str], *, ignores_case: bool = False) -> str | None:
    """SQL of what `json_texts` says is wrong with an object; None where nothing can be.

    Args:
        found: SQL of its result.
    """
    return f"{found}[{len(names) + 1}]" if ignores_case or _other_names(names) else None


def parted_fault(fault: str) -> tuple[str, str]:
    """The column that a fault is about, and what is wrong with it."""
    column, _, reason = fault.partition(": ")
    return column, reason


def json_values(paths: Iterable[str]) -> str:
    """SQL for the texts at these paths, all in one look: each look parses the line again.

    DuckDB passes numbers through a double. Where that may change one, the line is read again with
    its numbers made texts; those within objects and arrays become numbers again afterwards.
    """
    return _texts_at(f"[{', '.join(sql_literal(path) for path in paths)}]")


def _values_of_any_case(keys: Iterable[tuple[str, str]]) -> str:
    """As `json_values`; a key that is there as it is written counts before another one.

    A last text says, `column: reason`, that an object has several keys that would do, none of them
    as it is written.

    Args:
        keys: each with its column's name.
    """
    every = f"CASE WHEN {IS_OBJECT} THEN json_keys({JSON_LINE}) END"
    names, lowered, values = "found[1]", "found[2]", "found[3]"
    texts, faults = [], []
    for column, key in keys:
        same, small = sql_literal(key), f"lower({sql_literal(key)})"
        several = f"len(list_filter({lowered}, lambda key: key = {small})) > 1"
        problem = (
            f'{column}: the record has several keys that are "{visible(key)}" but for their case,'
            " and the contract ignores it (format.caseInsensitive)"
        )
        is_there = f"list_contains({names}, {same})"
        faults.append(f"WHEN NOT {is_there} AND {several} THEN {sql_literal(problem)}")
        texts.append(
            f"CASE WHEN {is_there}"
            f" THEN {values}[list_position({names}, {same})]"
            f" ELSE {values}[list_position({lowered}, {small})] END"
        )
    texts.append(f"CASE {' '.join(faults)} END")
    lower = f"list_transform({every}, lambda key: lower(key))"
    listed = f"CASE WHEN {values} IS NOT NULL THEN [{', '.join(texts)}] END"
    found = f"[[{every}, {lower}, {_texts_at(sql_literal('$.*'))}]]"
    return f"list_transform({found}, lambda found: {listed})[1]"


def _texts_at(wanted: str) -> str:
    """SQL: the texts at a list of paths, or at one that means several."""
    # Behind each token comes what makes a number a text, and is taken away again behind a text.
    # Where the sign is there already it is doubled, so that no text is taken for a number.
    doubled = f"replace({JSON_LINE}, '{_SIGN}', '{_SIGN}{_SIGN}')"
    marked = f"regexp_replace({doubled}, {sql_literal(_TOKENS)}, '\\1\x02\\2\x03', 'g')"
    begun = f"replace(replace({marked}, '\x02\x03', ''), '\x02', '\"{_SIGN}')"
    texts = f"replace({begun}, '\x03', '\"')"
    plain = f"json_extract_string({JSON_LINE}, {wanted})"
    nested = f"regexp_replace(found[3], {sql_literal(_SIGNED_NUMBER)}, '\\1', 'g')"
    exact = (
        f"list_transform(list_zip(json_type({JSON_LINE}, {wanted}), {plain},"
        f" json_extract_string({texts}, {wanted})), lambda found: CASE"
        " WHEN found[1] IN ('DOUBLE', 'BIGINT', 'UBIGINT') THEN substr(found[3], 2)"
        f" WHEN found[1] IN ('OBJECT', 'ARRAY') THEN replace({nested}, '{_SIGN}{_SIGN}', '{_SIGN}')"
        " ELSE found[2] END)"
    )
    return (
        f"CASE WHEN ({IS_OBJECT}) IS NOT TRUE THEN NULL"
        f" WHEN regexp_matches({JSON_LINE}, {sql_literal(_DELICATE)}) THEN {exact} ELSE {plain} END"
    )


def _other_names(names: Mapping[str, str]) -> list[str]:
    return [name for name, key in names.items() if key != name]
