"""Whether a day's data is stored when a contract expects it, and what is announced if not."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from backfill_world import BackfillWorld
from botocore.exceptions import ClientError
from control_fakes import DATASET, LOST_RESPONSE, Executions
from job_fakes import Fate, Killed

from contracts import layout
from contracts.dataset import Dataset
from contracts.errors import PipelineError, TransientFailure
from contracts.ledger_items import EXPECTED, ExpectedDayItem, RunItem, UnitItem, place_in_list
from contracts.run import RunStatus, StageFailure, UnitStatus, UnitTotals
from contracts.run_request import parse_timestamp
from contracts.source.object_outcomes import ObjectOutcome, ObjectOutcomes
from contracts.source.object_totals import ObjectTotals
from dataset_loading.file import parse_dataset
from ledger.table import IS_THERE, Ledger
from runs import topic
from runs.expectations.contracts import DeployedContract, deployed_contracts
from runs.expectations.judging import Judgement, Judging
from runs.expectations.late import LOOKED_FOR, LateDays
from runs.expectations.watching import ExpectationsIncomplete, ExpectationWatch
from runtime.handler import use_clock
from sources.groups.stored import stored_urls
from steps import notification_consumer, reaper

DUE = datetime(2026, 11, 20, 6, tzinfo=UTC)
DAY = "2026-11-19"
BEFORE = DUE - timedelta(days=2)
EXPECT = 'expect: {by: "06:00"}\n'
RANGE = {"startDateTime": "2026-11-19T00:00:00Z", "endDateTime": "2026-11-20T00:00:00Z"}
INSIDE = "s3://data-bucket/landing/orders/dt=2026-11-19/a.csv"


def contract_of(dataset: Dataset, since: datetime = BEFORE) -> DeployedContract:
    return DeployedContract(f"datasets/{dataset.name}.yaml", since, lambda: dataset)


def expecting_datasets() -> list[Dataset]:
    read = [contract.expecting() for contract in deployed_contracts("code-bucket")]
    return [dataset for dataset in read if dataset is not None]


@dataclass
class Days:
    """A look at what contracts expect."""

    cloud: Any
    text: str = DATASET + EXPECT
    counted: int = 0
    since: datetime = BEFORE

    @property
    def dataset(self) -> Dataset:
        return parse_dataset(self.text, "orders.yaml")[0]

    @staticmethod
    def objects_of(unit: UnitItem) -> list[str]:
        return stored_urls("data-bucket", unit)

    def put_group(self, run_id: str, **outcomes: bool) -> None:
        """A unit of several objects, by their partition: whether each is stored."""
        totals = ObjectTotals(total=len(outcomes), stored=sum(outcomes.values()))
        unit = UnitItem(
            run_id=run_id,
            unit_id="00000-000",
            status=UnitStatus.STORED,
            source_url="s3://data-bucket/runs/r1/manifest/groups/0000000.json",
            objects=totals,
        )
        self.cloud.ledger.put_if_absent(unit.to_item())
        failure = StageFailure(stage="validate", error_type="InvalidData", message="bad")
        document = ObjectOutcomes(
            run_id=run_id,
            unit_id=unit.unit_id,
            objects=tuple(
                ObjectOutcome(
                    url=f"s3://data-bucket/landing/orders/dt={day.replace('_', '-')[1:]}/a.csv",
                    etag="etag",
                    failure=None if stored else failure,
                )
                for day, stored in outcomes.items()
            ),
        )
        key = layout.objects_key(run_id, unit.unit_id)
        self.cloud.put(key, json.dumps(document.to_json()))

    def count(self) -> None:
        self.counted += 1

    def look(self, now: datetime = DUE) -> None:
        watch = ExpectationWatch(
            self.cloud.ledger,
            publish=lambda news: topic.publish(self.cloud.topic_arn, news),
            count=self.count,
            objects_of=self.objects_of,
        )
        watch.look([contract_of(self.dataset, self.since)], now)

    def look_late(self, now: datetime) -> None:
        late = LateDays(
            self.cloud.ledger,
            publish=lambda news: topic.publish(self.cloud.topic_arn, news),
            objects_of=self.objects_of,
        )
        late.look([contract_of(self.dataset, self.since)], now)

    def found(self, day: str = DAY) -> ExpectedDayItem:
        item = self.cloud.ledger.get_item(*ExpectedDayItem.key_of("orders", day))
        assert item is not None
        return ExpectedDayItem.from_item(item)

    def put_run(
        self,
        run_id: str = "r1",
        status: RunStatus = RunStatus.SUCCEEDED,
        *units: str,
        claimed_at: str = "2026-11-20T01:00:00Z",
        **request: Any,
    ) -> None:
        asked = {"datasetName": "orders", "runId": run_id, **(request or RANGE)}
        stored = len(units) or (1 if status is RunStatus.SUCCEEDED else 0)
        item = RunItem(
            run_id=run_id,
            status=status,
            holder="arn:execution",
            dataset_name=asked["datasetName"],
            request=json.dumps(asked),
            end_date_time=asked.get("endDateTime", claimed_at),
            claimed_at=claimed_at,
            dataset_version="0123456789ab",
            units=UnitTotals(total=stored, stored=stored),
            reason="too many failed" if status is RunStatus.FAILED else None,
            **place_in_list(claimed_at, run_id),
        )
        self.cloud.ledger.put_if_absent(item.to_item())
        for number, url in enumerate(units):
            unit = UnitItem(
                run_id=run_id,
                unit_id=f"00000-{number:03d}",
                status=UnitStatus.STORED,
                source_url=url,
            )
            self.cloud.ledger.put_if_absent(unit.to_item())


@pytest.fixture
def days(cloud: Any) -> Days:
    return Days(cloud)


class TestWhatIsStored:
    @pytest.mark.parametrize("stored", [False, True])
    def test_of_a_unit_of_several_objects_one_of_the_day_has_to_be_stored(
        self, days: Days, stored: bool
    ) -> None:
        wide = {**RANGE, "startDateTime": "2026-11-18T00:00:00Z"}
        days.put_run("r1", **wide)
        days.put_group("r1", _2026_11_18=True, _2026_11_19=stored)
        days.look()

        assert days.found().stored_by == ("r1" if stored else None)

    def test_a_unit_of_several_objects_whose_runs_files_have_expired_may_be_of_the_day(
        self, days: Days
    ) -> None:
        days.put_run("r1", **{**RANGE, "startDateTime": "2026-11-18T00:00:00Z"})
        days.put_group("r1", _2026_11_18=True)
        days.cloud.client("s3").delete_object(
            Bucket="data-bucket", Key=layout.objects_key("r1", "00000-000")
        )
        days.look()

        assert days.found().stored_by == "r1"

    def test_a_run_over_the_day_has_stored_it(self, days: Days) -> None:
        days.put_run()
        days.look()

        assert days.found().stored_by == "r1"
        assert days.cloud.published() == []

    @pytest.mark.parametrize(
        "request_",
        [
            {"startDateTime": "2026-11-19T15:00:00Z", "endDateTime": "2026-11-19T16:00:00Z"},
            {"startDateTime": "2026-11-19T00:00:00Z"},
            {"startDateTime": "2026-11-19", "endDateTime": "2026-11-20", "onlyNew": True},
            {"startDateTime": "2026-11-01", "endDateTime": "2026-11-20", "retryOf": "r0"},
        ],
    )
    def test_partitions_are_taken_as_a_whole(self, days: Days, request_: dict[str, Any]) -> None:
        days.put_run("r1", RunStatus.SUCCEEDED, INSIDE, **request_)
        days.look()

        assert days.found().stored_by == "r1"

    def test_a_longer_range_has_to_have_stored_an_object_of_the_day(self, days: Days) -> None:
        week = {"startDateTime": "2026-11-13", "endDateTime": "2026-11-20"}
        days.put_run("r1", RunStatus.SUCCEEDED, INSIDE.replace("-19", "-18"), **week)
        days.look()

        assert days.found().stored_by is None
        assert days.found().reason == (
            "its newest run, r1, SUCCEEDED, but not all of that day was looked at and stored"
        )

    def test_an_upload_counts_for_its_partition(self, days: Days) -> None:
        days.put_run("r1", RunStatus.SUCCEEDED, INSIDE, inputUrl=INSIDE)
        days.look()
        assert days.found().stored_by == "r1"

    def test_an_upload_of_another_day_does_not(self, days: Days) -> None:
        other = INSIDE.replace("-19", "-18")
        days.put_run("r1", RunStatus.SUCCEEDED, other, inputUrl=other)
        days.look()
        assert days.found().stored_by is None

    @pytest.mark.parametrize(
        "request_",
        [
            {"startDateTime": "2026-11-18", "endDateTime": "2026-11-19"},
            {"startDateTime": "2026-11-20", "endDateTime": "2026-11-21"},
            {**RANGE, "query": "amount > 1"},
            {**RANGE, "index": "other"},
            {**RANGE, "datasetName": "visits"},
        ],
    )
    def test_runs_over_something_else_do_not_count(
        self, days: Days, request_: dict[str, Any]
    ) -> None:
        days.put_run("r1", RunStatus.SUCCEEDED, INSIDE, **request_)
        days.look()

        assert days.found().stored_by is None

    def test_query_and_index_of_a_schedule_count(self, days: Days) -> None:
        days.text += (
            'schedules: [{name: nightly, cron: "0 1 * * *", query: amount > 1, index: big}]\n'
        )
        days.put_run("r1", RunStatus.SUCCEEDED, **RANGE, query="amount > 1", index="big")
        days.look()

        assert days.found().stored_by == "r1"

    @pytest.mark.parametrize(
        ("status", "why"),
        [
            (RunStatus.FAILED, "its newest run, r1, is FAILED: too many failed"),
            (RunStatus.RUNNING, "its newest run, r1, is RUNNING"),
            (RunStatus.SKIPPED, "its newest run, r1, is SKIPPED"),
            (RunStatus.STOPPED, "its newest run, r1, is STOPPED"),
        ],
    )
    def test_a_run_that_did_not_end_well_has_not(
        self, days: Days, status: RunStatus, why: str
    ) -> None:
        days.put_run("r1", status)
        days.look()

        assert days.found().stored_by is None
        assert days.found().reason == why

    def test_a_long_reason_is_cut_visibly(self, days: Days) -> None:
        days.put_run("r1", RunStatus.FAILED)
        key = RunItem.key_of("r1")
        days.cloud.ledger.change(key, RunItem.changes(reason="x" * 400), IS_THERE)
        days.look()

        said = "its newest run, r1, is FAILED: "
        assert days.found().reason == f"{said}{'x' * 299}…"


class TestRunsThatDidNotEndWell:
    """Of a day that a later run, which found nothing new, has looked at."""

    def change(self, days: Days, run_id: str, **values: Any) -> None:
        days.cloud.ledger.change(RunItem.key_of(run_id), RunItem.changes(**values), IS_THERE)

    def put_repeat(self, days: Days, status: RunStatus = RunStatus.SKIPPED) -> None:
        at = "2026-11-20T02:00:00Z"
        days.put_run("r2", status, claimed_at=at, onlyNew=True, **RANGE)

    @pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.STOPPED])
    @pytest.mark.parametrize("counted", [True, False])
    def test_what_one_has_stored_no_repeat_takes(
        self, days: Days, status: RunStatus, *, counted: bool
    ) -> None:
        days.put_run("r1", status, INSIDE)
        if not counted:
            self.change(days, "r1", units=None)
        self.put_repeat(days)
        days.look()
        assert days.found().stored_by == "r1"

    def test_one_that_has_stored_nothing_has_not(self, days: Days) -> None:
        days.put_run("r1", RunStatus.FAILED)
        self.change(days, "r1", units=None)
        self.put_repeat(days)
        days.look()
        assert days.found().stored_by is None

    def test_one_alone_has_not_looked_at_the_whole_day(self, days: Days) -> None:
        days.put_run("r1", RunStatus.FAILED, INSIDE)
        days.look()
        assert days.found().stored_by is None

    def test_a_repeat_that_did_not_look_makes_no_difference(self, days: Days) -> None:
        days.put_run("r1", RunStatus.FAILED, INSIDE)
        self.put_repeat(days)
        self.change(days, "r2", dataset_version=None)  # another run was taking the new objects
        days.look()
        assert days.found().stored_by is None

    def test_what_it_stored_has_to_be_of_the_day(self, days: Days) -> None:
        week = {"startDateTime": "2026-11-13", "endDateTime": "2026-11-20"}
        days.put_run("r1", RunStatus.FAILED, INSIDE.replace("-19", "-18"), **week)
        self.put_repeat(days)
        days.look()
        assert days.found().stored_by is None

    def test_one_that_ended_well_is_named_before(self, days: Days) -> None:
        days.put_run("r1", RunStatus.FAILED, INSIDE)
        self.put_repeat(days, RunStatus.SUCCEEDED)
        days.look()
        assert days.found().stored_by == "r2"


class TestHours:
    TEXT = DATASET.replace("dt=%Y-%m-%d/", "dt=%Y-%m-%d/hour=%H/") + EXPECT

    def put_hours(self, days: Days, *hours: int, status: RunStatus = RunStatus.SUCCEEDED) -> None:
        for hour in hours:
            start = datetime(2026, 11, 19, hour, tzinfo=UTC)
            end = start + timedelta(hours=1)
            days.put_run(
                f"h{hour}",
                status,
                claimed_at=end.isoformat().replace("+00:00", "Z"),
                startDateTime=start.isoformat(),
                endDateTime=end.isoformat().replace("+00:00", "Z"),
            )

    def test_runs_over_all_hours_have_stored_the_day(self, cloud: Any) -> None:
        days = Days(cloud, self.TEXT)
        self.put_hours(days, *range(24))
        days.look()
        assert days.found().stored_by is not None

    def test_a_gap_of_an_hour_is_overdue(self, cloud: Any) -> None:
        days = Days(cloud, self.TEXT)
        self.put_hours(days, *range(11), *range(12, 24))
        days.look()
        assert days.found().stored_by is None

    def test_an_hour_without_objects_was_looked_at(self, cloud: Any) -> None:
        days = Days(cloud, self.TEXT)
        self.put_hours(days, 3, status=RunStatus.SKIPPED)
        self.put_hours(days, *range(3), *range(4, 24))
        days.look()
        assert days.found().stored_by is not None

    def test_hours_without_any_object_are_overdue(self, cloud: Any) -> None:
        days = Days(cloud, self.TEXT)
        self.put_hours(days, *range(24), status=RunStatus.SKIPPED)
        days.look()
        assert days.found().stored_by is None

    def test_today_counts_as_far_as_it_has_passed(self, cloud: Any) -> None:
        days = Days(cloud, self.TEXT.replace('by: "06:00"', 'by: "06:00", day: today'))
        self.put_hours(days, *range(6))
        days.look(datetime(2026, 11, 19, 6, tzinfo=UTC))
        assert days.found().stored_by is not None


class TestOtherTimes:
    def test_without_partitions_the_day_is_that_of_the_zone(self, cloud: Any) -> None:
        text = DATASET.replace("  partition: dt=%Y-%m-%d/\n", "")
        days = Days(cloud, text + 'expect: {by: "06:00", zone: Europe/Berlin}\n')
        in_berlin = {
            "startDateTime": "2026-11-18T23:00:00Z",
            "endDateTime": "2026-11-19T23:00:00Z",
        }
        days.put_run("r1", RunStatus.SUCCEEDED, **in_berlin)
        days.look()
        assert days.found().stored_by == "r1"

    def test_a_day_in_utc_is_not_that_of_the_zone(self, cloud: Any) -> None:
        text = DATASET.replace("  partition: dt=%Y-%m-%d/\n", "")
        days = Days(cloud, text + 'expect: {by: "06:00", zone: Europe/Berlin}\n')
        days.put_run()
        days.look()
        assert days.found().stored_by is None
        (news,) = days.cloud.published()
        command = "pipeline run --dataset orders --start 2026-11-18T23:00:00Z --end 2026-11-19T23"
        assert command in news["text"], "it is what would have stored the day"

    def test_times_in_keys_say_whether_an_object_is_of_the_day(self, cloud: Any) -> None:
        text = DATASET.replace(
            "  partition: dt=%Y-%m-%d/\n", "  timeFrom: key\n  keyTime: events_%Y%m%d\n"
        )
        days = Days(cloud, text + EXPECT)
        week = {"startDateTime": "2026-11-13", "endDateTime": "2026-11-20"}
        other = "s3://data-bucket/landing/orders/events_20261118.csv"
        days.put_run("r1", RunStatus.SUCCEEDED, other, **week)
        days.put_run("r2", RunStatus.SUCCEEDED, other.replace("18.csv", "19.csv"), **week)
        days.look()
        assert days.found().stored_by == "r2"


class TestAnnouncing:
    def test_a_day_that_is_not_stored_is_announced_once(self, days: Days) -> None:
        days.look()
        for minutes in (15, 30, 24 * 60 - 1):
            days.look(DUE + timedelta(minutes=minutes))

        (news,) = days.cloud.published()
        assert news["eventId"] == "orders/2026-11-19/day-overdue"
        assert (news["event"], news["status"]) == ("day-overdue", "OVERDUE")
        assert (news["datasetName"], news["day"]) == ("orders", DAY)
        assert news["due"] == "2026-11-20T06:00:00Z"
        lines = news["text"].splitlines()
        assert lines[0] == "The data of 2026-11-19 of orders is not stored by 06:00 UTC"
        assert "Runs: no run of it was claimed since 2026-11-19T00:00:00Z" in lines
        assert (
            "   pipeline run --dataset orders --start 2026-11-19 --end 2026-11-20 --wait" in lines
        )
        assert days.counted == 1

    def test_nothing_is_announced_before_it_is_due_nor_a_day_later(self, days: Days) -> None:
        early = {"claimed_at": "2026-11-19T01:00:00Z", "startDateTime": "2026-11-18"}
        days.put_run("r0", RunStatus.SUCCEEDED, INSIDE.replace("-19/", "-18/"), **early)
        days.look(DUE - timedelta(seconds=1))
        assert days.found("2026-11-18").stored_by == "r0"
        assert days.cloud.published() == []

        days.text = days.text.replace('by: "06:00"', 'by: "06:00", weekdays: [thu]')
        days.look(DUE + timedelta(hours=24))
        assert days.cloud.published() == []

    def test_what_is_stored_after_it_was_due_but_before_the_look_is_no_alarm(
        self, days: Days
    ) -> None:
        days.put_run(claimed_at="2026-11-20T06:05:00Z")
        days.look(DUE + timedelta(minutes=14))
        assert days.cloud.published() == []

    def test_a_day_that_is_stored_later_is_not_announced_again(self, days: Days) -> None:
        days.look()
        days.put_run(claimed_at="2026-11-20T06:05:00Z")
        days.look(DUE + timedelta(minutes=15))

        assert len(days.cloud.published()) == 1
        assert days.found().announced_at == "2026-11-20T06:00:00Z"

    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_outside_call_it_is_announced_under_one_id(
        self, days: Days, clients: Any, after: bool
    ) -> None:
        for position in range(12):
            now = DUE + timedelta(days=position)
            fate = Fate()
            for service in ("dynamodb", "sns"):
                clients.use(service, fate.over(days.cloud.client(service)))
            fate.kill_at(position + 1, after=after)
            killed = False
            try:
                days.look(now)
            except Killed:
                killed = True
            fate.spare()
            days.look(now + timedelta(minutes=15))
            days.look(now + timedelta(minutes=30))
            news = days.cloud.published()
            day = (now - timedelta(days=1)).date().isoformat()
            assert {each["eventId"] for each in news} == {f"orders/{day}/day-overdue"}
            assert len(news) <= 2
            if not killed:
                break
        assert 2 < position < 11


class TestStoredAfterAll:
    def test_a_day_that_is_stored_late_is_announced_once(self, days: Days) -> None:
        days.look()
        days.look_late(DUE + timedelta(minutes=15))
        assert [news["event"] for news in days.cloud.published()] == ["day-overdue"]

        days.put_run("late", claimed_at="2026-11-20T07:00:00Z")
        for hours in (2, 3, 100):
            days.look_late(DUE + timedelta(hours=hours))
        (news,) = days.cloud.published()
        assert news["eventId"] == "orders/2026-11-19/day-stored"
        assert (news["event"], news["status"]) == ("day-stored", "STORED")
        assert (news["day"], news["due"]) == (DAY, "2026-11-20T06:00:00Z")
        assert news["storedBy"] == "late"
        first, _, run = news["text"].splitlines()
        assert first == "The data of 2026-11-19 of orders is stored after all"
        assert run == "Its run: pipeline show late"
        assert days.counted == 1, "the alarm counts days that are overdue"
        found = days.found()
        assert (found.stored_by, found.stored_after_by) == (None, "late")

    def test_a_run_over_a_part_of_the_day_is_not_enough(self, days: Days) -> None:
        days.look()
        half = {"startDateTime": "2026-11-18", "endDateTime": "2026-11-19"}
        days.put_run("other", claimed_at="2026-11-20T07:00:00Z", **half)
        days.look_late(DUE + timedelta(hours=2))
        assert [news["event"] for news in days.cloud.published()] == ["day-overdue"]

    def test_a_day_that_was_not_announced_as_overdue_is_not_looked_at(self, days: Days) -> None:
        days.put_run()
        days.look()
        days.look_late(DUE + timedelta(hours=2))
        assert days.cloud.published() == []

    def test_a_week_later_it_is_looked_at_no_more(self, days: Days) -> None:
        days.look()
        days.cloud.published()
        days.put_run("late", claimed_at="2026-11-27T07:00:00Z")
        days.look_late(DUE + LOOKED_FOR + timedelta(seconds=1))
        assert days.cloud.published() == []

    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_outside_call_it_is_announced_under_one_id(
        self, days: Days, clients: Any, after: bool
    ) -> None:
        for position in range(1, 12):
            BackfillWorld(days.cloud, Executions()).forget()
            days.look()
            days.put_run("late", claimed_at="2026-11-20T07:00:00Z")
            days.cloud.published()
            fate = Fate()
            for service in ("dynamodb", "sns"):
                clients.use(service, fate.over(days.cloud.client(service)))
            fate.kill_at(position, after=after)
            killed = False
            try:
                days.look_late(DUE + timedelta(hours=2))
            except (Killed, ExpectationsIncomplete):
                killed = True
            fate.spare()
            days.look_late(DUE + timedelta(hours=3))
            days.look_late(DUE + timedelta(hours=4))
            news = days.cloud.published()
            assert {each["eventId"] for each in news} == {"orders/2026-11-19/day-stored"}
            assert len(news) <= 2
            if not killed:
                break
        assert 2 < position < 11

    def test_the_consumer_takes_it(self, days: Days) -> None:
        days.look()
        days.put_run("late", claimed_at="2026-11-20T07:00:00Z")
        days.look_late(DUE + timedelta(hours=2))
        _, news = days.cloud.published()
        assert notification_consumer.consume(json.dumps(news), "m1", Ledger("ledger"), DUE)


class TestOneThatCannotBeLookedAt:
    def test_one_dataset_that_cannot_be_looked_at_is_named_and_others_are(
        self, days: Days, clients: Any
    ) -> None:
        clients.break_once("dynamodb", "get_item", LOST_RESPONSE, after=False)
        visits = days.dataset.model_copy(update={"name": "visits"})
        watch = ExpectationWatch(days.cloud.ledger, lambda _: None, days.count)

        with pytest.raises(ExpectationsIncomplete, match=r"1 left: datasets/orders.yaml: "):
            watch.look([contract_of(days.dataset), contract_of(visits)], DUE)
        assert days.counted == 1

    @pytest.mark.parametrize(
        "error", [PipelineError("AccessDenied"), ValueError("a fault of ours")]
    )
    def test_a_contract_that_cannot_be_read_is_named_and_others_are_looked_at(
        self, days: Days, error: Exception
    ) -> None:
        def unreadable() -> Dataset:
            raise error

        watch = ExpectationWatch(days.cloud.ledger, lambda _: None, days.count)
        contracts = [
            DeployedContract("datasets/a.yaml", BEFORE, unreadable),
            contract_of(days.dataset),
        ]

        with pytest.raises(ExpectationsIncomplete, match=r"1 left: datasets/a.yaml: ") as caught:
            watch.look(contracts, DUE)
        assert str(error) in str(caught.value)
        assert days.counted == 1

    def test_a_fault_in_one_dataset_ends_no_other(
        self, days: Days, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def judgement(self: Judging, *others: Any) -> Judgement:
            if self.expected.dataset.name == "orders":
                raise KeyError("a fault of ours")
            return judge(self, *others)

        judge = Judging.judgement
        monkeypatch.setattr(Judging, "judgement", judgement)
        visits = days.dataset.model_copy(update={"name": "visits"})
        watch = ExpectationWatch(days.cloud.ledger, lambda _: None, days.count)

        with pytest.raises(ExpectationsIncomplete, match="a fault of ours"):
            watch.look([contract_of(days.dataset), contract_of(visits)], DUE)
        assert days.counted == 1


class TestNewContracts:
    def test_a_day_that_was_due_before_is_noted_and_not_announced(self, days: Days) -> None:
        days.since = DUE + timedelta(minutes=5)
        for minutes in (10, 25, 40):
            days.look(DUE + timedelta(minutes=minutes))

        assert days.cloud.published() == []
        assert days.counted == 0
        assert days.found().stored_by is None
        assert days.found().contract_since == "2026-11-20T06:05:00Z"

        days.since = DUE + timedelta(days=1, minutes=1)
        days.look(DUE + timedelta(days=1, minutes=5))
        assert days.found("2026-11-20").contract_since is None, "one that is uploaded again"
        assert [news["day"] for news in days.cloud.published()] == ["2026-11-20"]

    def test_another_datasets_days_make_it_no_older(self, days: Days) -> None:
        other = days.dataset.model_copy(update={"name": "orders_eu"})
        watch = ExpectationWatch(days.cloud.ledger, lambda _: None, days.count)
        watch.look([contract_of(other)], DUE)
        assert days.counted == 1

        days.since = DUE + timedelta(minutes=5)
        days.look(DUE + timedelta(minutes=10))
        assert days.counted == 1

    def test_a_day_that_is_stored_is_stored(self, days: Days) -> None:
        days.put_run()
        days.since = DUE + timedelta(minutes=5)
        days.look(DUE + timedelta(minutes=10))
        assert (days.found().stored_by, days.found().contract_since) == ("r1", None)

    def test_one_that_was_there_when_the_day_was_due_is_not_new(self, days: Days) -> None:
        days.since = DUE
        days.look(DUE + timedelta(minutes=10))
        assert days.counted == 1

    @pytest.mark.parametrize("after", [False, True])
    def test_killed_at_any_outside_call_it_is_never_announced(
        self, days: Days, clients: Any, after: bool
    ) -> None:
        for position in range(9):
            days.text = (DATASET + EXPECT).replace("name: orders", f"name: orders_{position}")
            days.since = DUE + timedelta(minutes=5)
            fate = Fate()
            for service in ("dynamodb", "sns"):
                clients.use(service, fate.over(days.cloud.client(service)))
            fate.kill_at(position + 1, after=after)
            killed = False
            try:
                days.look(DUE + timedelta(minutes=10))
            except Killed:
                killed = True
            fate.spare()
            days.look(DUE + timedelta(minutes=25))
            assert days.cloud.published() == []
            if not killed:
                break
        assert 0 < position < 8

    def test_the_day_of_its_file_counts(self, cloud: Any, lambda_context: Any) -> None:
        cloud.put("datasets/orders.yaml", DATASET + EXPECT, bucket="code-bucket")
        (contract,) = deployed_contracts("code-bucket")
        use_clock(lambda: contract.changed_at + timedelta(minutes=1))
        try:
            reaper.handler({"detail-type": "Scheduled Event"}, lambda_context)
        finally:
            use_clock()
        assert cloud.published() == []
        (noted,) = cloud.ledger.query(EXPECTED, "orders#")
        since = ExpectedDayItem.from_item(noted).contract_since
        assert since is not None
        assert parse_timestamp(since) == contract.changed_at


class TestManyRuns:
    def test_nothing_is_read_where_nothing_is_expected(self, days: Days, clients: Any) -> None:
        reads = clients.watch("dynamodb", "query")
        days.text = DATASET
        days.look()
        assert reads == []

    def test_runs_are_not_held_in_memory(self, days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
        days.put_run()
        (one,) = days.cloud.ledger.runs_claimed("2026-11-20")
        in_all = 0

        def runs_claimed(*_: Any, **__: Any) -> Iterator[dict[str, Any]]:
            nonlocal in_all
            for number in range(1000):
                reason = f"{number:05d}" * 2000
                in_all += len(reason)
                name = ("orders", "visits")[number % 2]
                failed = {"status": "FAILED", "run_id": f"r{number}", "reason": reason}
                yield {**one, **failed, "dataset_name": name}

        monkeypatch.setattr(Ledger, "runs_claimed", runs_claimed)
        tracemalloc.start()
        try:
            days.look()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert days.found().stored_by is None
        assert peak < in_all / 4

    def test_they_are_read_once_for_all_datasets(self, days: Days, clients: Any) -> None:
        other = days.dataset.model_copy(update={"name": "visits"})
        days.put_run()
        days.put_run("v1", datasetName="visits", **RANGE)
        reads = clients.watch("dynamodb", "query")
        watch = ExpectationWatch(days.cloud.ledger, lambda _: None, days.count)
        watch.look([contract_of(days.dataset), contract_of(other)], DUE)

        assert len(reads) == 2, "of two days"
        assert days.counted == 0

    def test_one_that_cannot_be_read_ends_no_other_dataset(self, days: Days) -> None:
        other = days.dataset.model_copy(update={"name": "visits"})
        days.put_run()
        days.put_run("v1", datasetName="visits", **RANGE)
        days.cloud.ledger.change(
            RunItem.key_of("r1"), RunItem.changes(units="of a later release"), IS_THERE
        )
        watch = ExpectationWatch(days.cloud.ledger, lambda _: None, days.count)

        with pytest.raises(ExpectationsIncomplete, match="1 left: orders: "):
            watch.look([contract_of(days.dataset), contract_of(other)], DUE)
        found = days.cloud.ledger.get_item(*ExpectedDayItem.key_of("visits", DAY))
        assert ExpectedDayItem.from_item(found).stored_by == "v1"

    def test_a_ledger_that_cannot_be_read_leaves_all(self, days: Days, clients: Any) -> None:
        clients.break_once("dynamodb", "query", LOST_RESPONSE, after=False)
        with pytest.raises(ExpectationsIncomplete, match="1 left: orders: "):
            days.look()
        days.look()
        assert days.counted == 1


class TestContracts:
    def put(self, cloud: Any, name: str, text: str) -> None:
        cloud.put(f"datasets/{name}.yaml", text, bucket="code-bucket")
        earlier = ExpectedDayItem(dataset_name="orders", day="2026-11-01", stored_by="r0")
        cloud.ledger.put_if_absent(earlier.to_item())  # it is no new contract

    def test_contracts_that_expect_something_are_found(self, cloud: Any) -> None:
        self.put(cloud, "orders", DATASET + EXPECT)
        self.put(cloud, "visits", DATASET.replace("name: orders", "name: visits"))
        self.put(cloud, "broken", "expect: {by: 7}\n")
        cloud.put("datasets/README.md", "expect", bucket="code-bucket")

        assert [each.name for each in expecting_datasets()] == ["orders"]

    def test_a_contract_is_read_again_when_it_has_changed(self, cloud: Any, clients: Any) -> None:
        self.put(cloud, "orders", DATASET + EXPECT)
        reads = clients.watch("s3", "get_object")
        for _ in range(3):
            expecting_datasets()
        assert len(reads) <= 1

        self.put(cloud, "orders", DATASET + EXPECT.replace("06:00", "07:00"))
        (dataset,) = expecting_datasets()
        assert dataset.expect is not None
        assert dataset.expect.by == "07:00"

    @pytest.mark.parametrize("broken", ['name: "\\U00110000"\n', "name: \xff\n".encode("latin-1")])
    def test_what_yaml_or_unicode_refuses_is_a_broken_contract(
        self, cloud: Any, broken: str | bytes
    ) -> None:
        content = broken.encode() if isinstance(broken, str) else broken
        cloud.put("datasets/a.yaml", content + EXPECT.encode(), bucket="code-bucket")
        self.put(cloud, "orders", DATASET + EXPECT)

        assert [each.name for each in expecting_datasets()] == ["orders"]

    def test_an_object_that_may_not_be_read_ends_no_other_look(
        self, cloud: Any, clients: Any, lambda_context: Any
    ) -> None:
        self.put(cloud, "a", DATASET + EXPECT)
        self.put(cloud, "orders", DATASET + EXPECT)
        denied = {"Error": {"Code": "AccessDenied", "Message": "kms:Decrypt"}}
        clients.break_once("s3", "get_object", ClientError(denied, "GetObject"), after=False)
        use_clock(lambda: DUE)
        try:
            with pytest.raises(ExpectationsIncomplete, match=r"datasets/a\.yaml.*kms:Decrypt"):
                reaper.handler({"detail-type": "Scheduled Event"}, lambda_context)
        finally:
            use_clock()
        assert [news["datasetName"] for news in cloud.published()] == ["orders"]

    def test_the_schedule_of_the_reaper_looks(
        self, cloud: Any, lambda_context: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.put(cloud, "orders", DATASET + EXPECT)
        use_clock(lambda: DUE)
        try:
            reaper.handler({"detail-type": "Scheduled Event"}, lambda_context)
        finally:
            use_clock()

        (news,) = cloud.envelopes()
        assert "DaysOverdue" in capsys.readouterr().out
        body = json.dumps(news)
        assert notification_consumer.consume(body, "m-1", cloud.ledger, DUE)
        assert not notification_consumer.consume(body, "m-2", cloud.ledger, DUE)

    def test_a_sweep_that_fails_keeps_nobody_from_looking(
        self, cloud: Any, clients: Any, lambda_context: Any
    ) -> None:
        self.put(cloud, "orders", DATASET + EXPECT)
        clients.break_once("dynamodb", "query", LOST_RESPONSE, after=False)
        use_clock(lambda: DUE)
        try:
            with pytest.raises(TransientFailure):
                reaper.handler({"detail-type": "Scheduled Event"}, lambda_context)
        finally:
            use_clock()
        assert len(cloud.published()) == 1
