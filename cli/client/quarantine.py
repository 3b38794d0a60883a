"""The rejected rows of a run: read from the quarantine, each with its values to be corrected."""

from __future__ import annotations

import bz2
import csv
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.client.deployment import Deployment
from cli.exit_codes import NOT_FOUND, CommandFailed
from contracts import layout
from contracts.columns import source_names
from contracts.dataset import CsvFormat, DatasetSnapshot, ParquetFormat
from reading_rules.encodings import effective_compression
from reading_rules.header import fields_of, folded
from reading_rules.plain_text import plain_text
from reading_rules.source_lines import SourceLines
from reading_rules.text_error import TextError
from sources import zstd

VALUES: Final = "values"  # what a person corrects: the row by the contract's columns, as text
CODECS: Final = {"utf-8": "utf-8-sig", "windows-1252": "cp1252"}
_HEAD_BYTES: Final = 256 * 1024
Reject = dict[str, Any]


def read_snapshot(deployment: Deployment, run_id: str) -> DatasetSnapshot:
    """The contract as the run read it.

    Raises:
        CommandFailed: the run ended before it read one, or its files have expired.
    """
    bucket, key = deployment.output("DataBucketName"), layout.dataset_snapshot_key(run_id)
    try:
        response = deployment.client("s3").get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise CommandFailed(
            f"run {run_id} has no contract at {layout.s3_url(bucket, key)} ({error}): it ended"
            " before it read one, or its files have expired",
            NOT_FOUND,
            f"pipeline status {run_id} shows when and how it ended",
        ) from None
    return DatasetSnapshot.from_json(json.loads(response["Body"].read()))


def rejected_rows(
    deployment: Deployment, snapshot: DatasetSnapshot, unit: str | None = None
) -> Iterator[tuple[str, Reject]]:
    """Unit id and row as validate or transform rejected it, unit by unit in order."""
    s3, bucket = deployment.client("s3"), deployment.output("DataBucketName")
    prefix = layout.quarantine_prefix(snapshot.dataset.name, snapshot.run_id) + (unit or "")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            unit_id = layout.quarantined_unit(found["Key"])
            for line in s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].iter_lines():
                yield unit_id, json.loads(line)


@dataclass
class RowValues:
    """Adds to rejected rows their values by column, as far as they are known.

    A malformed CSV record is split as well as it goes: who corrects it sees what belongs where.
    """

    deployment: Deployment
    snapshot: DatasetSnapshot
    _headers: dict[str, list[str]] = field(default_factory=dict)

    def added_to(self, reject: Reject) -> Reject:
        columns = [column.name for column in self.snapshot.dataset.columns]
        found = self._values(reject, columns)
        return {**reject, VALUES: {name: _text(found.get(name)) for name in columns}}

    def _values(self, reject: Reject, columns: list[str]) -> dict[str, Any]:
        raw = reject.get("raw")
        row = reject.get("row")
        if isinstance(row, dict):
            return row
        for value in (raw, _object(raw)):
            if isinstance(value, dict):
                return self._in_contract_names(value)
        form = self.snapshot.dataset.format
        if not isinstance(raw, str) or not isinstance(form, CsvFormat | ParquetFormat):
            return {}
        dialect = form if isinstance(form, CsvFormat) else CsvFormat()
        fields = _split(raw, dialect)
        # Those that come from the key are not in the text.
        names = columns = [c.name for c in self.snapshot.dataset.columns if not c.from_]
        if len(fields) != len(columns) or reject.get("rule") == "malformed":
            names = self._header(str(reject.get("source")), dialect, columns)
        return {name: value or None for name, value in zip(names, fields, strict=False)}

    def _in_contract_names(self, record: dict[str, Any]) -> dict[str, Any]:
        """A JSON object's values by column; a job's output has the contract's names already."""
        names = source_names(self.snapshot.dataset.columns)
        return {name: record.get(key, record.get(name)) for name, key in names.items()}

    def _header(self, source: str, form: CsvFormat, columns: list[str]) -> list[str]:
        if source not in self._headers:
            self._headers[source] = self._read_header(source, form) if form.header else columns
        return self._headers[source] or columns

    def _read_header(self, source: str, form: CsvFormat) -> list[str]:
        """The source's header; nothing where it is gone or cannot be read from here."""
        try:
            bucket, key = layout.split_s3_url(source)
            head = (
                self.deployment.client("s3")
                .get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{_HEAD_BYTES - 1}")["Body"]
                .read()
            )
            packed = effective_compression(form.compression, key)
            if packed == "gzip":
                head = zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
            elif packed == "zstd":
                head = zstd.ZstdDecompressor().decompress(head, _HEAD_BYTES)
            elif packed == "bzip2":
                head = bz2.BZ2Decompressor().decompress(head, _HEAD_BYTES)
            elif packed == "zip":
                return []  # what it holds stands at its end
        except (ValueError, ClientError, OSError, zlib.error, zstd.ZstdError):
            return []
        text = head.decode(CODECS.get(form.encoding, form.encoding), errors="replace")
        text = _plain(text, form)
        found = [folded(name) for name in _split(text.partition("\n")[0].strip("\r"), form)]
        names = source_names(self.snapshot.dataset.columns)
        ours = {folded(key): name for name, key in names.items()}
        return [ours.get(name, name) for name in found]


def _plain(text: str, form: CsvFormat) -> str:
    """A beginning of a text without the lines above its header."""
    described = form.model_copy(update={"footer_lines": None}).to_json()
    try:
        blocks = list(plain_text([text.encode()], described, SourceLines()))
    except TextError:
        return ""
    return b"".join(blocks).decode()


def _split(raw: str, form: CsvFormat) -> list[str]:
    try:
        return fields_of(raw, form.delimiter, form.quote)
    except csv.Error:  # a field beyond what the reader takes
        return []


def _object(raw: Any) -> Any:
    try:
        return json.loads(raw) if isinstance(raw, str) and raw.lstrip()[:1] == "{" else None
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    """As validation reads it: numbers, booleans and nested values by their JSON text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def summary(counts: Sequence[tuple[str, int]]) -> str:
    """`pattern note 3, malformed 2`."""
    return ", ".join(f"{rule} {count}" for rule, count in counts)
