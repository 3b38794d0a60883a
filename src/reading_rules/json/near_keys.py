"""Keys of JSON that no record of an object has, where records have one that is nearly the same.

In JSON a key may be missing, so one that is written otherwise than in the contract (`Note`,
`order-id`) would go unnoticed, and its values would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from reading_rules.json.records import IS_OBJECT, JSON_LINE, json_pointer
from reading_rules.sql import any_of, sql_literal
from reading_rules.visible import visible

RECORDS_LOOKED_AT: Final = 10_000
_NOT_COMPARED: Final = re.compile(r"[\W_]+")


def keys_query(records: str) -> str:
    """SELECT of the keys that an object's first records have, each once.

    Args:
        records: SQL for a relation with the records as JSON.
    """
    objects = f"SELECT {JSON_LINE} FROM {records} WHERE {IS_OBJECT} LIMIT {RECORDS_LOOKED_AT}"
    return f"SELECT DISTINCT unnest(json_keys({JSON_LINE})) FROM ({objects})"


def near_keys(
    names: Mapping[str, str], keys: Iterable[str], *, ignores_case: bool = False
) -> dict[str, str]:
    """For columns none of whose names is among the keys: the key that is nearly the same.

    Case, spaces and punctuation are passed over.

    Args:
        names: what each column is called in the file, by its own name.
        ignores_case: whether keys in another case are read anyway.
    """
    there = set(keys)
    small = {key.lower() for key in there} if ignores_case else set()
    by_likeness = {_likeness(key): key for key in sorted(there, reverse=True)}
    found: dict[str, str] = {}
    for name, wanted in names.items():
        near = by_likeness.get(_likeness(wanted)) or by_likeness.get(_likeness(name))
        taken = there & {name, wanted} or near in names.values() or near in names
        taken = taken or {name.lower(), wanted.lower()} & small
        if near is not None and not taken:
            found[name] = near
    return found


def has_key_query(records: str, name: str, wanted: str) -> str:
    """SELECT of a row if any record has a column by one of its names."""
    some = any_of(
        f"json_exists({JSON_LINE}, {sql_literal(json_pointer(key))})"
        for key in dict.fromkeys((wanted, name))
    )
    return f"SELECT 1 FROM {records} WHERE CASE WHEN {IS_OBJECT} THEN {some} END LIMIT 1"


def missing_key(wanted: str, near: str) -> str:
    """What is wrong with an object none of whose records has a key, for people."""
    return (
        f'no record has the key "{visible(wanted)}", but there is "{visible(near)}": make that the'
        " column's source, or rename the key"
    )


def _likeness(key: str) -> str:
    return _NOT_COMPARED.sub("", key).casefold() or key
