"""Makes the files of stored objects anew, from the ledger's units and the runs' manifests.

Nothing that was stored becomes new by it: files that can be read stay, and each run's own is added
to them. It goes day by day; how far it got stands in S3, so that the next call goes on there. If a
file was lost meanwhile, or the note is of the day before yesterday, it begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from cli.client.ledger import LedgerView, Run, UnitRow
from cli.client.run_list import RunList, Wanted
from contracts import layout
from contracts.errors import NotFound
from contracts.manifest import ManifestPart, ManifestSummary
from contracts.run import UnitState
from contracts.source.object_outcomes import ObjectOutcomes
from runtime import clients
from sources.stored_objects.files import StoredFiles
from sources.stored_objects.merging import leave_out_unreadable, merge_runs
from sources.stored_objects.records import StoredDigests

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class RebuildProgress:
    """What was done up to here.

    Attributes:
        day: the day that was done last; None: nothing yet.
        runs: whose files were written in this call.
        objects: how many they have stored.
        unknown: units that are stored, but of whose object neither ledger nor manifest says enough;
            a run that takes new objects only would take it.
        left_out: keys of files that were broken or missing.
        resumed: an earlier call was interrupted, and this one goes on where that was.
    """

    day: date | None = None
    runs: int = 0
    objects: int = 0
    unknown: int = 0
    left_out: tuple[str, ...] = ()
    resumed: bool = False


@dataclass(frozen=True)
class Rebuild:
    """The rebuilding of one dataset's files.

    Attributes:
        since: runs that were first claimed on this day (UTC) and later.
    """

    s3: Any
    dynamodb: Any
    bucket: str
    table: str
    dataset_name: str
    since: date
    _manifests: dict[tuple[str, int], ManifestPart | None] = field(default_factory=dict)

    def days(self, today: date) -> Iterator[RebuildProgress]:
        """Do it; yields after each day that had runs, and at the end."""
        done = self._done(today)
        # Gone while files are left out: broken off there, the next call finds nothing broken any
        # more, and has to make all days anew nevertheless.
        self._forget()
        left_out = tuple(self._left_out())
        if left_out:
            done = None
        if done is not None:
            self._note(done, today)
        day = self.since if done is None else done + _DAY
        progress = RebuildProgress(day=done, left_out=left_out, resumed=done is not None)
        while day <= today:
            had_runs = False
            for run in self._runs_of(day):
                progress = self._with_run(progress, run)
                had_runs = True
            if had_runs:
                if day < today:  # whose runs may still be under way
                    self._note(day, today)
                progress = replace(progress, day=day)
                yield progress
            day += _DAY
        for files in self._all_files():
            while merge_runs(files, merge_at=2):
                continue
        self._forget()
        yield replace(progress, day=today)

    def _runs_of(self, day: date) -> Iterator[Run]:
        begin = datetime.combine(day, time(), UTC)
        wanted = Wanted(dataset=self.dataset_name)
        return RunList(self.dynamodb, self.table).runs(begin, begin + _DAY, wanted)

    def _with_run(self, progress: RebuildProgress, run: Run) -> RebuildProgress:
        try:
            scope = run.item.requested.scope
        except ValueError:  # of a release that is not known here, or there is none
            return replace(progress, unknown=progress.unknown + run.units.stored)
        stored = StoredDigests()
        unknown = count = 0
        for unit in LedgerView(self.dynamodb, self.table).units(run.run_id):
            if unit.status is not UnitState.STORED or unit.item.items is not None:
                continue
            version = unit.item.dataset_version or run.item.dataset_version
            for url, etag in self._objects(run.run_id, unit):
                if url and etag:
                    stored.add(url, etag, version)
                    count += 1
                else:
                    unknown += 1
        files = StoredFiles.of(self.s3, self.bucket, scope)
        written = files.add(run.run_id, run.run_attempt, stored.packed())
        return replace(
            progress,
            runs=progress.runs + bool(written),
            objects=progress.objects + count,
            unknown=progress.unknown + unknown,
        )

    def _objects(self, run_id: str, unit: UnitRow) -> Iterator[tuple[str | None, str | None]]:
        """URL and ETag of each object that the unit has stored."""
        if unit.item.objects is None:
            yield self._object(run_id, unit)
            return
        try:
            document = self._json(layout.objects_key(run_id, unit.unit_id))
        except NotFound:  # expired
            yield from [(None, None)] * unit.item.objects.stored
            return
        for one in ObjectOutcomes.from_json(document).objects:
            if one.failure is None:
                yield one.url, one.etag

    def _object(self, run_id: str, unit: UnitRow) -> tuple[str | None, str | None]:
        """URL and ETag of the unit's object; earlier releases wrote the ETag into no unit."""
        item = unit.item
        if item.source_url and item.source_etag:
            return item.source_url, item.source_etag
        shard, index = layout.split_unit_id(item.unit_id)
        part = self._manifest_part(run_id, shard)
        if part is None or index >= len(part.entries):
            return None, None
        entry = part.entries[index]
        return entry.url, entry.etag

    def _manifest_part(self, run_id: str, shard: int) -> ManifestPart | None:
        """None: it has expired."""
        key = (run_id, shard)
        if key not in self._manifests:
            self._manifests.clear()  # units come in the manifest's order
            self._manifests[key] = self._read_part(run_id, shard)
        return self._manifests[key]

    def _read_part(self, run_id: str, shard: int) -> ManifestPart | None:
        try:
            summary = ManifestSummary.from_json(self._json(layout.manifest_summary_key(run_id)))
            return summary.part(run_id, shard, self._json)
        except NotFound:
            return None

    def _left_out(self) -> Iterator[str]:
        for files in self._all_files():
            yield from leave_out_unreadable(files)

    def _all_files(self) -> list[StoredFiles]:
        """Those of every index and query that anything was stored under."""
        prefix = layout.stored_objects_prefix(self.dataset_name)
        with clients.translated(f"listing s3://{self.bucket}/{prefix}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/"
            )
            found = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", ())]
        return [StoredFiles(self.s3, self.bucket, self.dataset_name, each) for each in found]

    @property
    def _progress_key(self) -> str:
        return layout.stored_objects_progress_key(self.dataset_name)

    def _done(self, today: date) -> date | None:
        """The day up to which an interrupted call with the same beginning got, if not long ago."""
        try:
            noted = self._json(self._progress_key)
        except NotFound:
            return None
        same = noted.get("since") == self.since.isoformat()
        recent = noted.get("on", "") >= (today - _DAY).isoformat()
        return date.fromisoformat(noted["done"]) if same and recent else None

    def _forget(self) -> None:
        with clients.translated(f"removing s3://{self.bucket}/{self._progress_key}"):
            self.s3.delete_object(Bucket=self.bucket, Key=self._progress_key)

    def _note(self, day: date, today: date) -> None:
        days = {"since": self.since, "done": day, "on": today}
        noted = json.dumps({name: each.isoformat() for name, each in days.items()})
        with clients.translated(f"writing s3://{self.bucket}/{self._progress_key}"):
            self.s3.put_object(Bucket=self.bucket, Key=self._progress_key, Body=noted.encode())

    def _json(self, key: str) -> Any:
        with clients.translated(f"reading s3://{self.bucket}/{key}"):
            return json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
