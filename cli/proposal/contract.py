"""A contract proposed from a sample, as YAML for a person to complete. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cli.proposal.profile import ColumnProfile, Profile
from cli.proposal.sample import SampleObject
from contracts.dataset import CsvFormat, Limits

SCHEMA_LINE: Final = "# yaml-language-server: $schema=dataset.schema.json"
_PARTITIONS: Final = (
    (r"([a-z_]*=?)\d{4}-\d{2}-\d{2}/", r"\1%Y-%m-%d/"),
    (r"([a-z_]*=?)\d{4}/([a-z_]*=?)\d{2}/([a-z_]*=?)\d{2}/", r"\1%Y/\2%m/\3%d/"),
    (r"([a-z_]*=?)\d{8}/", r"\1%Y%m%d/"),
)
# In the name of an object, where no digit stands beside it: a day, and maybe an hour to a second.
_TIME_IN_NAME: Final = re.compile(
    r"(?<![0-9])(?P<Y>20[0-9]{2})(?P<a>-?)(?P<m>0[1-9]|1[0-2])(?P=a)(?P<d>0[1-9]|[12][0-9]|3[01])"
    r"(?:(?P<b>[T_-]?)(?P<H>[01][0-9]|2[0-3])(?P<c>[:-]?)"
    r"(?:(?P<M>[0-5][0-9])(?:(?P=c)(?P<S>[0-5][0-9]))?)?)?(?![0-9])"
)
REJECTED_AT_MOST: Final = Limits().rejected_percentage
_CSV: Final = CsvFormat().to_json()
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./%=-]*")
_NOT_TEXT: Final = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


@dataclass(frozen=True)
class Origin:
    """Where a sample was found.

    Attributes:
        key: its key, or its file's name.
        bucket: absent for a local file and for the deployment's own data bucket.
    """

    key: str
    bucket: str | None = None


def dataset_name(origin: Origin) -> str:
    """A name derived from the object's folder, or from its own name."""
    prefix, _ = _prefix_and_partition(origin.key)
    folders = [part for part in prefix.split("/") if part not in ("", "landing")]
    stem = origin.key.rsplit("/", 1)[-1].split(".", 1)[0]
    name = re.sub(r"[^a-z0-9]+", "_", (folders[-1] if folders else stem).lower()).strip("_")
    name = re.sub(r"(_?\d+)+$", "", name) or name
    return name[:63] if re.match(r"[a-z]", name) else f"dataset_{name}"[:63].strip("_")


def proposed_contract(
    name: str,
    origin: Origin,
    sample: SampleObject,
    found: Profile,
    *,
    files: bool = False,
    rejected_percentage: int | None = None,
) -> str:
    """The YAML of a contract that every readable row of the sample passes.

    Args:
        files: results go into files of the sample's kind, not into DynamoDB.
        rejected_percentage: what a small sample needs that is more than the default.
    """
    lines = [
        SCHEMA_LINE,
        f"# Proposed from {_quoted(origin.key)[1:-1]}: {found.rows} rows"
        + ("." if sample.whole else " of its beginning."),
        "# Check what a sample cannot show: values of other objects, and which rules must hold.",
        f"name: {name}",
        f"description: {_scalar(f'Proposed from {origin.key}')}",
        "",
        *_source(name, origin),
        "",
        *_format(sample, found),
        "",
        *_columns(found),
        "",
        *(_files(name, origin, sample) if files else _result(found)),
        "limits:",
        "  unitSeconds: 60",
        _tolerated(rejected_percentage),
    ]
    return "\n".join(lines) + "\n"


def _source(name: str, origin: Origin) -> Iterator[str]:
    prefix, partition = _prefix_and_partition(origin.key)
    yield "source:"
    if origin.bucket:
        yield f"  bucket: {origin.bucket}  # to be named in the parameter SourceBucketArns"
    yield f"  prefix: {_scalar(prefix or f'landing/{name}/')}"
    if partition:
        yield f"  partition: {_scalar(partition)}"
    elif key_time := _key_time(origin.key):
        yield f"  timeFrom: key\n  keyTime: {_scalar(key_time)}"
    ending = re.search(r"\.[A-Za-z][A-Za-z0-9]*(\.(gz|zst))?\Z", origin.key.rsplit("/", 1)[-1])
    if ending:
        yield f"  suffix: {ending[0]}"


def _prefix_and_partition(key: str) -> tuple[str, str | None]:
    """The part of a key before its date, and the date part's pattern."""
    folder = key.rpartition("/")[0] + "/" if "/" in key else ""
    for pattern, replaced in _PARTITIONS:
        match = re.search(rf"(?<=/){pattern}", folder)
        if match:
            return folder[: match.start()], match.expand(replaced)
    return folder, None


def _key_time(key: str) -> str | None:
    """The name of an object with directives for the time in it, up to the next number in it."""
    name = key.rpartition("/")[2]
    found = _TIME_IN_NAME.search(name)
    if found is None:
        return None
    stamp = "%Y{a}%m{a}%d".format(**found.groupdict())
    if found["H"]:
        times = ["%H", *(f"%{part}" for part in "MS" if found[part])]
        stamp += found["b"] + found["c"].join(times)
        stamp += found["c"] if not found["M"] else ""
    before = re.split(r"[0-9]", name[: found.start()])[-1].replace("%", "%%")
    after = name[found.end() :]
    return before + stamp + ("" if re.search(r"[0-9]", after) else after.replace("%", "%%"))


def _format(sample: SampleObject, found: Profile) -> Iterator[str]:
    fields = dict(found.format)
    if sample.compression != "auto":
        fields["compression"] = sample.compression
    if sample.kind == "csv" and sample.encoding != "utf-8":
        fields["encoding"] = sample.encoding
    yield "format:"
    yield f"  type: {fields.pop('type')}"
    for name, value in fields.items():
        if value != _CSV.get(name):
            yield f"  {name}: {_scalar(value) if isinstance(value, str) else json.dumps(value)}"
    for note in found.notes:
        yield f"  # {note}"
    if found.unreadable:
        yield f"  # {found.unreadable} rows of the sample could not be read"


def _columns(found: Profile) -> Iterator[str]:
    yield "columns:"
    for column in found.columns:
        key = column.name in found.key.columns
        fields = _fields(column, required=key or not column.absent)
        yield f"  - {{{', '.join(fields)}}}{_remark(column, key=key)}"
    for field in found.left_out:
        yield f"  # {_quoted(field.source[:80])} is left out: {field.why}"


def _fields(column: ColumnProfile, *, required: bool) -> Iterator[str]:
    yield f"name: {_scalar(column.name)}"
    if column.source is not None:
        yield f"source: {_scalar(column.source)}"
    yield f"type: {_scalar(column.type)}"
    for name, value in column.reading.items():
        yield f"{name}: {_flow(value)}"
    if required:
        yield "required: true"
    if column.allowed:
        yield f"allowed: [{', '.join(_scalar(value) for value in column.allowed)}]"
    if column.pattern:
        yield f"pattern: {_quoted(column.pattern)}"


def _remark(column: ColumnProfile, *, key: bool) -> str:
    reported = []
    if column.unique:
        reported.append("unique")
    if column.misfits:
        reported.append(f"{column.misfits} values of another type")
    if column.absent and key:
        reported.append(f"absent in {column.absent} rows")
    if column.lowest is not None:
        reported.append(f"{column.lowest} to {column.highest}")
    if column.remark:
        reported.append(column.remark)
    return f"  # in the sample: {', '.join(reported)}" if reported else ""


def _files(name: str, origin: Origin, sample: SampleObject) -> Iterator[str]:
    """A target beside the source, in the output bucket; a JSON array becomes JSON lines."""
    folder = "files" if _prefix_and_partition(origin.key)[0].startswith("results/") else "results"
    kind = {"json": "jsonl"}.get(sample.kind, sample.kind)
    yield "targets:"
    yield "  # with partitionBy: [column], a folder for each of its values"
    yield f"  files: {{prefix: {folder}/{name}/, format: {kind}}}"
    yield ""


def _result(found: Profile) -> Iterator[str]:
    """The targets; where no columns identify a row, with a key made of all its values."""
    key = found.key.columns
    if not key:
        key = (_made_key(found),)
        yield "# No columns, up to three, identify the sample's rows. So the key is made of all"
        yield "# that a row holds, and identical rows are stored once; columns are better."
        yield "transform: |"
        yield f"  SELECT DISTINCT *, md5(CAST(to_json(valid) AS VARCHAR)) AS {key[0]}"
        yield "  FROM valid"
        yield ""
    yield "targets:"
    doubt = "  # unique in the sample, by chance?" if found.key.by_chance else ""
    yield f"  dynamodb: {{key: [{', '.join(_scalar(name) for name in key)}]}}{doubt}"
    yield ""


def _made_key(found: Profile) -> str:
    name = "row_key"
    while name in {column.name for column in found.columns}:
        name = f"made_{name}"
    return name


def _tolerated(percentage: int | None) -> str:
    if percentage is None:
        return f"  rejectedPercentage: {REJECTED_AT_MOST:g}"
    return (
        f"  rejectedPercentage: {percentage}  # one of the sample's few rows is rejected: less will"
        " do for larger objects"
    )


def _scalar(value: Any) -> str:
    """A YAML scalar that is read as this text."""
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT
    return text if plain else _quoted(text)


def _flow(value: Any) -> str:
    """The same of a list, or of truth."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_scalar, value))}]"
    return json.dumps(value) if isinstance(value, bool) else _scalar(value)


def _quoted(text: str) -> str:
    """In double quotes, where only what is printable may stand for itself."""
    marked = text.replace("\\", "\\\\").replace('"', '\\"')
    shown = (mark if mark.isprintable() else f"\\U{ord(mark):08x}" for mark in marked)
    return f'"{"".join(shown)}"'
