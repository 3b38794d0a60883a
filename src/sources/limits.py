"""How many objects a run may have, and how large they may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.dataset import Limits
from contracts.errors import InvalidData
from contracts.manifest import ManifestEntry

MEGABYTE: Final = 1024 * 1024
_ADVICE: Final = (
    "split them, raise the limit (docs/limits.md says what a function reads), or for more give the"
    " dataset a Spark job (docs/jobs.md) and raise the limit to what that reads"
)
NAMED_AT_MOST: Final = 10


def check_limits(entries: Sequence[ManifestEntry], limits: Limits) -> None:
    """Raise InvalidData, naming the offenders, if the dataset's limits are exceeded."""
    if len(entries) > limits.objects:
        raise InvalidData(f"{len(entries)} objects, at most {limits.objects} (limits.objects)")
    check_sizes(entries, limits.object_megabytes, _ADVICE)


def check_sizes(entries: Sequence[ManifestEntry], megabytes: int, advice: str) -> None:
    """Raise InvalidData, naming the objects, if some are larger; `advice` says what to do."""
    large = [entry for entry in entries if entry.size > megabytes * MEGABYTE]
    if large:
        named = [f"{entry.url} ({entry.size / MEGABYTE:.1f} MB)" for entry in large[:NAMED_AT_MOST]]
        more = f" and {len(large) - len(named)} more" if len(large) > len(named) else ""
        raise InvalidData(
            f"{len(large)} objects are larger than {megabytes} MB"
            f" (limits.objectMegabytes): {', '.join(named)}{more}; {advice}"
        )
