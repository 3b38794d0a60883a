"""Output manifests in S3: what their metadata says, and writing one without losing another's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from botocore.exceptions import ClientError

from contracts import layout
from contracts.errors import NotFound
from contracts.output.files import partition_path
from contracts.output.manifest import OutputManifest
from runtime import clients
from stores.files.bucket import writable

_BEFORE_FILES: Final = b'\n "files": ['
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True)
class Head:
    """What is known of a manifest without reading it; see OutputManifest."""

    run_id: str
    etag: str
    run_attempt: int
    version: str
    generation: str
    range: str
    scope: str
    complete: bool
    replace: str
    adds: bool = False


def scope_of(manifest: OutputManifest) -> str:
    """Dataset and index: only within it a run replaces partitions."""
    return f"{manifest.dataset_name}#{manifest.index}"


@dataclass(frozen=True)
class OutputPlace:
    """The prefix in the output bucket that a dataset's files lie below."""

    bucket: str
    prefix: str

    def url(self, run_id: str) -> str:
        return layout.s3_url(self.bucket, layout.output_manifest_key(self.prefix, run_id))

    def head(self, run_id: str) -> Head | None:
        """Of a run's manifest; None if there is none."""
        try:
            with clients.translated(f"looking at {self.url(run_id)}"):
                found = clients.client("s3").head_object(Bucket=self.bucket, Key=self._key(run_id))
        except NotFound:
            return None
        known = found["Metadata"]
        return Head(
            run_id=run_id,
            etag=found["ETag"],
            run_attempt=int(known["run-attempt"]),
            version=known["version"],
            generation=known["generation"],
            range=known["range"],
            scope=known["scope"],
            complete=known["complete"] == "true",
            replace=known["replace"],
            adds=known.get("adds") == "true",
        )

    def write(self, manifest: OutputManifest, file: IO[bytes], etag: str | None) -> bool:
        """Write a run's manifest, if it is still as its ETag says; False: it has changed.

        "Conditional requests" in the Amazon S3 User Guide.

        Args:
            etag: None: there must be none.

        Raises:
            Conflict: another write of it is going on at this moment.
            NotConfigured: the bucket cannot be written.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        with writable(self.bucket, f"writing {self.url(manifest.run_id)}"):
            try:
                clients.client("s3").put_object(
                    Bucket=self.bucket,
                    Key=self._key(manifest.run_id),
                    Body=file,
                    ContentType="application/json",
                    Metadata=_metadata(manifest),
                    **condition,
                )
            except ClientError as error:
                gone = etag is not None and clients.error_code(error) == "NoSuchKey"
                if gone or clients.error_code(error) == "PreconditionFailed":
                    return False
                raise
        return True

    def read_without_files(self, run_id: str) -> OutputManifest:
        """All of a manifest but its files, of which there may be very many.

        Raises:
            NotFound: there is none.
        """
        text = b""
        with clients.translated(f"reading {self.url(run_id)}"):
            body = clients.client("s3").get_object(Bucket=self.bucket, Key=self._key(run_id))[
                "Body"
            ]
            with body:
                while _BEFORE_FILES not in text and (chunk := body.read(_CHUNK)):
                    text += chunk
        head = text.partition(_BEFORE_FILES)[0]
        return OutputManifest.from_json(json.loads(head + _BEFORE_FILES + b"]}"))

    def folders(self, run_id: str) -> frozenset[str]:
        """The paths, below the prefix, of the partitions that a run's manifest names."""
        partitions = self.read_without_files(run_id).partitions
        return frozenset(partition_path(partition) for partition in partitions)

    def _key(self, run_id: str) -> str:
        return layout.output_manifest_key(self.prefix, run_id)


def manifest_chunks(manifest: OutputManifest, lines: Iterator[bytes]) -> Iterator[bytes]:
    """The text of a manifest; its last field, `files`, has a line for each file.

    Args:
        lines: the files as JSON, without line ends.
    """
    head: dict[str, Any] = manifest.to_json()
    del head["files"]
    text = json.dumps(head, indent=1, sort_keys=True, ensure_ascii=False)
    yield text.removesuffix("\n}").encode() + b"," + _BEFORE_FILES
    for number, line in enumerate(lines):
        yield (b",\n  " if number else b"\n  ") + line
    yield b"\n ]\n}\n"


def _metadata(manifest: OutputManifest) -> dict[str, str]:
    adds = {"adds": "true"} if manifest.adds else {}
    return {
        "run-attempt": str(manifest.run_attempt),
        "version": manifest.version,
        "generation": manifest.generation,
        "range": manifest.range,
        "scope": scope_of(manifest),
        "complete": "true" if manifest.complete else "false",
        "replace": manifest.replace,
        **adds,
    }
