"""The base of all documents, and how one is printed."""

from __future__ import annotations

from typing import Any

import typer
from pydantic import ConfigDict

from cli.views.printing import escaped_json
from contracts.base import Contract


class Document(Contract):
    """A document, or a part of one."""

    model_config = ConfigDict(extra="forbid")

    def to_json(self) -> dict[str, Any]:
        """The document as plain JSON types; fields without a value are null, not left out."""
        return self.model_dump(mode="json", by_alias=True, fallback=repr)


def print_document(document: Document) -> None:
    """The document on standard output, unwrapped and uncoloured.

    Values are exact; what a terminal might obey in them is written as JSON's escapes.
    """
    typer.echo(escaped_json(document.model_dump_json(by_alias=True, indent=2, fallback=repr)))


def print_line(document: Document) -> None:
    """The document on one line, where a command prints a stream of them."""
    typer.echo(escaped_json(document.model_dump_json(by_alias=True, fallback=repr)))
