"""Whether a unit begins: asked once, decided by the ledger, and each count made once."""

from __future__ import annotations

from typing import Any

import pytest
from control_fakes import LOST_RESPONSE, NOW, arn, claimed
from manifests import put_manifest

from contracts.errors import TransientFailure
from contracts.ledger_items import LossesItem, OperationsItem
from contracts.manifest import UNITS_PER_EXECUTION, ManifestEntry, units_per_shard
from contracts.messages import Began, EndUnit, NotBegun, StartUnit
from contracts.messages.operations import ASKING, OPERATIONS, allowance, reserved
from contracts.run import ItemTotals, RowCounts, StageFailure, UnitStatus
from runs.unit.beginning import start_unit
from runs.unit.counts import losses, release, reserve
from runs.unit.recording import end_unit
from steps.record_unit import handler

EXECUTION = arn("shard")
PLANNED_OF_A_UNIT = ASKING  # as many units to a shard as there can be
USED_OUTSIDE = 100  # the beginning of a run
FAILURE = StageFailure(stage="validate", error_type="InvalidData", message="x")


def put_units(cloud: Any, items: int | None = None) -> None:
    names = ("a", "b", "c", "d")
    entries = tuple(
        ManifestEntry(
            bucket="data-bucket",
            key=f"landing/{name}.csv",
            size=1,
            etag="e",
            last_modified=NOW,
            items=items,
        )
        for name in names
    )
    put_manifest(cloud.put, "r1", entries)


@pytest.fixture
def run(cloud: Any) -> Any:
    """A claimed run of four units."""
    claimed(cloud.ledger)
    put_units(cloud)
    return cloud


def asked(unit: int = 0, **fields: Any) -> StartUnit:
    values = {"run_attempt": 1, "execution_arn": EXECUTION, "allowance": 84, "reserved": 158}
    return StartUnit(run_id="r1", unit_id=f"00000-{unit:03d}", **{**values, **fields})


def ended(unit: int = 0, **fields: Any) -> EndUnit:
    values = {"run_attempt": 1, "execution_arn": EXECUTION, "allowance": 84, "operations": 9}
    status = fields.pop("status", UnitStatus.STORED)
    return EndUnit(run_id="r1", unit_id=f"00000-{unit:03d}", status=status, **{**values, **fields})


def failed(unit: int = 0, **fields: Any) -> EndUnit:
    return ended(unit, status=UnitStatus.FAILED, failure=FAILURE, fail_fast=True, **fields)


def respond(cloud: Any, message: StartUnit) -> Began:
    return start_unit(message, cloud.ledger, "data-bucket", NOW).began


def counted(cloud: Any) -> OperationsItem | None:
    item = cloud.ledger.get_item(*OperationsItem.key_of(EXECUTION))
    return None if item is None else OperationsItem.from_item(item)


def unit(cloud: Any, number: int = 0) -> Any:
    return cloud.ledger.get_item("r1", f"UNIT#00000-{number:03d}")


class TestOperations:
    def test_a_unit_commits_its_allowance_and_gives_back_what_it_did_not_use(
        self, run: Any, lambda_context: Any
    ) -> None:
        assert respond(run, asked()) == Began(allowance=84)
        assert (counted(run).committed, counted(run).running) == (84, {"r1/00000-000"})

        handler(ended().to_json(), lambda_context)

        assert (counted(run).committed, counted(run).running) == (9, frozenset())

    def test_units_begin_as_long_as_all_of_them_can_end(self, run: Any) -> None:
        reserved = OPERATIONS - 2 * 84
        responses = [respond(run, asked(number, reserved=reserved)) for number in range(4)]
        assert [each.begin for each in responses] == [True, True, False, False]
        assert responses[2].reason is NotBegun.OPERATIONS
        assert unit(run, 2) is None  # another execution begins it
        assert counted(run).committed == 2 * 84

    @pytest.mark.parametrize("at_once", [1, 10, 25, UNITS_PER_EXECUTION])
    def test_the_first_unit_of_a_whole_shard_begins_even_if_it_asks_last(
        self, cloud: Any, at_once: int
    ) -> None:
        """Its first tries may have died, while all others went through."""
        units = units_per_shard(PLANNED_OF_A_UNIT, at_once)
        fields = {
            "allowance": allowance(PLANNED_OF_A_UNIT, at_once),
            "reserved": reserved(USED_OUTSIDE, units - 1, 0),
            "asking": ASKING,
        }
        used = {"allowance": fields["allowance"], "operations": PLANNED_OF_A_UNIT}
        running: list[int] = []
        for number in (*range(1, units), 0):
            if len(running) == at_once:
                release(ended(running.pop(0), **used), cloud.ledger)
            assert reserve(asked(number, **fields), cloud.ledger, NOW), number
            running.append(number)

    def test_after_the_first_that_does_not_begin_none_does(
        self, run: Any, lambda_context: Any
    ) -> None:
        """What those cost that ask in vain is not counted."""
        respond(run, asked(0))
        assert not respond(run, asked(1, reserved=OPERATIONS)).begin
        handler(ended(0).to_json(), lambda_context)
        assert not respond(run, asked(2, reserved=0)).begin

    def test_an_allowance_that_never_fits_is_refused_in_a_fresh_execution(self, run: Any) -> None:
        assert not respond(run, asked(reserved=OPERATIONS)).begin
        assert counted(run).committed == 0

    def test_executions_and_runs_of_one_execution_are_distinguished(self, run: Any) -> None:
        assert reserve(asked(), run.ledger, NOW)
        assert reserve(asked().model_copy(update={"run_id": "r2"}), run.ledger, NOW)
        assert reserve(asked(execution_arn=arn("other")), run.ledger, NOW)
        assert counted(run).committed == 2 * 84

    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("which", [1, 2, 3])
    @pytest.mark.parametrize("kind", ["start", "end"])
    def test_a_step_that_broke_off_counts_once_when_it_is_repeated(
        self, run: Any, clients: Any, lambda_context: Any, kind: str, which: int, after: bool
    ) -> None:
        """Broken off before and after each of its writes."""
        writes = {"start": ["update_item", "update_item", "publish"]}
        writes["end"] = ["update_item", "publish", "update_item"]
        if kind == "end":
            handler(asked().to_json(), lambda_context)
        operation = writes[kind][which - 1]
        nth = writes[kind][:which].count(operation)
        service = "sns" if operation == "publish" else "dynamodb"
        clients.break_once(service, operation, LOST_RESPONSE, after=after, call=nth)
        message = asked() if kind == "start" else ended()

        with pytest.raises(TransientFailure):
            handler(message.to_json(), lambda_context)
        handler(message.to_json(), lambda_context)
        handler(message.to_json(), lambda_context)

        running = {"r1/00000-000"} if kind == "start" else set()
        assert (counted(run).committed, counted(run).running) == (
            84 if kind == "start" else 9,
            running,
        )
        assert unit(run)["status"] == ("RUNNING" if kind == "start" else "STORED")

    def test_repeats_after_the_allowance_was_given_back_count_too(
        self, run: Any, clients: Any, lambda_context: Any
    ) -> None:
        """The last write is done and its response lost, twice: so two tries more."""
        handler(asked().to_json(), lambda_context)
        for operations in (9, 11):
            clients.break_once("dynamodb", "update_item", LOST_RESPONSE, after=True, call=2)
            message = ended(operations=operations, repeats=operations - 9)
            with pytest.raises(TransientFailure):
                handler(message.to_json(), lambda_context)
        handler(ended(operations=13, repeats=4).to_json(), lambda_context)
        assert counted(run).committed == 9 + 2 + 4, "rather too many than 13"

    def test_repeats_of_an_end_whose_count_is_gone_count_nothing(
        self, run: Any, lambda_context: Any
    ) -> None:
        handler(
            ended(operations=11, repeats=2, execution_arn=arn("other")).to_json(), lambda_context
        )
        assert run.ledger.get_item(*OperationsItem.key_of(arn("other"))) is None

    def test_what_a_repeated_end_has_used_counts_too(
        self, run: Any, clients: Any, lambda_context: Any
    ) -> None:
        handler(asked().to_json(), lambda_context)
        clients.break_once("sns", "publish", LOST_RESPONSE, after=True)
        with pytest.raises(TransientFailure):
            handler(ended(operations=9).to_json(), lambda_context)
        handler(ended(operations=11).to_json(), lambda_context)
        assert counted(run).committed == 11

    def test_orchestrators_of_before_begin_whatever_is_left(
        self, run: Any, lambda_context: Any
    ) -> None:
        before = {"runId": "r1", "unitId": "00000-000", "runAttempt": 1, "kind": "start"}
        assert handler(before, lambda_context)["begin"]
        handler({**before, "kind": "end", "status": "STORED"}, lambda_context)
        assert unit(run)["status"] == "STORED"
        assert counted(run) is None


class TestFailingFast:
    def test_no_more_units_begin_once_more_have_failed_than_is_tolerated(self, run: Any) -> None:
        end_unit(failed(0), run.ledger, "data-bucket", NOW)
        assert respond(run, asked(1, tolerated_losses=1)).begin
        end_unit(failed(1), run.ledger, "data-bucket", NOW)

        refused = respond(run, asked(2, tolerated_losses=1))

        assert refused.reason is NotBegun.FAILED_FAST
        item = unit(run, 2)
        # FAILED is what earlier releases can read
        assert (item["status"], item["not_started"]) == ("FAILED", True)
        assert item["failure"]["error_type"] == "ToleranceExceeded"
        assert "2 have failed by now, 1 are tolerated" in item["failure"]["message"]
        assert item["source_url"].endswith("c.csv")

    def test_without_it_the_next_unit_follows_whatever_became_of_the_one_before(
        self, run: Any
    ) -> None:
        end_unit(failed(0), run.ledger, "data-bucket", NOW)
        assert respond(run, asked(1, tolerated_losses=None)).begin

    def test_a_unit_that_was_not_to_begin_is_reported_as_such(
        self, run: Any, lambda_context: Any
    ) -> None:
        end_unit(failed(0), run.ledger, "data-bucket", NOW)
        handler(asked(1, tolerated_losses=0).to_json(), lambda_context)
        (news,) = run.published()
        assert (news["event"], news["status"]) == ("unit-ended", "NOT_STARTED")
        assert news["outcome"]["status"] == "NOT_STARTED"

    def test_of_an_array_items_count(self, run: Any) -> None:
        put_units(run, items=25)
        items = ItemTotals(total=25, stored=22, rejected=3)
        rows = RowCounts(rows_in=25, stored=22, rejected=3)
        end_unit(ended(0, fail_fast=True, items=items, rows=rows), run.ledger, "data-bucket", NOW)
        assert losses(run.ledger, "r1", 1) == 3
        end_unit(failed(1), run.ledger, "data-bucket", NOW)  # whose items have no result
        assert losses(run.ledger, "r1", 1) == 28

        respond(run, asked(2, tolerated_losses=27))

        assert unit(run, 2)["items"]["not_started"] == 25

    @pytest.mark.parametrize("which", [1, 2])
    @pytest.mark.parametrize("after", [False, True])
    def test_a_failure_counts_once_however_often_its_end_is_repeated(
        self, run: Any, clients: Any, which: int, after: bool
    ) -> None:
        clients.break_once("dynamodb", "update_item", LOST_RESPONSE, after=after, call=which)
        with pytest.raises(TransientFailure):
            end_unit(failed(), run.ledger, "data-bucket", NOW)
        for _ in range(2):
            end_unit(failed(), run.ledger, "data-bucket", NOW)
        assert losses(run.ledger, "r1", 1) == 1

    def test_shards_add_up_and_attempts_do_not(self, run: Any) -> None:
        for attempt, shard in ((1, 0), (1, 1), (2, 0)):
            key = LossesItem.key_of("r1", attempt, shard)
            run.ledger.update(*key, {}, add=LossesItem.of_unit(2, "00000-000"))
        assert [losses(run.ledger, "r1", attempt) for attempt in (1, 2, 3)] == [4, 2, 0]

    def test_a_later_attempt_begins_what_an_earlier_one_was_not_to_begin(self, run: Any) -> None:
        end_unit(failed(0), run.ledger, "data-bucket", NOW)
        respond(run, asked(1, tolerated_losses=0))
        run.ledger.update("r1", "RUN", {"run_attempt": 2})

        assert respond(run, asked(1, run_attempt=2, tolerated_losses=0)).begin
        assert not {"not_started", "failure"} & unit(run, 1).keys()


def test_a_unit_of_a_run_that_is_to_stop_does_not_begin(run: Any) -> None:
    decision = {"stop_requested_at": "2026-11-20T08:00:00Z", "stop_reason": "wrong input"}
    run.ledger.update("r1", "RUN", decision)

    refused = respond(run, asked())

    assert refused.reason is NotBegun.STOPPED
    assert unit(run)["failure"]["error_type"] == "RunStopped"
    assert "wrong input" in unit(run)["failure"]["message"]
    assert counted(run) is None
