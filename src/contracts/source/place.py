"""Where a dataset's objects lie: a part of its contract."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from contracts.source.group import Group
from contracts.source.key_time import KeyTime
from contracts.source.partition import partition_of
from contracts.source.ready import Ready
from contracts.source.strict import FROZEN, StrictContract

_SOURCE: Final[JsonDict] = {
    "allOf": [
        {
            "if": {"properties": {"bucket": {"type": "string"}}, "required": ["bucket"]},
            "else": {"properties": {"prefix": {"not": {"pattern": "^(runs|quarantine)/"}}}},
        },
        {
            "if": {"properties": {"timeFrom": {"const": "partition"}}, "required": ["timeFrom"]},
            "then": {"required": ["partition"]},
        },
        {
            "if": {"properties": {"timeFrom": {"const": "key"}}, "required": ["timeFrom"]},
            "then": {"required": ["keyTime"]},
            "else": {"properties": {"keyTime": False}},
        },
        {
            "if": {"properties": {"ready": {"type": "object"}}, "required": ["ready"]},
            "then": {"properties": {"partition": {"pattern": "/$"}}, "required": ["partition"]},
        },
    ]
}
_WITH_A_DAY: Final[JsonDict] = {"allOf": [{"pattern": part} for part in ("%Y", "%m", "%d")]}
_OF_A_KEY: Final[JsonDict] = {
    "anyOf": [
        _WITH_A_DAY,
        {"allOf": [{"pattern": rf"\(\?P<{name}>"} for name in ("year", "month", "day")]},
    ]
}


# Where the pipeline keeps its own files in the data bucket: a run would read what runs write.
OWN_PREFIXES: Final = r"^(runs|quarantine)/"
OWN_PREFIXES_WHY: Final = (
    "runs/ and quarantine/ of the data bucket hold the pipeline's own files; take another prefix,"
    " such as landing/orders/"
)


def _is_below_the_prefix(pattern: str) -> str:
    if pattern.startswith("/"):
        raise PydanticCustomError(
            "exclude", "fits no key: what follows the prefix begins without /; write *.tmp or old/*"
        )
    return pattern


_ExcludedKeys = Annotated[
    str,
    Field(min_length=1, max_length=256, json_schema_extra={"pattern": "^[^/]"}),
    AfterValidator(_is_below_the_prefix),
]


class Source(StrictContract):
    """Where the dataset's objects lie.

    Attributes:
        bucket: absent: the deployment's data bucket.
        prefix: common key prefix; ends with `/`.
        partition: strftime pattern of the date part that follows the prefix, such as
            `dt=%Y-%m-%d/`; listing then visits only the partitions of the asked range. At least
            to the day. Absent: the whole prefix is listed.
        suffix: only keys that end so.
        hidden: what becomes of keys with a part below the prefix that begins with `_` or `.` and is
            not `name=value`, which Spark, Hive and others write beside their results: `skip` leaves
            them out and counts them, `read` reads them like any other.
        exclude: patterns of keys below the prefix, whose objects are left out and counted. A
            pattern fits the whole of it, case-sensitive, as `aws s3 sync --exclude` has them: `*`
            is any text, `/` too; `?` one character; `[ab]` and `[!ab]` one that is, or is not,
            among these.
        time_from: what places an object in time: `partition` (its date), `key` (`key_time`) or
            `last-modified`. Absent: `partition` if there is one, else `last-modified`.
        key_time: for `key`: text with strftime directives, such as `events_%Y%m%d_%H.csv`, or a
            regular expression with the groups `year`, `month`, `day` and optionally `hour`,
            `minute`, `second`; searched in the key (UTC). See `contracts.source.key_time`.
        ready: when a partition may be read. Absent: always.
        group: how many objects make one unit. Absent: each is one.
    """

    model_config = ConfigDict(json_schema_extra=_SOURCE)

    bucket: str | None = None
    prefix: str = Field(pattern=r"^[^/].*/$", max_length=512)
    partition: str | None = Field(default=None, json_schema_extra=_WITH_A_DAY)
    suffix: str = ""
    hidden: Literal["skip", "read"] = "skip"
    exclude: tuple[_ExcludedKeys, ...] | None = Field(default=None, min_length=1, max_length=50)
    time_from: Literal["partition", "key", "last-modified"] | None = None
    key_time: str | None = Field(default=None, json_schema_extra=_OF_A_KEY)
    ready: Ready | None = None
    group: Group | None = None

    @field_validator("prefix")
    @classmethod
    def _prefix_is_not_the_pipelines(cls, value: str, info: ValidationInfo) -> str:
        in_data_bucket = info.data.get("bucket", "") is None  # not there if it is wrong itself
        if in_data_bucket and re.match(OWN_PREFIXES, value):
            raise PydanticCustomError("prefix", OWN_PREFIXES_WHY)
        return value

    @field_validator("partition")
    @classmethod
    def _partition_has_a_day(cls, value: str | None) -> str | None:
        if value is not None and not (
            ("%Y" in value and "%m" in value and "%d" in value) or "%Y%m%d" in value
        ):
            raise PydanticCustomError(
                "partition", "must hold %Y, %m and %d, such as dt=%Y-%m-%d/ or %Y/%m/%d/"
            )
        return value

    @model_validator(mode="after")
    def _time_can_be_determined(self, info: ValidationInfo) -> Self:
        if self.time_from == "partition" and not self.partition:
            raise PydanticCustomError("time_from", "timeFrom: partition needs a partition pattern")
        if (self.time_from == "key") != (self.key_time is not None):
            raise PydanticCustomError("time_from", "timeFrom: key and keyTime go together")
        if self.key_time is not None:
            try:
                KeyTime.of(self.key_time, frozen=info.context == FROZEN)
            except ValueError as error:
                raise PydanticCustomError(
                    "key_time", "keyTime {why}", {"why": str(error)}
                ) from None
        return self

    @model_validator(mode="after")
    def _markers_lie_in_partitions(self) -> Self:
        if self.ready is not None and not (self.partition or "").endswith("/"):
            raise PydanticCustomError(
                "ready",
                "ready needs a partition pattern that ends with /, such as dt=%Y-%m-%d/: the marker"
                " lies in the partition",
            )
        return self

    def partition_of(self, key: str) -> str | None:
        """The name of the partition that a key lies in; None: in none that a listing visits.

        Raises:
            ValueError: there are no partitions, or the pattern has other directives than
                those of numbers.
        """
        if self.partition is None:
            raise ValueError("the source has no partitions")
        if not key.startswith(self.prefix):
            return None
        return partition_of(self.partition, key[len(self.prefix) :])

    def marker_of(self, partition: str) -> str | None:
        """The key of a partition's marker; None: it needs none."""
        return self.prefix + partition + self.ready.marker if self.ready else None

    def is_marker(self, key: str) -> bool:
        """Whether the key is that of a partition's marker, which is never data."""
        if self.ready is None or not key.endswith(f"/{self.ready.marker}"):
            return False
        try:
            partition = self.partition_of(key)
        except ValueError:
            return True  # as far as can be known
        return partition is not None and key == self.marker_of(partition)

    def hides(self, key: str) -> bool:
        """Whether the object of this key is left out as hidden; keys elsewhere never are."""
        if self.hidden == "read" or not key.startswith(self.prefix):
            return False
        below = f"/{key[len(self.prefix) :]}"
        if "/_" not in below and "/." not in below:
            return False
        return any(part[:1] in ("_", ".") and "=" not in part for part in below.split("/") if part)

    def excludes(self, key: str) -> bool:
        """Whether the object of this key is left out by `exclude`; keys elsewhere never are.

        A pattern is matched without going back before its last `*` (`fnmatch.translate` makes
        atomic groups), so in time linear in the key.
        """
        if not self.exclude or not key.startswith(self.prefix):
            return False
        below = key[len(self.prefix) :]
        return any(fnmatchcase(below, pattern) for pattern in self.exclude)

    @property
    def effective_time_from(self) -> str:
        return self.time_from or ("partition" if self.partition else "last-modified")
