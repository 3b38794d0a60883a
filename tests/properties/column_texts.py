"""What columns may say of their values, with texts that are such values and texts that are none."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

# Texts of each type: right ones first, then what only looks like it.
TEXTS: Final[dict[str, tuple[list[str], list[str]]]] = {
    "integer": (
        ["0", "7", "-3", "+5", " 12", "007", "9223372036854775807"],
        ["1.5", "1e3", "seven", "9223372036854775808", "1 2", "0x1f", "-", "1_000"],
    ),
    "decimal(6,2)": (
        ["0", "1.5", "-2.25", ".5", "3.", "9999.99", "1.500", "+4.00 ", "1e2", "-2.5E-1"],
        ["1.505", "10000", "1,5", "1e-3", "1e9", "$3", "nan", "."],
    ),
    "double": (
        ["0", "1.5", "-2e3", ".5", "1E-3", " 7 "],
        ["nan", "inf", "-Infinity", "1e999", "1,5", "0x10", "e3"],
    ),
    "boolean": (
        ["true", "FALSE", "t", "f", "yes", "No", "1", "0", " y"],
        ["2", "wahr", "truee", "-1", "ja", "01"],
    ),
    "date": (
        ["2026-11-01", "2024-02-29", "1999-12-31", " 2026-01-01"],
        ["2026-02-30", "01.11.2026", "2026-11-01T00:00:00Z", "26-11-01", "infinity", "today"],
    ),
    "timestamp": (
        ["2026-11-01T06:30:00Z", "2026-11-01 06:30", "2026-11-01T06:30:00.123+01:00", "2026-11-01"],
        ["2026-11-01T25:00:00Z", "2026-11-1", "yesterday", "epoch", "2026-11-01T6:30:00Z"],
    ),
}


@dataclass(frozen=True)
class Written:
    """What a column may say of how its values are written.

    Attributes:
        right: of texts, the values that they are; None: they mean that there is none.
        wrong: texts that are no value.
    """

    fields: dict[str, Any]
    right: dict[str, Any]
    wrong: tuple[str, ...]


WRITTEN: Final = (
    Written(
        {
            "type": "date",
            "format": ["%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y"],
            "nulls": ["-", "00.00.0000"],
        },
        {
            "01.11.2026": "2026-11-01",
            "1.11.2026": "2026-11-01",
            "11/30/2026": "2026-11-30",
            "30/11/2026": "2026-11-30",
            "02/02/2026": "2026-02-02",
            "-": None,
            "00.00.0000": None,
        },
        ("01/02/2026", "2026-11-01", "31.11.2026", "01.11.26", " -"),
    ),
    Written(
        {"type": "timestamp", "zone": "Europe/Berlin"},
        {
            "2026-07-01 12:00": "2026-07-01T10:00",
            "2026-07-01T10:00:00Z": "2026-07-01T10:00",
            "2026-12-31": "2026-12-30T23:00",
            "2026-10-25T02:30:00+02:00": "2026-10-25T00:30",
        },
        ("2026-03-29 02:30", "2026-10-25 02:30", "noon", "2026-07-01 25:00"),
    ),
    Written(
        {"type": "timestamp", "format": "epoch-millis"},
        {"0": "1970-01-01T00:00", "-1": "1969-12-31T23:59:59.999", "0.0": "1970-01-01T00:00"},
        ("1e3", "1970-01-01", "999999999999999999", "0.0001"),
    ),
    Written(
        {"type": "decimal(8,2)", "decimal": ",", "thousands": ".", "trim": True},
        {
            "1.234,5": Decimal("1234.5"),
            "1234,50": Decimal("1234.5"),
            "-0,25\t": Decimal("-0.25"),
            "\u00a07": Decimal(7),
            " \t": None,
        },
        ("1,234.5", "1.23", "1,005", "12.34,5"),
    ),
    Written(
        {"type": "decimal(8,4)", "percent": True},
        {"12.5%": Decimal("0.125"), "12.50 %": Decimal("0.125"), "-1%": Decimal("-0.01")},
        ("12.5", "0.001%", "%", "1,5%"),
    ),
    Written(
        {"type": "boolean", "trueValues": ["J", "1"], "falseValues": ["N"], "nulls": ["?"]},
        {"J": True, "1": True, " N": False, "?": None},
        ("true", "j", "0"),
    ),
    Written(
        {"type": "string", "trim": True, "nulls": ["NA"]},
        {"x": "x", " x": "x", "x\t": "x", "\u00a0NA ": None, "na": "na", "  ": None},
        (),
    ),
)


@dataclass(frozen=True)
class OfKey:
    """A column whose text is not in the object.

    Attributes:
        folders: of the object's key, with the text that each holds; None: it holds none.
    """

    fields: dict[str, Any]
    folders: dict[str, str | None]


LAST_MODIFIED: Final = "2026-11-20T07:00:00Z"
OF_KEY: Final = (
    OfKey(
        {"type": "string", "from": "partition", "source": "region", "allowed": ["x", "a b"]},
        {
            "region=x/": "x",
            "Region=a%20b/": "a b",
            "region=y/region=x/": "x",
            "region=%22/": '"',
            "region=__HIVE_DEFAULT_PARTITION__/": None,
            "regions=x/": None,
        },
    ),
    OfKey(
        {"type": "decimal(8,4)", "percent": True, "from": "partition", "source": "share"},
        {"share=12.5%25/": "12.5%", "share=12.5/": "12.5", "share=/": None},
    ),
    OfKey(
        {"type": "integer", "from": "key", "keyPattern": "/till-(?P<value>[^/]+)/"},
        {"till-7/": "7", "till-007/": "007", "till-seven/": "seven", "till-/": None},
    ),
    OfKey(
        {"type": "date", "from": "key", "keyPattern": "day-%Y%m%d"},
        {"day-20261101/": "2026-11-01", "day-20240229/": "2024-02-29", "day-20260230/": None},
    ),
    OfKey({"type": "timestamp", "from": "last-modified"}, {"": LAST_MODIFIED}),
)


def written(column: dict[str, Any]) -> Written | None:
    """How a column's values are written, where it says so."""
    return next((each for each in WRITTEN if each.fields.items() <= column.items()), None)
