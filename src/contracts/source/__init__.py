"""The parts of a contract about its objects: where they lie, how they are written, their times."""

from contracts.source.formats import (
    SEPARATORS,
    Compression,
    CsvFormat,
    Format,
    JsonFormat,
    JsonLinesFormat,
    ParquetFormat,
    csv_unless_named,
)
from contracts.source.group import Group
from contracts.source.place import OWN_PREFIXES, OWN_PREFIXES_WHY, Source
from contracts.source.ready import Ready
from contracts.source.strict import FROZEN, Integer, Number, StrictContract, Truth, Whole

__all__ = [
    "FROZEN",
    "OWN_PREFIXES",
    "OWN_PREFIXES_WHY",
    "SEPARATORS",
    "Compression",
    "CsvFormat",
    "Format",
    "Group",
    "Integer",
    "JsonFormat",
    "JsonLinesFormat",
    "Number",
    "ParquetFormat",
    "Ready",
    "Source",
    "StrictContract",
    "Truth",
    "Whole",
    "csv_unless_named",
]
