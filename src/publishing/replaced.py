"""Removes older files of the partitions that a run has written (`replace: partition`).

Only what no reader takes any more is removed, whoever looks and whenever: files of published runs
whose partition a newer, complete generation has written, while its manifest is there. Files of runs
that have not been published are left alone, and so is whatever else lies there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts.errors import PipelineError
from publishing.place import Head, OutputPlace
from runtime import clients

_KEYS_AT_A_TIME: Final = 1000  # of DeleteObjects (Amazon S3 API Reference)
_OF_A_RUN: Final = re.compile(r"(?P<run>[A-Za-z0-9_-]{1,40})-[0-9]{5}-[0-9]{3}-[0-9]{5}\.[a-z.]+")


def run_of(name: str) -> str | None:
    """The run that wrote a file, by its name; None: it is none of ours."""
    match = _OF_A_RUN.fullmatch(name)
    return match["run"] if match else None


@dataclass
class Replacing:
    """Of one run.

    Attributes:
        own: the head of its manifest, which has been written.
    """

    place: OutputPlace
    own: Head
    _heads: dict[str, Head | None] = field(default_factory=dict)
    _folders: dict[str, frozenset[str]] = field(default_factory=dict)

    def clear(self, folder: str) -> int:
        """Remove the files of a partition that were replaced; how many.

        A run removes files of runs that started before it, and its own where a newer run has
        replaced them.

        Args:
            folder: the partition's path below the place's prefix.

        Raises:
            PipelineError: a file could not be removed; names it.
        """
        keys = list(self._keys(folder))
        runs = {run for key in keys if (run := run_of(key.rpartition("/")[2])) is not None}
        heads = {run: head for run in sorted(runs) if (head := self._head(run)) is not None}
        newest = self._replaced_by(folder, [*heads.values(), self.own])
        gone = {run for run, head in heads.items() if self._may_go(head, newest)}
        removed = [key for key in keys if run_of(key.rpartition("/")[2]) in gone]
        self._remove(removed)
        return len(removed)

    def _replaced_by(self, folder: str, heads: Iterable[Head]) -> str:
        """The newest generation that has replaced the partition; empty: none has.

        A run may have left files here that it does not publish, so its manifest is asked.
        """
        for head in sorted(heads, key=lambda each: each.generation, reverse=True):
            replaces = head.complete and head.replace == "partition"
            if replaces and head.scope == self.own.scope and self._wrote(head, folder):
                return head.generation
        return ""

    def _wrote(self, head: Head, folder: str) -> bool:
        if head.run_id == self.own.run_id:
            return True
        if head.run_id not in self._folders:
            self._folders[head.run_id] = self.place.folders(head.run_id)
        return folder in self._folders[head.run_id]

    def _may_go(self, head: Head, newest: str) -> bool:
        ours = head.scope == self.own.scope and head.version <= self.own.version
        return ours and head.generation < newest

    def _head(self, run_id: str) -> Head | None:
        if run_id == self.own.run_id:
            return self.own
        if run_id not in self._heads:
            self._heads[run_id] = self.place.head(run_id)
        return self._heads[run_id]

    def _keys(self, folder: str) -> Iterator[str]:
        prefix = self.place.prefix + folder
        with clients.translated(f"listing s3://{self.place.bucket}/{prefix}"):
            pages = clients.client("s3").get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.place.bucket, Prefix=prefix, Delimiter="/"):
                yield from (found["Key"] for found in page.get("Contents", ()))

    def _remove(self, keys: Sequence[str]) -> None:
        bucket = self.place.bucket
        for first in range(0, len(keys), _KEYS_AT_A_TIME):
            some = keys[first : first + _KEYS_AT_A_TIME]
            with clients.translated(
                f"removing replaced files of s3://{bucket}/{self.place.prefix}"
            ):
                response = clients.client("s3").delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True}
                )
            if failed := response.get("Errors"):
                one = failed[0]
                raise PipelineError(
                    f"{len(failed)} replaced files were not removed, the first is"
                    f" s3://{bucket}/{one['Key']}: {one.get('Code')}: {one.get('Message')}"
                )
