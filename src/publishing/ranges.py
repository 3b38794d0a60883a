"""Which runs over one range have been published: a mark for each, in the data bucket.

So a run finds those that it supersedes without looking at every manifest. The marks are for the
manifests' information only: which files count follows from the manifests themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from contracts import layout
from contracts.output.manifest import OutputManifest
from publishing.place import OutputPlace
from runtime import clients


def leave_mark(data_bucket: str, manifest: OutputManifest) -> None:
    """Say that a run has been published; its manifest is there."""
    key = layout.published_key(manifest.range, manifest.generation, manifest.run_id)
    with clients.translated(f"writing s3://{data_bucket}/{key}"):
        clients.client("s3").put_object(Bucket=data_bucket, Key=key, Body=b"")


def with_neighbors(
    manifest: OutputManifest, place: OutputPlace, data_bucket: str
) -> OutputManifest:
    """The manifest, with what it supersedes or is superseded by, as far as that is published."""
    older: list[str] = []
    newer: list[str] = []
    for generation, run_id in _marked(data_bucket, manifest.range):
        if generation != manifest.generation:
            (older if generation < manifest.generation else newer).append(run_id)
    by = (run_id for run_id in reversed(newer) if (head := place.head(run_id)) and head.complete)
    return manifest.model_copy(
        update={
            "supersedes": tuple(older) if manifest.complete else (),
            "superseded_by": next(by, None),
        }
    )


def _marked(data_bucket: str, range_id: str) -> Iterator[tuple[str, str]]:
    """Generation and id of each run, the oldest generation first."""
    prefix = layout.published_prefix(range_id)
    with clients.translated(f"listing s3://{data_bucket}/{prefix}"):
        pages = clients.client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=data_bucket, Prefix=prefix):
            for found in page.get("Contents", ()):
                generation, _, run_id = found["Key"].removeprefix(prefix).rpartition("/")
                yield generation, run_id
