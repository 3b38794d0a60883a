"""A client that notes which operations are called."""

from __future__ import annotations

from typing import Any


class Noted:
    """The DynamoDB client, and which operations were called.

    Attributes:
        emulator: it does not know ReturnValuesOnConditionCheckFailure.
    """

    def __init__(self, client: Any, emulator: bool = False) -> None:
        self.client, self.emulator = client, emulator
        self.calls: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append(operation)
            if self.emulator:
                arguments.pop("ReturnValuesOnConditionCheckFailure", None)
            return getattr(self.client, operation)(**arguments)

        return call
