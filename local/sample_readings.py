"""Sample readings of the dataset `standard`: a CSV file, and the same as one JSON array."""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Final

FIRST_DAY: Final = datetime(2026, 11, 1, tzinfo=UTC)


def readings(seed: int, rows: int = 100) -> bytes:
    chance = random.Random(f"{seed}/readings")  # noqa: S311 -- not for secrets
    lines = ["id,recorded_at,value,unit\n"]
    for number in range(rows):
        moment = FIRST_DAY + timedelta(minutes=15 * (number // 4))
        value = round(chance.gauss(21, 2), 2)
        lines.append(f"sensor-{number % 4 + 1},{moment:%Y-%m-%dT%H:%M:%SZ},{value},C\n")
    return "".join(lines).encode()


def as_array(csv_file: bytes) -> bytes:
    """The same as one JSON array; every tenth has no number where one belongs."""
    rows = enumerate(csv.DictReader(io.StringIO(csv_file.decode())), start=1)
    items = [{**row, "value": "broken"} if number % 10 == 0 else row for number, row in rows]
    return json.dumps(items, indent=1).encode()
