"""What of a CSV format changes the text before it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

CSV_CHANGES: Final = ("skipLines", "footerLines", "comment", "escape")


class CsvRules(NamedTuple):
    """What of a format changes the text; nothing of it: 0, empty."""

    skipped: int
    footer: int
    comment: bytes
    escape: bytes
    delimiter: bytes
    quote: bytes
    nulls: Sequence[bytes]

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> CsvRules | None:
        """Of a contract's format as JSON has it; None where it says nothing of this."""
        if not any(form.get(field) for field in CSV_CHANGES):
            return None
        escape = str(form.get("escape") or "")
        return cls(
            skipped=form.get("skipLines") or 0,
            footer=form.get("footerLines") or 0,
            comment=str(form.get("comment") or "").encode(),
            escape=escape.encode(),
            delimiter=str(form.get("delimiter", ",")).encode(),
            quote=str(form.get("quote", '"')).encode(),
            nulls=[text.encode() for text in escaped_nulls(form)],
        )


def escaped_nulls(form: Mapping[str, Any]) -> list[str]:
    r"""The texts for missing values that are compared before backslashes are understood.

    So `\N` is a missing value, and `\\N` the text `\N`.
    """
    return [text for text in form.get("nulls") or () if form.get("escape") and "\\" in text]


def plain_nulls(form: Mapping[str, Any]) -> list[str]:
    """The texts for missing values that values are compared with."""
    early = escaped_nulls(form)
    return [text for text in form.get("nulls") or () if text not in early]
