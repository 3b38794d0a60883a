"""publisher: what a run has stored is named last and at once, and nothing is read twice."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from job_fakes import Killed, service_error
from publishing_world import DATA, OUTPUT, PREFIX, PublishingWorld, use_s3

from contracts import layout
from contracts.dataset import Targets
from contracts.errors import InvalidData, NotConfigured, NotFound, OwnershipLost, PipelineError
from contracts.messages import PublishProgress
from publishing.replaced import run_of

A, B = "s3://data-bucket/landing/orders/a.csv", "s3://data-bucket/landing/orders/b.csv"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> PublishingWorld:
    world = PublishingWorld()
    use_s3(monkeypatch, world.s3)
    return world


def run(world: PublishingWorld, run_id: str, second: int, rows: Any, **asked: Any) -> None:
    """A run over the object a.csv, which it has stored; not published yet."""
    world.begin(run_id, second, units=1, **asked)
    world.store(run_id, 0, A, rows)


class TestTheManifest:
    def test_names_each_file_with_its_rows_bytes_partition_and_source(self, world):
        world.begin("run-1", 0, units=2, startDateTime="2026-11-19", query="id > 1")
        world.store("run-1", 0, A, {"1": ["a1", "a2"], "2": ["a3"]})
        world.store("run-1", 1, B, {"2": ["b1"]})

        response = world.publish("run-1")

        key = f"{PREFIX}_runs/run-1.json"
        assert response.totals.manifest_url == f"s3://{OUTPUT}/{key}"
        assert (response.totals.files, response.totals.rows, response.totals.bytes) == (3, 4, 12)
        manifest = world.manifest("run-1")
        assert [(file.key, file.rows, file.bytes) for file in manifest.files] == [
            (f"{PREFIX}day=1/run-1-00000-000-00000.csv", 2, 6),
            (f"{PREFIX}day=2/run-1-00000-000-00000.csv", 1, 3),
            (f"{PREFIX}day=2/run-1-00000-001-00000.csv", 1, 3),
        ]
        assert [(file.source, file.partition) for file in manifest.files][1:] == [
            (A, {"day": "2"}),
            (B, {"day": "2"}),
        ]
        assert manifest.partitions == ({"day": "1"}, {"day": "2"})
        assert (manifest.run_attempt, manifest.complete, manifest.units.stored) == (1, True, 2)
        assert manifest.started_at == "2026-11-20T08:00:00Z"
        assert manifest.asked["query"] == "id > 1"
        assert (manifest.adds_to, manifest.supersedes) == (None, ())

    def test_is_the_same_when_the_step_is_repeated(self, world):
        run(world, "run-1", 0, {"1": ["a1"]})
        world.publish("run-1")
        before = dict(world.s3.objects)
        world.publish("run-1")
        assert world.s3.objects == before

    def test_leaves_out_a_unit_that_failed_after_its_files_were_stored(self, world):
        world.begin("run-1", 0, units=2)
        world.store("run-1", 0, A, {"1": ["a1"]})
        stray = world.write("run-1", 1, {"1": ["b1"]})
        world.fail("run-1", 1, B)

        world.publish("run-1")

        manifest = world.manifest("run-1")
        assert (manifest.units.stored, manifest.units.failed, manifest.complete) == (1, 1, False)
        assert world.read() == Counter(["a1"])
        assert stray[0] in world.lying()  # its next try writes the same key

    def test_of_a_run_without_rows_names_no_file(self, world):
        run(world, "run-1", 0, {})
        assert world.publish("run-1").totals.files == 0
        assert (world.manifest("run-1").files, world.manifest("run-1").complete) == ((), True)

    def test_has_no_partitions_where_the_prefix_has_none(self, world):
        world.partitioned = False
        run(world, "run-1", 0, {"": ["a1"]})
        world.publish("run-1")
        assert world.manifest("run-1").partitions == ()
        assert world.read() == Counter(["a1"])

    @pytest.mark.parametrize(("tolerated", "complete"), [(49, False), (50, True)])
    def test_is_complete_when_no_more_units_failed_than_were_tolerated(
        self, world, tolerated, complete
    ):
        world.begin("run-1", 0, units=2, toleratedFailurePercentage=tolerated)
        world.store("run-1", 0, A, {"1": ["a1"]})
        world.fail("run-1", 1, B)
        world.publish("run-1")
        assert world.manifest("run-1").complete is complete

    def test_of_a_run_that_a_person_stopped_is_not_complete_however_much_was_tolerated(self, world):
        world.begin("run-1", 0, units=2, toleratedFailurePercentage=50)
        world.store("run-1", 0, A, {"1": ["a1"]})
        world.fail("run-1", 1, B)
        world.ledger.items["run-1", "RUN"]["stop_requested_at"] = "2026-11-20T08:00:00Z"
        world.publish("run-1")
        assert (world.manifest("run-1").complete, world.read()) == (False, Counter(["a1"]))

    def test_once_complete_stays_so(self, world):
        """What it has replaced may be gone by then."""
        world.begin("run-1", 0, units=2, toleratedFailurePercentage=50)
        world.store("run-1", 0, A, {"1": ["a1"]})
        world.fail("run-1", 1, B)
        world.publish("run-1")
        world.ledger.items["run-1", "RUN"]["stop_requested_at"] = "2026-11-20T08:00:00Z"
        world.publish("run-1")
        assert world.manifest("run-1").complete


class TestSlices:
    def test_many_units_take_several_calls_and_come_to_the_same(self, world, monkeypatch):
        monkeypatch.setattr("publishing.manifest.UNITS_AT_A_TIME", 2)
        world.replace = "partition"
        world.begin("run-0", 0, units=1)
        world.store("run-0", 0, A, {"1": ["old"], "3": ["older"]})
        world.publish("run-0")
        world.begin("run-1", 1, units=7)
        for unit in range(7):
            world.store("run-1", unit, f"{A}{unit}", {str(unit % 3): [f"row{unit}"]})
        response, calls = world.publish_in_slices("run-1")
        assert calls > 5
        assert (response.totals.files, response.totals.rows, response.totals.removed) == (7, 7, 1)
        in_slices = world.s3.objects[OUTPUT, f"{PREFIX}_runs/run-1.json"].body
        assert world.read() == Counter(f"row{unit}" for unit in range(7))
        world.publish("run-1")
        assert world.s3.objects[OUTPUT, f"{PREFIX}_runs/run-1.json"].body == in_slices

    def test_a_manifest_that_changed_meanwhile_is_made_anew(self, world):
        run(world, "run-1", 0, {"1": ["a1"]})
        world.publish("run-1")
        stale = PublishProgress(run="run-1", etag='"another"')
        response = world.publish("run-1", progress=stale)
        assert (response.progress.restarts, response.progress.after) == (1, None)
        assert world.publish("run-1", progress=response.progress).totals.rows == 1


class TestRefusals:
    def test_a_unit_whose_files_hold_other_rows_than_it_stored_fails_the_step(self, world):
        run(world, "run-1", 0, {"1": ["a1"]})
        world.write("run-1", 0, {"1": ["a1", "a2"]})
        with pytest.raises(InvalidData, match="unit 00000-000 has stored 1 rows, .* hold 2"):
            world.publish("run-1")

    def test_a_stored_unit_without_a_record_fails_the_step(self, world):
        run(world, "run-1", 0, {"1": ["a1"]})
        del world.s3.objects[DATA, layout.files_record_key("run-1", "00000-000")]
        with pytest.raises(NotFound, match="runs/run-1/files/00000-000.json"):
            world.publish("run-1")

    def test_an_attempt_that_has_lost_the_run_publishes_nothing(self, world):
        run(world, "run-1", 0, {"1": ["a1"]})
        world.ledger.items["run-1", "RUN"] |= {"run_attempt": 2, "holder": "arn:run-1/2"}
        with pytest.raises(OwnershipLost):
            world.publish("run-1", attempt=1)
        assert world.manifests() == []

    def test_a_bucket_that_cannot_be_written_is_named(self, world):
        def refuse(name: str) -> None:
            if name == "put_object":
                raise service_error("PutObject", "AccessDenied", 403)

        run(world, "run-1", 0, {"1": ["a1"]})
        world.s3.before = refuse
        where = f"the output bucket {OUTPUT} cannot be written: writing s3://{OUTPUT}/{PREFIX}_runs"
        with pytest.raises(NotConfigured, match=where):
            world.publish("run-1")

    def test_a_dataset_without_the_target_is_refused(self, world, monkeypatch):
        targets = Targets.from_json({"dynamodb": {"key": ["id"]}})
        without = world.dataset.model_copy(update={"targets": targets})
        monkeypatch.setattr(PublishingWorld, "dataset", without)
        world.begin("run-1", 0, units=1)
        with pytest.raises(NotConfigured, match="orders has no target files"):
            world.publish("run-1")


class TestReplacing:
    def test_a_run_over_the_same_range_names_what_it_supersedes(self, world):
        run(world, "run-1", 0, {"1": ["a1"]})
        world.publish("run-1")
        run(world, "run-2", 1, {"1": ["a1"], "2": ["a2"]})
        assert world.read() == Counter(["a1"])
        response = world.publish("run-2")
        assert response.totals.supersedes == 1
        assert world.manifest("run-2").supersedes == ("run-1",)
        assert world.read() == Counter(["a1", "a2"])
        assert len(world.lying()) == 3  # replace: none removes nothing

    @pytest.mark.parametrize(
        "other",
        [
            {"startDateTime": "2026-11-18"},
            {"endDateTime": "2026-11-20"},
            {"query": "id > 1"},
            {"index": "test"},
            {"inputUrl": A},
        ],
        ids=str,
    )
    def test_a_run_over_another_range_supersedes_nothing(self, world, other):
        run(world, "run-1", 0, {"1": ["a1"]})
        run(world, "run-2", 1, {"1": ["b1"]}, **other)
        world.publish("run-1")
        world.publish("run-2")
        assert world.manifest("run-2").supersedes == ()
        assert world.read() == Counter(["a1", "b1"])

    def test_a_run_that_failed_replaces_nothing_until_its_retry_has_stored_the_rest(self, world):
        world.begin("run-1", 0, units=2)
        world.store("run-1", 0, A, {"1": ["a1"]})
        world.store("run-1", 1, B, {"1": ["b1"]})
        world.publish("run-1")
        world.begin("run-2", 1, units=2)
        world.store("run-2", 0, A, {"1": ["a2"]})
        world.fail("run-2", 1, B)
        world.publish("run-2")
        assert world.read() == Counter(["a1", "b1"])
        world.begin("run-3", 2, units=1, retryOf="run-2")
        world.store("run-3", 0, B, {"1": ["b2"]})

        world.publish("run-3")

        assert world.read() == Counter(["a2", "b2"])
        retry = world.manifest("run-3")
        assert (retry.adds_to, retry.supersedes) == ("run-2", ("run-1",))
        assert retry.generation == world.manifest("run-2").version

    def test_a_late_older_run_says_what_supersedes_it(self, world):
        run(world, "run-1", 0, {"1": ["old"]})
        run(world, "run-2", 1, {"1": ["new"]})
        world.publish("run-2")
        response = world.publish("run-1")
        assert response.totals.superseded_by == "run-2"
        assert world.manifest("run-1").supersedes == ()
        assert world.read() == Counter(["new"])

    def test_partitions_that_were_written_lose_their_older_files_and_others_keep_them(self, world):
        world.replace = "partition"
        run(world, "run-1", 0, {"1": ["a1"], "2": ["a2"]}, inputUrl=A)
        world.publish("run-1")
        run(world, "run-2", 1, {"2": ["b2"], "3": ["b3"]}, inputUrl=B)
        response = world.publish("run-2")
        assert response.totals.removed == 1
        assert world.read() == Counter(["a1", "b2", "b3"])
        assert world.lying() == [
            f"{PREFIX}day=1/run-1-00000-000-00000.csv",
            f"{PREFIX}day=2/run-2-00000-000-00000.csv",
            f"{PREFIX}day=3/run-2-00000-000-00000.csv",
        ]

    def test_a_late_older_run_removes_its_own_files_and_no_newer_ones(self, world):
        world.replace = "partition"
        run(world, "run-1", 0, {"1": ["old"], "2": ["only"]}, inputUrl=A)
        run(world, "run-2", 1, {"1": ["new"]}, inputUrl=B)
        world.publish("run-2")
        world.publish("run-1")
        assert world.read() == Counter(["new", "only"])
        assert [key.rpartition("/")[2][:5] for key in world.lying()] == ["run-2", "run-1"]

    def test_a_run_that_failed_shows_nothing_in_a_partition_that_another_has_written(self, world):
        """Its rows may be there already: it covers the object of the other run."""
        world.replace = "partition"
        run(world, "run-1", 0, {"1": ["a1"]}, inputUrl=A)
        world.publish("run-1")
        world.begin("run-2", 1, units=2)
        world.store("run-2", 0, A, {"1": ["a1"], "2": ["a2"]})
        world.fail("run-2", 1, B)
        world.publish("run-2")
        assert world.read() == Counter(["a1", "a2"])

    def test_a_retry_of_a_run_that_was_replaced_removes_its_own_files_only(self, world):
        world.replace = "partition"
        world.begin("run-1", 0, units=1)
        world.fail("run-1", 0, A)
        world.publish("run-1")
        run(world, "run-2", 1, {"1": ["new"]})
        run(world, "run-3", 2, {"1": ["retried"]}, retryOf="run-1")
        world.publish("run-3")
        assert world.read() == Counter(["retried"])
        world.publish("run-2")  # which started before run-3, and removes nothing of it
        assert (world.read(), len(world.lying())) == (Counter(["new"]), 2)
        assert world.publish("run-3").totals.superseded_by == "run-2"
        assert (world.read(), len(world.lying())) == (Counter(["new"]), 1)

    def test_files_of_runs_under_way_and_of_others_are_left_alone(self, world):
        world.replace = "partition"
        run(world, "run-1", 0, {"1": ["a1"]}, inputUrl=A)  # never published
        world.s3.put(OUTPUT, f"{PREFIX}day=1/notes.csv", "x")
        run(world, "run-2", 1, {"1": ["b1"]}, inputUrl=B)
        world.publish("run-2")
        assert len(world.lying()) == 3

    def test_another_index_keeps_its_files(self, world):
        world.replace = "partition"
        run(world, "run-1", 0, {"1": ["a1"]}, index="one")
        world.publish("run-1")
        run(world, "run-2", 1, {"1": ["b1"]}, index="two")
        world.publish("run-2")
        assert world.read() == Counter(["a1", "b1"])

    def test_a_file_that_failed_stays_out_of_what_an_older_run_takes_for_replaced(self, world):
        """run-2 left a stray file in day 1, which it does not publish: day 1 is still run-1's."""
        world.replace = "partition"
        world.begin("run-2", 2, units=2, toleratedFailurePercentage=50, inputUrl=B)
        world.store("run-2", 0, B, {"2": ["b2"]})
        world.write("run-2", 1, {"1": ["stray"]})
        world.fail("run-2", 1, B)
        world.publish("run-2")
        run(world, "run-1", 1, {"1": ["a1"]}, inputUrl=A)
        world.publish("run-1")
        assert world.read() == Counter(["a1", "b2"])

    def test_a_failure_to_remove_is_an_error_that_names_the_file(self, world, monkeypatch):
        world.replace = "partition"
        run(world, "run-1", 0, {"1": ["a1"]})
        world.publish("run-1")
        run(world, "run-2", 1, {"1": ["b1"]})
        response = {"Errors": [{"Key": "k.csv", "Code": "AccessDenied", "Message": "no"}]}
        monkeypatch.setattr(world.s3, "delete_objects", lambda **_: response, raising=False)
        with pytest.raises(PipelineError, match=f"s3://{OUTPUT}/k.csv: AccessDenied: no"):
            world.publish("run-2")
        monkeypatch.undo()


NEW = {"onlyNew": True}


class TestNewObjectsOnly:
    """A run with `onlyNew` adds to what counts of its range."""

    def test_what_earlier_runs_have_stored_still_counts(self, world):
        run(world, "run-1", 0, {"1": ["a1"]}, **NEW)
        world.publish("run-1")
        world.begin("run-2", 1, units=1, already_stored=1, **NEW)
        world.store("run-2", 0, B, {"1": ["b1"]})
        response = world.publish("run-2")
        assert world.read() == Counter(["a1", "b1"])
        assert (response.totals.supersedes, response.totals.superseded_by) == (0, None)
        assert (world.manifest("run-2").adds, world.manifest("run-2").complete) == (True, False)

    def test_of_an_object_that_was_replaced_the_newer_content_counts(self, world):
        world.begin("run-1", 0, units=2)
        world.store("run-1", 0, A, {"1": ["a1"]})
        world.store("run-1", 1, B, {"1": ["b1"]})
        world.publish("run-1")
        run(world, "run-2", 1, {"1": ["a2"]}, **NEW)
        world.publish("run-2")
        run(world, "run-3", 2, {"1": ["a3"]}, **NEW)
        world.publish("run-3")
        assert world.read() == Counter(["a3", "b1"])

    def test_a_later_run_that_reads_the_whole_range_replaces_them(self, world):
        run(world, "run-1", 0, {"1": ["a1"]})
        world.publish("run-1")
        run(world, "run-2", 1, {"2": ["a2"]}, **NEW)
        world.publish("run-2")
        run(world, "run-3", 2, {"1": ["a3"]})
        assert world.publish("run-3").totals.supersedes == 2
        assert world.read() == Counter(["a3"])

    def test_an_older_run_that_ends_later_replaces_them_not(self, world):
        """It listed its objects before theirs were there."""
        run(world, "run-0", 0, {"1": ["a0"]})
        world.publish("run-0")
        run(world, "run-1", 1, {"1": ["a1"]})
        world.begin("run-2", 2, units=1, already_stored=1, **NEW)
        world.store("run-2", 0, B, {"1": ["b2"]})
        world.publish("run-2")
        world.publish("run-1")
        assert world.read() == Counter(["a1", "b2"])

    def test_a_later_run_that_failed_takes_nothing_from_them(self, world):
        run(world, "run-1", 0, {"1": ["a1"]}, **NEW)
        world.publish("run-1")
        world.begin("run-2", 1, units=2)
        world.store("run-2", 0, B, {"1": ["b2"]})
        world.fail("run-2", 1, A)
        world.publish("run-2")
        assert world.read() == Counter(["a1", "b2"])

    def test_one_that_failed_counts_and_its_retry_adds_the_rest(self, world):
        run(world, "run-0", 0, {"1": ["a0"]})
        world.publish("run-0")
        world.begin("run-1", 1, units=2, **NEW)
        world.store("run-1", 0, B, {"1": ["b1"]})
        world.fail("run-1", 1, f"{B}2")
        world.publish("run-1")
        assert world.read() == Counter(["a0", "b1"])
        world.begin("run-2", 2, units=1, retryOf="run-1")
        world.store("run-2", 0, f"{B}2", {"1": ["b2"]})
        world.publish("run-2")
        assert world.manifest("run-2").adds
        assert world.read() == Counter(["a0", "b1", "b2"])

    @pytest.mark.parametrize(("left_out", "complete"), [(0, True), (1, False)])
    def test_a_retry_that_leaves_out_what_others_have_stored_does_not_replace_it(
        self, world, left_out, complete
    ):
        run(world, "run-0", 0, {"1": ["a0"]})
        world.publish("run-0")
        world.begin("run-1", 1, units=2)
        world.fail("run-1", 0, A)
        world.fail("run-1", 1, B)
        world.publish("run-1")
        world.begin("run-2", 2, units=1, already_stored=left_out, retryOf="run-1", **NEW)
        world.store("run-2", 0, B, {"1": ["b2"]})
        world.publish("run-2")
        assert world.manifest("run-2").complete is complete
        assert world.read() == Counter(["b2"] if complete else ["a0"])


class TestRunsThatBelongTogether:
    def test_a_run_that_ended_unpublished_is_published_by_its_retry(self, world):
        world.begin("run-1", 0, units=2)
        world.store("run-1", 0, A, {"1": ["a1"]})
        world.fail("run-1", 1, B)  # and then its execution was stopped
        world.begin("run-2", 1, units=1, retryOf="run-1")
        world.store("run-2", 0, B, {"1": ["b1"]})
        world.publish("run-2")
        assert world.read() == Counter(["a1", "b1"])

    def test_a_run_that_stored_all_but_was_not_published_is_by_a_retry_without_units(self, world):
        world.replace = "partition"
        run(world, "run-0", 0, {"1": ["old"]})
        world.publish("run-0")
        run(world, "run-1", 1, {"1": ["a1"]})
        world.begin("run-2", 2, units=0, retryOf="run-1")
        totals = world.publish("run-2").totals
        assert totals.manifest_url == f"s3://{OUTPUT}/{PREFIX}_runs/run-1.json"
        assert world.read() == Counter(["a1"])
        assert len(world.lying()) == 1

    def test_a_retry_names_what_a_later_attempt_of_the_retried_run_has_stored(self, world):
        world.begin("run-1", 0, units=2)
        world.fail("run-1", 0, A)
        world.fail("run-1", 1, B)
        world.publish("run-1")
        world.begin("run-1", 0, units=2, attempt=2)
        world.store("run-1", 0, A, {"1": ["a1"]}, attempt=2)  # and was stopped
        world.begin("run-2", 1, units=1, retryOf="run-1")
        world.store("run-2", 0, B, {"1": ["b1"]})
        world.publish("run-2")
        assert world.read() == Counter(["a1", "b1"])

    def test_of_a_source_that_both_a_retry_and_a_later_attempt_stored_one_counts(self, world):
        world.begin("run-1", 0, units=1)
        world.fail("run-1", 0, A)
        world.publish("run-1")
        world.begin("run-2", 1, units=1, retryOf="run-1")
        world.store("run-2", 0, A, {"1": ["of the retry"]})
        world.publish("run-2")
        world.begin("run-1", 0, units=1, attempt=2)
        world.store("run-1", 0, A, {"1": ["of the attempt"]}, attempt=2)
        world.publish("run-1")
        assert world.read() == Counter(["of the retry"])

    def test_corrected_rows_add_to_their_run_and_replace_no_partition(self, world):
        world.replace = "partition"
        run(world, "run-1", 0, {"1": ["a1"]})
        world.publish("run-1")
        corrected = f"s3://{DATA}/{layout.resent_key('run-1', 'abc', '.csv')}"
        run(world, "run-2", 1, {"1": ["a2"]}, inputUrl=corrected)
        world.store("run-2", 0, corrected, {"1": ["a2"]})
        world.publish("run-2")
        assert world.read() == Counter(["a1", "a2"])
        assert (world.manifest("run-2").adds_to, world.manifest("run-2").complete) == (
            "run-1",
            False,
        )
        run(world, "run-3", 2, {"1": ["a3"]})
        world.publish("run-3")
        assert world.read() == Counter(["a3"])

    def test_a_retry_of_a_run_that_listed_nothing_stands_for_itself(self, world):
        world.begin("run-1", 0, units=0)
        del world.s3.objects[DATA, layout.manifest_summary_key("run-1")]
        run(world, "run-2", 1, {"1": ["a1"]}, retryOf="run-1")
        world.publish("run-2")
        assert (world.manifest("run-2").adds_to, world.manifest("run-2").complete) == (None, True)

    def test_a_retry_of_a_retry_adds_to_the_first_run(self, world):
        world.begin("run-1", 0, units=2)
        for unit, source in enumerate((A, B)):
            world.fail("run-1", unit, source)
        world.publish("run-1")
        world.begin("run-2", 1, units=2, retryOf="run-1")
        world.store("run-2", 0, A, {"1": ["a"]})
        world.fail("run-2", 1, B)
        world.publish("run-2")
        world.begin("run-3", 2, units=1, retryOf="run-2")
        world.store("run-3", 0, B, {"1": ["b"]})
        world.publish("run-3")
        assert world.manifest("run-3").adds_to == "run-1"
        assert world.read() == Counter(["a", "b"])


def two_runs(monkeypatch: pytest.MonkeyPatch, replace: str) -> PublishingWorld:
    """Over one range, stored and not published; before them, one that was."""
    world = PublishingWorld(replace=replace)
    use_s3(monkeypatch, world.s3)
    run(world, "run-0", 0, {"1": ["row1"], "2": ["row2"]})
    world.publish("run-0")
    run(world, "run-1", 1, {"1": ["row1"], "2": ["row2"]})
    run(world, "run-2", 2, {"1": ["row1"], "2": ["row2"]})
    return world


def watched(world: PublishingWorld) -> None:
    """From now on a reader looks after every change, and must see each row once."""

    def look(name: str) -> None:
        if name in ("put_object", "delete_objects"):
            assert world.read() == Counter(["row1", "row2"])

    world.s3.after = look


@pytest.mark.slow
@pytest.mark.parametrize("replace", ["none", "partition"])
class TestCrashes:
    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_outside_call_the_next_one_comes_to_the_same(
        self, monkeypatch, replace, after
    ):
        straight = two_runs(monkeypatch, replace)
        straight.publish("run-2")
        for call in range(1, 60):
            world = two_runs(monkeypatch, replace)
            watched(world)
            world.s3.kill_at(call, after=after)
            try:
                world.publish("run-2")
            except Killed:
                assert world.read() == Counter(["row1", "row2"])
                world.s3.spare()
                world.publish("run-2")
            else:
                break
            assert world.s3.objects == straight.s3.objects
        assert 10 < call < 59

    @pytest.mark.parametrize(("first", "second"), [("run-1", "run-2"), ("run-2", "run-1")])
    def test_two_runs_in_any_order_of_their_calls_lose_no_row_and_double_none(
        self, monkeypatch, replace, first, second
    ):
        """The second runs at each call of the first: as a whole, or killed there and repeated."""
        for call in range(1, 60):
            for killed_at in (None, *range(1, 30, 4)):
                world = two_runs(monkeypatch, replace)
                watched(world)
                ended = interleaved(world, first, second, call, killed_at)
                assert world.read() == Counter(["row1", "row2"])
                assert {file.key.rpartition("/")[2][:5] for file in world.current()} == {"run-2"}
                if replace == "partition":
                    assert len(world.lying()) == 2
                if ended:
                    break
            if ended and killed_at is None:
                break
        assert 10 < call < 59


def test_an_attempt_that_goes_on_after_it_lost_the_run_overwrites_no_later_manifest(monkeypatch):
    """The later attempt stores and publishes at each call of the first one's publishing."""
    for call in range(1, 60):
        world = PublishingWorld()
        use_s3(monkeypatch, world.s3)
        world.begin("run-1", 0, units=2)
        world.store("run-1", 0, A, {"1": ["a1"]})
        world.fail("run-1", 1, B)
        begun: list[int] = []

        def meanwhile(_name: str, world=world, begun=begun, call=call) -> None:
            if world.s3.calls == call and not begun:
                begun.append(call)
                world.begin("run-1", 0, units=2, attempt=2)
                world.store("run-1", 1, B, {"1": ["b1"]}, attempt=2)
                world.publish("run-1", attempt=2)

        world.s3.before = meanwhile
        progress: PublishProgress | None = PublishProgress()
        with suppress(OwnershipLost):
            while progress is not None:
                progress = world.publish("run-1", attempt=1, progress=progress).progress
        if not begun:
            break
        assert world.read() == Counter(["a1", "b1"])
    assert 5 < call < 59


def interleaved(
    world: PublishingWorld, first: str, second: str, call: int, killed_at: int | None
) -> bool:
    """Whether the first ended before the so many-th call."""
    begun = []

    def meanwhile(_name: str) -> None:
        if world.s3.calls == call and not begun:
            begun.append(call)
            if killed_at is not None:
                world.s3.kill_at(killed_at, after=True)
            with suppress(Killed):
                world.publish(second)
            world.s3.spare()

    world.s3.calls, world.s3.before = 0, meanwhile
    progress = world.publish(first).progress
    while progress is not None:
        progress = world.publish(first, progress=progress).progress
    world.s3.before = lambda _name: None
    if killed_at is not None or not begun:
        world.publish(second)
    return not begun


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        ("run-1-00000-000-00000.csv", "run-1"),
        ("a-00000-000-00000-00001-002-00000.csv.gz", "a-00000-000-00000"),
        ("run-1-00000-000-00000", None),
        ("notes.csv", None),
        ("00000-000-00000.csv", None),
    ],
)
def test_the_run_is_known_by_the_files_name(name: str, run_id: str | None) -> None:
    assert run_of(name) == run_id
