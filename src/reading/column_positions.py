"""Where in a file the contract's columns stand, by whatever names.

A column is sought by its `source`, and by its own name if that is not there: the outputs of jobs
and rows that are sent again carry the contract's names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contracts.columns import folded
from contracts.errors import InvalidData
from tabular.sql import sql_literal


def positions_of(header: Sequence[str], names: Mapping[str, str], source: str) -> dict[str, int]:
    """Where each contract column stands among the file's columns.

    A name that is there as it is written counts before one that differs in case or spaces.

    Args:
        names: what each column is called in the file, by its own name.
        source: how messages name the file.

    Raises:
        InvalidData: one is missing, there twice, or there by both its names.
    """
    small = [folded(name) for name in header]

    def places(wanted: str) -> list[int]:
        exact = [at for at, name in enumerate(header) if name == wanted]
        return exact or [at for at, name in enumerate(small) if name == folded(wanted)]

    found: dict[str, list[int]] = {}
    for name, wanted in names.items():
        found[name] = places(wanted)
        own = [] if folded(wanted) == name else places(name)
        if found[name] and own:
            raise InvalidData(f"{source}, line 1: {_both(name, wanted, 'the header')}")
        found[name] = found[name] or own
    missing = [_shown(name, names[name]) for name, at in found.items() if not at]
    if missing:
        raise InvalidData(
            f"{source}, line 1: the header lacks {', '.join(missing)};"
            f" it has {', '.join(header)[:400]}"
        )
    twice = [_shown(name, names[name]) for name, at in found.items() if len(at) > 1]
    if twice:
        raise InvalidData(f"{source}, line 1: the header has {', '.join(twice)} more than once")
    return {name: at[0] for name, at in found.items()}


def in_contract_names(header: Sequence[str], positions: Mapping[str, int]) -> list[str]:
    """A header with the contract's names in place of the file's, where it has one."""
    known = {at: name for name, at in positions.items()}
    return [known.get(at, name) for at, name in enumerate(header)]


def json_paths(names: Mapping[str, str]) -> list[str]:
    """Where in a JSON object the columns' texts are sought; `json_texts` takes what is found.

    Args:
        names: what each column is called in the file, by its own name.
    """
    return [json_pointer(key) for key in (*names.values(), *_other_names(names))]


def json_texts(found: str, names: Mapping[str, str]) -> str:
    """SQL for the texts of the columns as VARCHAR[], in their order.

    It fails for an object that holds a value by both names of a column.

    Args:
        found: SQL for the texts at `json_paths`, as VARCHAR[].
        names: what each column is called in the file, by its own name.
    """
    own = {name: len(names) + n for n, name in enumerate(_other_names(names), start=1)}
    if not own:
        return found
    texts = []
    for n, (name, key) in enumerate(names.items(), start=1):
        one = f"found[{n}]"
        if name in own:
            other = f"found[{own[name]}]"
            refusal = f"error({sql_literal(_both(name, key, 'a record'))})"
            one = (
                f"CASE WHEN {one} IS NOT NULL AND {other} IS NOT NULL THEN {refusal}"
                f" ELSE coalesce({one}, {other}) END"
            )
        texts.append(one)
    listed = f"CASE WHEN found IS NOT NULL THEN [{', '.join(texts)}] END"
    return f"list_transform([{found}], lambda found: {listed})[1]"


def _other_names(names: Mapping[str, str]) -> list[str]:
    return [name for name, key in names.items() if key != name]


def json_pointer(key: str) -> str:
    """DuckDB's other notation, `$."key"`, knows wildcards and escapes; this takes any key."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _shown(name: str, wanted: str) -> str:
    return name if name == wanted else f'"{wanted}" (column {name})'


def _both(name: str, wanted: str, where: str) -> str:
    return (
        f'{where} has both "{wanted}" and {name}, and either would be column {name} of the'
        " contract; give the column another name, or leave one out of the file"
    )
