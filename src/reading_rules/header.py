"""Where in a file the contract's columns stand, by whatever names.

A column is looked up by its `source`, and by its own name where the file has no such field: the
outputs of jobs and rows that are sent again carry the contract's names.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

from reading_rules.visible import visible


class HeaderError(Exception):
    """A file's header does not fit the contract; the message goes on from "<file>, line 1: "."""


def folded(name: str) -> str:
    """A name of a file as names are compared where their case does not matter."""
    return name.strip().lower()


def first_line_of(block: bytes, encoding: str) -> str:
    """The first line of a text in UTF-8, without its end and its byte order mark.

    Args:
        block: the text from its beginning, at least one line of it.
        encoding: of the original, for the message.

    Raises:
        HeaderError: it is not text of the encoding.
    """
    line = block.replace(b"\r", b"\n").partition(b"\n")[0]
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HeaderError(f"the header is not {encoding.upper()}") from error


def field_names(line: str, delimiter: str, quote: str) -> list[str]:
    """The names in a header, without the spaces around them.

    Raises:
        HeaderError: there are none.
    """
    names = fields_of(line, delimiter, quote)
    if not names:
        raise HeaderError("the header is expected here, but the line is empty")
    return [name.strip() for name in names]


def fields_of(line: str, delimiter: str, quote: str) -> list[str]:
    """The fields of a record in one line, with a delimiter of one character or more."""
    if len(delimiter) == 1:
        return next(csv.reader([line], delimiter=delimiter, quotechar=quote), [])
    # The module knows one character only: one that is not there stands for all of them.
    other = next(one for one in map(chr, range(0xE000, 0xF8FF)) if one not in line)
    fields = next(
        csv.reader([line.replace(delimiter, other)], delimiter=other, quotechar=quote), []
    )
    return [field.replace(other, delimiter) for field in fields]


def positions_of(header: Sequence[str], names: Mapping[str, str]) -> dict[str, int]:
    """Where each contract column stands among the file's columns.

    A name that is there as it is written counts before one that differs in case or spaces.

    Args:
        names: what each column is called in the file, by its own name.

    Raises:
        HeaderError: one is missing, there twice, or there by both its names.
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
            raise HeaderError(both_names(name, wanted, "the header"))
        found[name] = found[name] or own
    missing = [_shown(name, names[name]) for name, at in found.items() if not at]
    if missing:
        raise HeaderError(
            f"the header lacks {', '.join(missing)}; it has {visible(', '.join(header)[:400])}"
        )
    twice = [_shown(name, names[name]) for name, at in found.items() if len(at) > 1]
    if twice:
        raise HeaderError(f"the header has {', '.join(twice)} more than once")
    return {name: at[0] for name, at in found.items()}


def in_contract_names(header: Sequence[str], positions: Mapping[str, int]) -> list[str]:
    """A header with the contract's names in place of the file's, where it has one."""
    known = {at: name for name, at in positions.items()}
    return [known.get(at, name) for at, name in enumerate(header)]


def both_names(name: str, wanted: str, where: str) -> str:
    """What is wrong with a record or header that has a column by either of its names."""
    return (
        f'{where} has both "{visible(wanted)}" and {name}, and either would be column {name} of the'
        " contract; give the column another name, or leave one out of the file"
    )


def _shown(name: str, wanted: str) -> str:
    return name if name == wanted else f'"{visible(wanted)}" (column {name})'
