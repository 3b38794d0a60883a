"""Objects that lie among the data and hold none: markers, checksums, lists of files."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

_PATTERNS: Final = (
    *("_SUCCESS", "*.crc", "*.md5", "*.sha1", "*.sha256", "*.sig", "*.ok", "*.done", "*.trg"),
    *("_metadata", "_common_metadata", "*_manifest", "*.manifest", "manifest.json", "*.log"),
    *("*.tmp", "*.swp", ".DS_Store", "Thumbs.db", "*_$folder$"),
)


def advice_for(key: str) -> str:
    """What to do with an object that cannot be read, if by its key it is no data; empty: it is."""
    name = key.rpartition("/")[2]
    pattern = next((found for found in _PATTERNS if fnmatchcase(name, found)), None)
    if pattern is None:
        return ""
    below = pattern if pattern.startswith("*") else f"*{pattern}"
    return (
        f"; by its key it holds no data: leave such objects out, in the contract by"
        f' source.exclude: ["{below}"]'
    )
