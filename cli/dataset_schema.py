"""The JSON Schema of contract files, for editors: derived from the contract's types.

Draft 7, which language servers of YAML editors support best. What only the whole contract
shows (whether a column exists, whether SQL is right) is checked by `pipeline dataset check`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from cli.docstrings import describe
from contracts import dataset as contract
from contracts.dataset import Dataset, StrictContract

SCHEMA_FILE: Final = Path("datasets") / "dataset.schema.json"
_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_NOISE: Final = ("title", "discriminator")  # made-up titles; a keyword of another standard
Schema = dict[str, Any]


def schema_text() -> str:
    """The schema as the file `datasets/dataset.schema.json` holds it."""
    return as_text(dataset_schema())


def as_text(schema: Schema) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def dataset_schema() -> Schema:
    """The schema with the docstrings of the contract's types as descriptions."""
    return schema_of(Dataset, _models(), "A dataset's contract")


def schema_of(
    root: type[StrictContract], models: Iterable[type[StrictContract]], title: str
) -> Schema:
    """The schema of a contract file, described by the docstrings of its types.

    Args:
        models: the root and its parts.
    """
    made = root.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    definitions = made.pop("$defs")
    for model in models:
        held = made if model is root else definitions.get(model.__name__)
        if held is not None:
            describe(held, model)
    parts = {name: _tidy(held) for name, held in definitions.items()}
    return {"$schema": _DRAFT, "title": title, **_tidy(made), "definitions": parts}


def _models() -> Iterator[type[StrictContract]]:
    for value in vars(contract).values():
        if isinstance(value, type) and issubclass(value, StrictContract):
            yield value


def _tidy(value: Any) -> Any:
    """Without noise and without null, which contracts do not use."""
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    if not isinstance(value, dict):
        return value
    tidy = {name: _tidy(each) for name, each in value.items() if not _is_noise(name, each)}
    choices = [each for each in tidy.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        del tidy["anyOf"]
        tidy = {**choices[0], **tidy}
    elif choices:
        tidy["anyOf"] = choices
    if "$ref" in tidy and len(tidy) > 1:  # draft 7 ignores keywords beside a reference
        tidy = {"allOf": [{"$ref": tidy.pop("$ref")}], **tidy}
    return tidy


def _is_noise(name: str, value: Any) -> bool:
    return (name in _NOISE and not (name == "title" and isinstance(value, dict))) or (
        name == "default" and (value is None or isinstance(value, dict))
    )
