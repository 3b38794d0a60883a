"""A dataset's contract file as a `Dataset`: every problem at once, with its line."""

from __future__ import annotations

from collections.abc import Sequence

from contracts import dataset as contract
from contracts.dataset import Dataset
from contracts.errors import InvalidDataset, Problem
from runtime import contract_file
from runtime.contract_file import ContractFile, parse_contract


def parse_dataset(text: str, file: str) -> tuple[Dataset, ContractFile]:
    """Parse and validate a contract file.

    Args:
        file: its name in messages, such as `datasets/orders.yaml`.

    Raises:
        InvalidDataset: with every problem, each with its line.
    """
    return parse_contract(
        text, file, Dataset, InvalidDataset, first_field="name", fields=_field_names
    )


def contract_text(content: bytes, file: str) -> str:
    """The text of a contract file.

    Raises:
        InvalidDataset: it is none.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidDataset(file, [Problem(f"byte {error.start}", "is not UTF-8")]) from error


def refusal(file: str, problems: Sequence[Problem]) -> InvalidDataset:
    """The error with every problem, or the first hundred."""
    return contract_file.refusal(InvalidDataset, file, problems)


def _field_names() -> list[str]:
    """Every field that a contract file may have, as it is written there."""
    return sorted(
        {
            field.alias or name
            for model in vars(contract).values()
            if isinstance(model, type) and issubclass(model, contract.StrictContract)
            for name, field in model.model_fields.items()
        }
    )
