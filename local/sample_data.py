"""Sample data: a web shop's orders as dated CSV files, with known dirt in them.

The same seed gives the same bytes. Dirt is what exporters really do: unescaped quotes, lost and
additional columns, negative amounts, dates in a foreign spelling, missing ids, unknown countries.
The exports for the Spark job (`orders_spark` and the like) also hold orders in several states, and
spellings.
"""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from local.sample_readings import FIRST_DAY, as_array, readings

ROOT: Final = Path(__file__).resolve().parent.parent
EXPORTS: Final = "landing/orders_spark/"
# Smaller ones, for the same job on another engine.
EXPORTS_FOR_EMR: Final = "landing/orders_emr/"
EXPORTS_FOR_GLUE: Final = "landing/orders_glue/"
ORDERS_IN_SMALL_EXPORTS: Final = 130
COLUMNS: Final = (
    "order_id",
    "customer_id",
    "ordered_at",
    "shipped_on",
    "status",
    "country",
    "items",
    "amount",
    "currency",
    "gift",
    "note",
)
NOTES: Final = (
    "",
    "",
    "",
    "leave at the door",
    "ring twice, please",
    'for "Grandma"',
    "second floor\nleft",
    "Grüße aus Köln",
)
COUNTRIES: Final = ("AT", "BE", "DE", "DE", "DE", "ES", "FR", "GB", "IT", "NL", "NO", "PL", "SE")
CURRENCIES: Final = {"GB": "GBP", "SE": "SEK"}
# Other spellings, which the Spark job knows.
SPELLINGS: Final = {"DE": "Germany", "AT": " at", "GB": "uk", "EUR": "€", "GBP": "gbp "}
STATES_EVERY: Final = 4  # one clean order in so many was exported in an earlier state, too
# Kind of dirt, and one row in how many has it.
MALFORMED: Final = {"lost-column": 125, "additional-column": 125, "unescaped-quote": 100}
INVALID: Final = {
    "negative-amount": 100,
    "foreign-date": 100,
    "missing-id": 125,
    "unknown-country": 100,
    "shipped-before-ordered": 250,
}


@dataclass(frozen=True)
class SampleFile:
    """One CSV file: its key under the landing prefix, and what a run must find in it.

    Attributes:
        outdated: earlier states of orders whose later state is in the file, too.
    """

    key: str
    body: bytes
    rows: int
    malformed: int
    invalid: int
    outdated: int = 0

    @property
    def valid(self) -> int:
        return self.rows - self.malformed - self.invalid - self.outdated


@dataclass(frozen=True)
class Sample:
    """All files of one generation, by key."""

    files: tuple[SampleFile, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def rejected(self) -> int:
        return sum(file.malformed + file.invalid for file in self.files)

    @property
    def valid(self) -> int:
        return sum(file.valid for file in self.files)


def make(*, seed: int = 1, days: int = 3, rows: int = 500, dirt: int = 1) -> Sample:
    """Make one file a day from 2026-11-01 on, and a second one for the second day.

    Args:
        rows: in each file, dirty ones included.
        dirt: how many times as much of it as usual; so few rows have some of each kind, too.
    """
    order_numbers = iter(range(10_000_001, 100_000_000))
    files = []
    for day in range(days):
        date = FIRST_DAY + timedelta(days=day)
        for part in range(2 if day == 1 else 1):
            # The generator of a file depends on nothing but the seed and its place.
            chance = random.Random(f"{seed}/{day}/{part}")  # noqa: S311 -- not for secrets
            key = f"landing/orders/dt={date:%Y-%m-%d}/orders-{part + 1}.csv"
            files.append(_file(key, date, rows, order_numbers, chance, dirt))
    return Sample(tuple(files))


def make_exports(
    *, seed: int = 1, days: int = 2, orders: int = 300, prefix: str = EXPORTS
) -> Sample:
    """Make one export a day for `orders_spark`: dirty, with several states of some orders.

    Args:
        orders: in each file; earlier states come in addition.
        prefix: that of the dataset which reads them.
    """
    files = []
    for day in range(days):
        date = FIRST_DAY + timedelta(days=day)
        chance = random.Random(f"{seed}/{day}/export")  # noqa: S311 -- not for secrets
        numbers = iter(range(20_000_001 + day * orders, 100_000_000))
        files.append(
            _export(f"{prefix}dt={date:%Y-%m-%d}/export.csv", date, orders, numbers, chance)
        )
    return Sample(tuple(files))


def generate(directory: Path, *, seed: int = 1, days: int = 3, rows: int = 500) -> Sample:
    """Write the files of `make` below a directory, at their keys."""
    sample = make(seed=seed, days=days, rows=rows)
    for file in sample.files:
        path = directory / file.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.body)
    return sample


def upload(
    s3: Any,
    data_bucket: str,
    code_bucket: str,
    *,
    seed: int = 1,
    rows: int = 500,
    dirt: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Sample:
    """Put sample files into the data bucket; contracts, scripts and tables into the code bucket.

    Args:
        s3: a boto3 client.
        rows, dirt: as of `make`.
        progress: called with each URL when it is there.
    """
    sample = make(seed=seed, rows=rows, dirt=dirt)
    uploads = [(data_bucket, file.key, file.body) for file in sample.files]
    uploads += [(data_bucket, file.key, file.body) for file in _all_exports(seed)]
    uploads += [(data_bucket, "landing/standard/readings.csv", of_sensors := readings(seed))]
    uploads += [(data_bucket, "landing/standard/readings.json", as_array(of_sensors))]
    for pattern in ("datasets/*.yaml", "jobs/*.py", "sql/*.sql"):
        for path in sorted(ROOT.glob(pattern)):
            key = path.relative_to(ROOT).as_posix()
            uploads.append((code_bucket, key, path.read_bytes()))
    for bucket, key, body in uploads:
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        progress(f"s3://{bucket}/{key}")
    return sample


def _all_exports(seed: int) -> Iterator[SampleFile]:
    yield from make_exports(seed=seed).files
    for prefix in (EXPORTS_FOR_EMR, EXPORTS_FOR_GLUE):
        small = make_exports(seed=seed, orders=ORDERS_IN_SMALL_EXPORTS, prefix=prefix)
        yield from small.files


def _file(
    key: str,
    date: datetime,
    rows: int,
    order_numbers: Iterator[int],
    chance: random.Random,
    dirt: int,
) -> SampleFile:
    kinds = _kinds(rows, chance, dirt)
    lines = [_line(COLUMNS)]
    for kind in kinds:
        lines.append(_dirty(_order(next(order_numbers), date, chance), kind))
    count = Counter(kinds)
    return SampleFile(
        key=key,
        body="".join(lines).encode(),
        rows=rows,
        malformed=sum(count[kind] for kind in MALFORMED),
        invalid=sum(count[kind] for kind in INVALID),
    )


def _export(
    key: str, date: datetime, orders: int, numbers: Iterator[int], chance: random.Random
) -> SampleFile:
    kinds = _kinds(orders, chance)
    lines = []
    for number, kind in enumerate(kinds):
        order = _order(next(numbers), date, chance)
        note = order.pop("note")
        ordered_at = datetime.fromisoformat(order["ordered_at"])
        changed_at = ordered_at + timedelta(seconds=chance.randrange(3600, 24 * 3600))
        order |= {"updated_at": f"{changed_at:%Y-%m-%dT%H:%M:%SZ}", "note": note}
        if kind == "clean" and number % STATES_EVERY == 0:
            before = {"status": "placed", "shipped_on": "", "note": "earlier state"}
            before["updated_at"] = f"{changed_at - timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"
            lines.append(_line(list({**order, **before}.values())))
        for name in ("country", "currency"):
            if chance.random() < 0.2:
                order[name] = SPELLINGS.get(order[name], order[name])
        lines.append(_dirty(order, kind))
    chance.shuffle(lines)
    count = Counter(kinds)
    return SampleFile(
        key=key,
        body="".join([_line([*COLUMNS[:-1], "updated_at", "note"]), *lines]).encode(),
        rows=len(lines),
        malformed=sum(count[kind] for kind in MALFORMED),
        invalid=sum(count[kind] for kind in INVALID),
        outdated=len(lines) - orders,
    )


def _kinds(rows: int, chance: random.Random, dirt: int = 1) -> list[str]:
    """What each row is, in random order; the numbers of each kind are fixed by the row count."""
    kinds = [
        kind
        for kind, every in {**MALFORMED, **INVALID}.items()
        for _ in range(rows * dirt // every)
    ]
    kinds += ["clean"] * (rows - len(kinds))
    chance.shuffle(kinds)
    return kinds


def _order(number: int, date: datetime, chance: random.Random) -> dict[str, str]:
    country = chance.choice(COUNTRIES)
    ordered_at = date + timedelta(seconds=chance.randrange(24 * 3600))
    status = chance.choice(("placed", "paid", "shipped", "delivered", "cancelled"))
    shipped = status in ("shipped", "delivered")
    items = min(1 + int(chance.expovariate(0.7)), 40)
    cents = sum(chance.randrange(199, 24_999) for _ in range(items))
    return {
        "order_id": f"ORD-{number:08d}",
        "customer_id": f"C{chance.randrange(1_000_000):06d}",
        "ordered_at": f"{ordered_at:%Y-%m-%dT%H:%M:%SZ}",
        "shipped_on": f"{ordered_at + timedelta(days=chance.randrange(4)):%Y-%m-%d}"
        if shipped
        else "",
        "status": status,
        "country": country,
        "items": str(items),
        "amount": f"{cents // 100}.{cents % 100:02d}",
        "currency": CURRENCIES.get(country, "EUR"),
        "gift": chance.choice(("true", "false", "")),
        "note": chance.choice(NOTES),
    }


def _dirty(order: dict[str, str], kind: str) -> str:
    """The row as a line of CSV, spoiled as the kind says."""
    match kind:
        case "lost-column":
            return _line([value for name, value in order.items() if name != "status"])
        case "additional-column":
            return _line([*order.values(), "N/A"])
        case "unescaped-quote":
            return _line([*list(order.values())[:-1], ""]).rstrip("\n") + '"the "blue" one"\n'
        case "negative-amount":
            order["amount"] = f"-{order['amount']}"
        case "foreign-date":
            moment = datetime.fromisoformat(order["ordered_at"])
            order["ordered_at"] = f"{moment:%d.%m.%Y %H:%M}"
        case "missing-id":
            order["order_id"] = ""
        case "unknown-country":
            order["country"] = "XX"
        case "shipped-before-ordered":
            order["status"], order["shipped_on"] = "shipped", "2026-10-01"
    return _line(list(order.values()))


def _line(values: tuple[str, ...] | list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
