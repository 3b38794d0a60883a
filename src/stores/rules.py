"""The rules by which transform quarantines rows that a store cannot take.

item-size, key-size, number: no item of DynamoDB can hold the row.
text-size: a text is longer than any column of the warehouse.
partition-key: a value cannot be part of a file's key.
key-missing: a column of a target's key is NULL.
key-unique: another row of the unit has the same key.
"""

from __future__ import annotations

from typing import Final

ITEM_SIZE: Final = "item-size"
KEY_SIZE: Final = "key-size"
NUMBER: Final = "number"
TEXT_SIZE: Final = "text-size"
PARTITION: Final = "partition-key"
KEY_MISSING: Final = "key-missing"
KEY_UNIQUE: Final = "key-unique"
SUMMARIES: Final = {
    ITEM_SIZE: "the row is larger than an item of DynamoDB",
    KEY_SIZE: "the key is longer than DynamoDB takes",
    NUMBER: "not a number that DynamoDB takes",
    TEXT_SIZE: "the text is longer than the warehouse takes",
    PARTITION: "the value cannot be part of a file's key",
    KEY_MISSING: "a column of the key is missing",
    KEY_UNIQUE: "another row of the unit has the same key",
}
