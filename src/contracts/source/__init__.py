"""The parts of a contract about its objects: where they lie, how they are written, their times."""

from contracts.source.fields import (
    OWN_PREFIXES,
    OWN_PREFIXES_WHY,
    SEPARATORS,
    Compression,
    CsvFormat,
    Format,
    Integer,
    JsonFormat,
    JsonLinesFormat,
    Number,
    ParquetFormat,
    Source,
    StrictContract,
    Truth,
    Whole,
    csv_unless_named,
)

__all__ = [
    "OWN_PREFIXES",
    "OWN_PREFIXES_WHY",
    "SEPARATORS",
    "Compression",
    "CsvFormat",
    "Format",
    "Integer",
    "JsonFormat",
    "JsonLinesFormat",
    "Number",
    "ParquetFormat",
    "Source",
    "StrictContract",
    "Truth",
    "Whole",
    "csv_unless_named",
]
