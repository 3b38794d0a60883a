"""`onlyNew`: which objects a run takes, and that one run at a time does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from control_fakes import (
    DATASET,
    LOST_RESPONSE,
    NOW,
    Executions,
    arn,
    claimed,
    freeze_dataset,
    request,
)
from job_fakes import Fate, Killed

from contracts.errors import Conflict, NotFound, OwnershipLost, TransientFailure
from contracts.ledger_items import UNANNOUNCED, NewObjectsItem, RunItem, UnitItem
from contracts.manifest import ManifestSummary
from contracts.messages import ListUrls, RecordedRun, RecordRun
from contracts.run import RowCounts, RunStatus, UnitStatus
from contracts.run_request import RunRequest
from contracts.source.only_new import NewObjects, Scope
from ledger.runs import find_run
from runs.outcome_text import end_text
from runs.recording import Recording, record_run
from runtime.clients import client
from sources import frozen
from sources.listed_run import list_run
from sources.objects.columns import Objects
from sources.stored_objects import hold
from sources.stored_objects.choosing import new_objects
from sources.stored_objects.files import StoredFiles
from sources.stored_objects.records import object_digest, version_bytes

END = datetime(2026, 11, 10, tzinfo=UTC)
NEW: dict[str, Any] = {"onlyNew": True}
ROWS = RowCounts(rows_in=1, stored=1)


@pytest.fixture
def orders(cloud: Any) -> Any:
    for name in ("a", "b", "c"):
        put(cloud, name)
    return cloud


def put(cloud: Any, name: str, content: str = "") -> None:
    cloud.put(f"landing/orders/dt=2026-11-01/{name}.csv", content or f"content {name}")


def begin(cloud: Any, run_id: str, text: str = DATASET, **fields: Any) -> RunRequest:
    freeze_dataset(cloud.data_bucket, run_id, text)
    return claimed(cloud.ledger, run_id, runId=run_id, **fields)


def listed(cloud: Any, asked: RunRequest, attempt: int = 1, **more: Any) -> ManifestSummary:
    message = ListUrls(
        request=asked, end_date_time=END, units_per_shard=10, run_attempt=attempt, **more
    )
    return list_run(message, cloud.data_bucket, cloud.ledger, NOW)


def ended(
    cloud: Any, asked: RunRequest, *lost: int, attempt: int = 1, **fields: Any
) -> RecordedRun:
    """All of the run's units are stored but those at the positions."""
    summary = frozen.read_manifest_summary(cloud.data_bucket, asked.run_id)
    for position in range(summary.objects):
        status = UnitStatus.FAILED if position in lost else UnitStatus.STORED
        store(cloud, asked.run_id, position, status)
    return record(cloud, asked, attempt, **fields)


def store(cloud: Any, run_id: str, position: int, status: UnitStatus = UnitStatus.STORED) -> None:
    """A unit's outcome, as record-unit writes it."""
    unit = f"00000-{position:03d}"
    entry = frozen.read_unit(cloud.data_bucket, run_id, unit)
    item = UnitItem(
        run_id=run_id,
        unit_id=unit,
        status=status,
        rows=ROWS if status is UnitStatus.STORED else None,
        source_url=entry.url,
        source_etag=entry.etag,
        dataset_version=frozen.read_snapshot(cloud.data_bucket, run_id).version,
    )
    cloud.ledger.change(UnitItem.key_of(run_id, unit), UnitItem.changes(**_attributes(item)))


def _attributes(item: UnitItem) -> dict[str, Any]:
    return {name: getattr(item, name) for name in UnitItem.attributes() if getattr(item, name)}


def record(cloud: Any, asked: RunRequest, attempt: int = 1, **fields: Any) -> RecordedRun:
    message = RecordRun(
        request=asked, run_attempt=attempt, execution_arn=arn(asked.run_id), **fields
    )
    return record_run(message, Recording(data_bucket=cloud.data_bucket), cloud.ledger, NOW)


def keys(cloud: Any, run_id: str) -> list[str]:
    found = [
        entry["key"]
        for part in cloud.keys(f"runs/{run_id}/manifest/objects-")
        for entry in cloud.read_json(part)["entries"]
    ]
    return [key.rpartition("/")[2].removesuffix(".csv") for key in found]


def run_all(cloud: Any, run_id: str, *lost: int, **fields: Any) -> list[str]:
    asked = begin(cloud, run_id, **fields)
    listed(cloud, asked)
    ended(cloud, asked, *lost)
    return keys(cloud, run_id)


class TestWhatIsNew:
    def test_objects_that_any_run_has_stored_are_left_out_and_counted(self, orders: Any) -> None:
        run_all(orders, "r1")
        put(orders, "d")

        asked = begin(orders, "r2", **NEW)
        summary = listed(orders, asked)

        assert keys(orders, "r2") == ["d"]
        assert (summary.objects, summary.already_stored) == (1, 3)
        run = find_run(orders.ledger, "r2")
        assert run is not None
        assert run.already_stored == 3
        result = ended(orders, asked).result
        assert result.already_stored == 3
        assert "Objects: 3 objects were left out as already stored (onlyNew)" in end_text(result)
        assert orders.read_json("runs/r2/results.json")["alreadyStored"] == 3

    def test_an_object_with_other_content_is_new(self, orders: Any) -> None:
        run_all(orders, "r1")
        put(orders, "b", "corrected")

        assert run_all(orders, "r2", **NEW) == ["b"]

    def test_what_failed_is_new(self, orders: Any) -> None:
        run_all(orders, "r1", 1)

        assert run_all(orders, "r2", **NEW) == ["b"]
        assert run_all(orders, "r3", **NEW) == []

    def test_another_index_or_query_has_stored_nothing_yet(self, orders: Any) -> None:
        run_all(orders, "r1")

        assert run_all(orders, "r2", index="late", **NEW) == ["a", "b", "c"]
        assert run_all(orders, "r3", query="amount > 1", **NEW) == ["a", "b", "c"]
        assert run_all(orders, "r4", index="late", **NEW) == []

    def test_a_new_version_of_the_contract_makes_nothing_new_unless_asked(
        self, orders: Any
    ) -> None:
        run_all(orders, "r1")
        changed = DATASET.replace("minimum: 0", "minimum: 1")
        per_version = {"onlyNew": {"perVersion": True}}

        assert run_all(orders, "r2", **per_version) == []
        assert run_all(orders, "r3", text=changed, **NEW) == []
        assert run_all(orders, "r4", text=changed, **per_version) == ["a", "b", "c"]
        assert run_all(orders, "r5", text=changed, **per_version) == []

    def test_a_run_that_takes_all_is_as_before(self, orders: Any) -> None:
        run_all(orders, "r1")

        assert run_all(orders, "r2") == ["a", "b", "c"]
        assert listed(orders, begin(orders, "r3")).already_stored is None

    def test_the_frozen_manifest_stays_though_its_units_are_stored_meanwhile(
        self, orders: Any
    ) -> None:
        asked = begin(orders, "r1", **NEW)
        first = listed(orders, asked)
        ended(orders, asked)

        assert listed(orders, asked).shard_sizes == first.shard_sizes == (3,)

    def test_a_retry_takes_what_its_run_has_not_stored_and_no_other_has_either(
        self, orders: Any
    ) -> None:
        run_all(orders, "r1", 0, 1)
        run_all(orders, "r2", 1, **NEW)

        assert keys(orders, "r2") == ["a", "b"]
        assert run_all(orders, "r3", retryOf="r1", **NEW) == ["b"]

    def test_missing_files_are_no_reason_to_take_everything(self, orders: Any) -> None:
        run_all(orders, "r1")
        scope = begin(orders, "r2", **NEW).scope
        files = StoredFiles.of(client("s3"), orders.data_bucket, scope)
        orders.put(f"{files.prefix}index.json", '{"merged": [{"key": "gone", "records": 1}]}')

        with pytest.raises(NotFound, match="rebuild-stored orders"):
            listed(orders, begin(orders, "r2", **NEW))


class TestOneAtATime:
    def test_the_second_run_is_skipped_and_the_first_is_named(self, orders: Any) -> None:
        listed(orders, begin(orders, "r1", **NEW))

        summary = listed(orders, begin(orders, "r2", **NEW))

        assert summary.skipped is not None
        assert "run r1 takes the new objects of orders, since 2026-11-20T08:15" in summary.skipped
        assert orders.keys("runs/r2/manifest/") == []

    def test_a_repeat_is_the_same_run(self, orders: Any) -> None:
        asked = begin(orders, "r1", **NEW)
        assert listed(orders, asked).skipped is None
        assert listed(orders, asked, handed_over=True).objects == 3

    def test_another_index_is_not_in_the_way(self, orders: Any) -> None:
        listed(orders, begin(orders, "r1", **NEW))

        assert listed(orders, begin(orders, "r2", index="late", **NEW)).objects == 3

    def test_the_end_of_a_run_lets_the_next_one_begin(self, orders: Any) -> None:
        run_all(orders, "r1", 0, **NEW)

        assert orders.ledger.get_item(*NewObjectsItem.key_of(SCOPE)).keys() == {"run_id", "item"}
        assert run_all(orders, "r2", **NEW) == ["a"]

    @pytest.mark.parametrize("status", ["FAILED", "STOPPED", "SUCCEEDED"])
    def test_a_run_whose_end_was_recorded_by_another_holds_nothing(
        self, orders: Any, status: str
    ) -> None:
        """The reaper marks the run; whether it comes to release anything or not."""
        listed(orders, begin(orders, "r1", **NEW))
        orders.ledger.change(RunItem.key_of("r1"), RunItem.changes(status=RunStatus(status)))

        assert listed(orders, begin(orders, "r2", **NEW)).objects == 3

    def test_a_run_that_the_reaper_has_only_marked_still_holds_them(self, orders: Any) -> None:
        """What it has stored is written down by the announcement, which comes later."""
        first = begin(orders, "r1", **NEW)
        listed(orders, first)
        marked = dict(status=RunStatus.FAILED, reaped=UNANNOUNCED)
        orders.ledger.change(RunItem.key_of("r1"), RunItem.changes(**marked))

        assert listed(orders, begin(orders, "r2", **NEW)).skipped
        ended(orders, first, 0, status=RunStatus.FAILED)

        assert run_all(orders, "r3", **NEW) == ["a"]

    def test_a_retry_takes_over_from_a_run_whose_execution_died(
        self, orders: Any, clients: Any
    ) -> None:
        """The reaper comes later; until then the ledger says that the retried run is RUNNING."""
        first = begin(orders, "r1", **NEW)
        listed(orders, first)
        store(orders, "r1", 1)
        assert listed(orders, begin(orders, "beside", **NEW)).skipped
        executions = Executions()
        executions.status[arn("r1")] = "FAILED"
        clients.use("lambda", executions)
        asked = begin(orders, "r2", retryOf="r1", **NEW)

        summary = listed(orders, asked)

        assert (summary.skipped, keys(orders, "r2")) == (None, ["a", "c"])
        assert listed(orders, begin(orders, "r3", **NEW)).skipped
        ended(orders, asked, 0)
        assert run_all(orders, "r4", **NEW) == ["a"], "what r1 has stored is written down, too"

    def test_a_run_that_was_purged_holds_nothing(self, orders: Any) -> None:
        begin(orders, "r1")
        assert hold.take(orders.ledger, SCOPE, "purged", 1, NOW) is None

        assert listed(orders, begin(orders, "r2", **NEW)).objects == 3

    def test_a_late_end_releases_nothing_of_the_next_run(self, orders: Any) -> None:
        first = begin(orders, "r1", **NEW)
        listed(orders, first)
        ended(orders, first)
        listed(orders, begin(orders, "r2", **NEW))

        record(orders, first, warehouse_error="no connection")

        assert listed(orders, begin(orders, "r3", **NEW)).skipped

    def test_a_failed_run_that_begins_anew_waits_for_the_other(self, orders: Any) -> None:
        """It is not skipped: what it has listed would be lost if the other did not store it."""
        first = begin(orders, "r1", **NEW)
        listed(orders, first)
        ended(orders, first, 0)
        listed(orders, begin(orders, "r2", **NEW))
        orders.ledger.change(
            RunItem.key_of("r1"), RunItem.changes(status=RunStatus.CLAIMED, run_attempt=2)
        )

        with pytest.raises(Conflict, match="run r2 takes the new objects"):
            listed(orders, first, attempt=2)
        orders.ledger.change(RunItem.key_of("r2"), RunItem.changes(status=RunStatus.FAILED))
        assert listed(orders, first, attempt=2).pending == ((0, 1),)

    def test_of_two_that_take_it_in_the_same_moment_one_does(
        self, orders: Any, clients: Any
    ) -> None:
        listed(orders, begin(orders, "r0"))
        begin(orders, "r1")
        taken: list[Any] = []
        clients.meanwhile(
            "dynamodb",
            "get_item",
            lambda: taken.append(hold.take(orders.ledger, SCOPE, "r1", 1, NOW)),
        )

        other = hold.take(orders.ledger, SCOPE, "r2", 1, NOW)

        assert taken == [None]
        assert other is not None
        assert other.taken_by == "r1"

    def test_a_later_attempt_is_not_overlooked_by_who_saw_the_earlier_one_end(
        self, orders: Any, clients: Any
    ) -> None:
        """r2 reads that r1 has ended; r1's message comes again before r2 writes itself down."""
        begin(orders, "r1", **NEW)
        assert hold.take(orders.ledger, SCOPE, "r1", 1, NOW) is None
        failed = RunItem.changes(status=RunStatus.FAILED)
        orders.ledger.change(RunItem.key_of("r1"), failed)
        taken: list[Any] = []
        clients.meanwhile(
            "dynamodb",
            "update_item",
            lambda: taken.append(hold.take(orders.ledger, SCOPE, "r1", 2, NOW)),
        )

        other = hold.take(orders.ledger, SCOPE, "r2", 1, NOW)

        assert taken == [None]
        assert other is not None
        assert (other.taken_by, other.run_attempt) == ("r1", 2)

    def test_an_attempt_that_was_replaced_neither_takes_nor_releases(self, orders: Any) -> None:
        begin(orders, "r1", **NEW)
        hold.take(orders.ledger, SCOPE, "r1", 2, NOW)

        hold.release(orders.ledger, SCOPE, "r1", 1)
        with pytest.raises(OwnershipLost, match="at attempt 2, not 1"):
            hold.take(orders.ledger, SCOPE, "r1", 1, NOW)

        begin(orders, "r2")
        other = hold.take(orders.ledger, SCOPE, "r2", 1, NOW)
        assert other is not None
        assert other.run_attempt == 2
        hold.release(orders.ledger, SCOPE, "r1", 2)
        assert hold.take(orders.ledger, SCOPE, "r2", 1, NOW) is None

    def test_a_lost_response_of_the_taking_is_no_other_run(self, orders: Any, clients: Any) -> None:
        clients.break_once("dynamodb", "update_item", LOST_RESPONSE, after=True)
        with pytest.raises(TransientFailure):
            hold.take(orders.ledger, SCOPE, "r1", 1, NOW)

        assert hold.take(orders.ledger, SCOPE, "r1", 1, NOW) is None


class TestRecording:
    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <function SpooledTemporaryFile"
        ":pytest.PytestUnraisableExceptionWarning"
    )
    def test_killed_at_any_outside_call_what_was_stored_is_never_new(
        self, orders: Any, clients: Any, after: bool
    ) -> None:
        """The next run that takes new ones takes none of them, or is skipped, until it is over."""
        for position in range(20):
            name = f"r{position}"
            asked = begin(orders, name, index=name, **NEW)
            listed(orders, asked)
            fate = Fate()
            for service in ("s3", "dynamodb"):
                clients.use(service, fate.over(orders.client(service)))
            fate.kill_at(1 + position, after=after)
            killed = False
            try:
                ended(orders, asked)
            except Killed:
                killed = True
            fate.spare()
            summary = listed(orders, begin(orders, f"{name}-next", index=name, **NEW))
            assert summary.skipped or summary.already_stored == 3
            if killed:
                ended(orders, asked)
            summary = listed(orders, begin(orders, f"{name}-last", index=name, **NEW))
            assert summary.skipped or summary.already_stored == 3
            if not killed:
                break
        assert position > 4

    def test_units_of_a_run_before_etags_were_recorded_are_left_to_the_rebuild(
        self, orders: Any
    ) -> None:
        asked = begin(orders, "r1")
        listed(orders, asked)
        orders.ledger.change(
            UnitItem.key_of("r1", "00000-000"),
            UnitItem.changes(status=UnitStatus.STORED, source_url="s3://data-bucket/k", rows=ROWS),
        )
        record(orders, asked)

        assert orders.keys("stored-objects/") == []


def test_digests_of_another_version_count_only_where_versions_do_not_matter() -> None:
    freeze = RunRequest.from_json({**request().to_json(), **NEW})
    assert freeze.only_new == NewObjects(per_version=False)
    entry = _entry("k")
    stored = object_digest(entry.url, entry.etag) + version_bytes("0" * 12)

    def left(asked: NewObjects, version: str) -> int:
        return len(new_objects(Objects.of([entry]), [stored], asked, version))

    assert left(NewObjects(per_version=False), "f" * 12) == 0
    assert left(NewObjects(per_version=True), "f" * 12) == 1
    assert left(NewObjects(per_version=True), "0" * 12) == 0


def _entry(key: str) -> Any:
    from contracts.manifest import ManifestEntry

    return ManifestEntry(bucket="b", key=key, size=1, etag="e", last_modified=NOW)


SCOPE = Scope(dataset_name="orders", index="orders")
