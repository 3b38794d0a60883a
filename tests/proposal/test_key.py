"""The columns that identify a sample's rows, by what they mean before what they hold."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cli.proposal.key import Key, KeyColumn, key_of

ROWS = 60


def column(name: str, kind: str = "string", distinct: int = ROWS, **more: bool) -> KeyColumn:
    return KeyColumn(name, kind, distinct, **more)


def key(*columns: KeyColumn, unique: Sequence[Sequence[str]]) -> Key:
    wanted = [set(names) for names in unique]
    return key_of(columns, ROWS, lambda names: any(names_ <= set(names) for names_ in wanted))


@pytest.mark.parametrize(
    ("columns", "unique", "chosen", "by_chance"),
    [
        (
            [column("price", "integer"), column("order_id")],
            [["price"], ["order_id"]],
            "order_id",
            False,
        ),
        ([column("n", "integer", is_first=True), column("x")], [["n"], ["x"]], "n", False),
        ([column("amount", "integer"), column("title")], [["amount"], ["title"]], "title", True),
        ([column("amount", "integer"), column("day", "date")], [["amount"], ["day"]], "day", False),
        (
            [
                column("country", distinct=12),
                column("year", "integer", distinct=5),
                column("population", "decimal(18,1)"),
            ],
            [["country", "year"], ["population"]],
            "country+year",
            True,
        ),
        (
            [column("day", "date", 10), column("shop", distinct=3), column("sku", distinct=2)],
            [["day", "shop", "sku"]],
            "day+shop+sku",
            False,
        ),
        ([column("x", "decimal(18,2)"), column("y", "integer")], [["x"], ["y"]], "y", True),
        ([column("x", "decimal(18,2)"), column("y", "integer")], [["x", "y"]], "y+x", True),
        ([column("a"), column("b")], [], "", False),
    ],
)
def test_meaning_comes_before_chance(
    columns: list[KeyColumn], unique: list[list[str]], chosen: str, by_chance: bool
) -> None:
    expected = tuple(chosen.split("+")) if chosen else ()
    assert key(*columns, unique=unique) == Key(expected, by_chance)
