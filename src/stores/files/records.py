"""Records of a unit's files in the data bucket: a plan before the first, a record after the last.

The plan has every key that the unit's files have or had, so that a try which makes fewer files
removes the others, also those of a try that died half-way. An attempt that lost the run sees a
later one's plan, and stops; or, if it was faster than that, cannot change what the later one wrote.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from contracts import layout
from contracts.base import Contract
from contracts.errors import Conflict, NotFound, OwnershipLost
from contracts.output.files import UnitFiles
from runtime import clients

_TRIES: Final = 5
_CHANGED: Final = frozenset({"PreconditionFailed", "412"})


class PlannedKeys(Contract):
    """Every key that a unit's files have or had, as the latest try knows them."""

    run_attempt: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class FileRecords:
    """The plan and the record of one unit's files, for one attempt of its run."""

    bucket: str
    run_id: str
    unit_id: str
    run_attempt: int

    def begin(self, keys: Sequence[str]) -> list[str]:
        """Plan the files of these keys.

        Returns:
            The keys of earlier files that are none of them.

        Raises:
            OwnershipLost: a later attempt has begun.
            Conflict: another one begins at this moment.
        """
        planned, etag = self._read(self._planned_key)
        recorded, _ = self._read(self._record_key)
        earlier = set(PlannedKeys.from_json(planned).keys) if planned else set()
        if recorded:
            earlier |= {file.key for file in UnitFiles.from_json(recorded).files}
        plan = PlannedKeys(run_attempt=self.run_attempt, keys=tuple(sorted(earlier.union(keys))))
        if not self._write(self._planned_key, plan, etag):
            raise Conflict(f"another try of unit {self.unit_id} begins to write its files")
        return sorted(earlier.difference(keys))

    def end(self, record: UnitFiles) -> None:
        """Record the files, all of which are there.

        Raises:
            OwnershipLost: a later attempt has begun, so that no file may be removed any more.
            Conflict: the record keeps changing.
        """
        self._read(self._planned_key)
        for _ in range(_TRIES):
            _, etag = self._read(self._record_key)
            if self._write(self._record_key, record, etag):
                return
        raise Conflict(f"the record of unit {self.unit_id}'s files keeps changing")

    @property
    def _planned_key(self) -> str:
        return layout.files_planned_key(self.run_id, self.unit_id)

    @property
    def _record_key(self) -> str:
        return layout.files_record_key(self.run_id, self.unit_id)

    def _read(self, key: str) -> tuple[Any, str | None]:
        """A document with its ETag; two times None if there is none.

        Raises:
            OwnershipLost: it is of a later attempt.
        """
        try:
            with clients.translated(f"reading {layout.s3_url(self.bucket, key)}"):
                response = clients.client("s3").get_object(Bucket=self.bucket, Key=key)
                document = json.loads(response["Body"].read())
        except NotFound:
            return None, None
        attempt = document.get("runAttempt", 0)
        if attempt > self.run_attempt:
            raise OwnershipLost(
                f"attempt {attempt} of run {self.run_id} writes the files of unit {self.unit_id}"
            )
        return document, response["ETag"]

    def _write(self, key: str, value: Contract, etag: str | None) -> bool:
        """Whether the document was still as it was read."""
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        body = json.dumps(value.to_json(), indent=1, ensure_ascii=False)  # columns in their order
        with clients.translated(f"writing {layout.s3_url(self.bucket, key)}"):
            try:
                clients.client("s3").put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=body.encode(),
                    ContentType="application/json",
                    **condition,
                )
            except ClientError as error:
                if clients.error_code(error) in _CHANGED:
                    return False
                raise
        return True
