"""The csv module of the standard library, row by row. Its results are CSV: it has no Parquet."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from benchmarks.data.orders_file import COUNTRIES, CURRENCIES, STATES
from benchmarks.data.store import Store

_GIFT: Final = {"true": True, "false": False, "": None}
_CENT: Final = Decimal("0.01")
_OUTPUT: Final = (
    *("order_id", "customer_id", "ordered_at", "order_date", "shipped_on", "status", "country"),
    *("items", "amount", "currency", "amount_per_item", "gift", "note"),
)
_order_id: Final[Callable[[str], Any]] = re.compile(r"ORD-[0-9]{8}").fullmatch
_customer_id: Final[Callable[[str], Any]] = re.compile(r"C[0-9]{6}").fullmatch


class CsvWay:
    def __init__(self, store: Store, source_key: str, scratch: Path) -> None:
        self._store, self._source, self._scratch = store, source_key, scratch

    def clean(self) -> None:
        source = self._store.fetch(self._source, self._scratch / "source.csv")
        valid, rejected = self._scratch / "valid.csv", self._scratch / "rejected.jsonl"
        with (
            source.open(encoding="utf-8", newline="") as rows,
            valid.open("w", encoding="utf-8", newline="") as valid_file,
            rejected.open("w", encoding="utf-8") as rejected_file,
        ):
            reader, writer = csv.reader(rows, strict=True), csv.writer(valid_file)
            writer.writerow(next(reader))
            for row in reader:
                reason = _wrong(row)
                if reason is None:
                    writer.writerow(row)
                else:
                    reject = {"line": reader.line_num, "reason": reason, "raw": row}
                    rejected_file.write(json.dumps(reject) + "\n")
        self._store.keep(valid, "csv/valid/part-0.csv")
        self._store.keep(rejected, "csv/rejected/part-0.jsonl")
        source.unlink()

    def transform(self) -> None:
        valid = self._store.fetch("csv/valid/part-0.csv", self._scratch / "valid.csv")
        output, seen = self._scratch / "output.csv", set()
        with (
            valid.open(encoding="utf-8", newline="") as rows,
            output.open("w", encoding="utf-8", newline="") as file,
        ):
            reader, writer = csv.reader(rows), csv.writer(file)
            next(reader)
            writer.writerow(_OUTPUT)
            for row in reader:
                assert row[0] not in seen, f"the key {row[0]} is not unique"
                seen.add(row[0])
                writer.writerow(_transformed(row))
        self._store.keep(output, "csv/output/part-0.csv")


def _wrong(row: list[str]) -> str | None:
    """Why a row is rejected; None for a valid one."""
    if len(row) != 11:
        return f"{len(row)} columns instead of 11"
    order, customer, ordered, shipped, status, country, items, amount, currency, gift, _ = row
    try:
        ordered_at = datetime.fromisoformat(ordered)
        shipped_on = date.fromisoformat(shipped) if shipped else None
        count, money = int(items), Decimal(amount)
    except (ValueError, InvalidOperation) as error:
        return str(error)
    holds = {
        "order_id": _order_id(order),
        "customer_id": _customer_id(customer),
        "ordered_at": ordered_at.year >= 2020,
        "status": status in STATES,
        "country": country in COUNTRIES,
        "items": 1 <= count <= 500,
        "amount": money >= 0,
        "currency": currency in CURRENCIES,
        "gift": gift in _GIFT,
        "shipped-after-ordered": shipped_on is None or shipped_on >= ordered_at.date(),
        "shipped-has-a-date": shipped_on is not None or status not in ("shipped", "delivered"),
    }
    return next((name for name, held in holds.items() if not held), None)


def _transformed(row: list[str]) -> tuple[object, ...]:
    order, customer, ordered, shipped, status, country, items, amount, currency, gift, note = row
    each = (Decimal(amount) / int(items)).quantize(_CENT, ROUND_HALF_UP)
    is_gift = bool(_GIFT[gift])
    return (
        *(order, customer, ordered, ordered[:10], shipped, status, country, items, amount),
        *(currency, each, is_gift, note.strip().upper()),
    )
