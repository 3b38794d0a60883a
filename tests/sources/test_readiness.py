"""Partitions that are read only when their marker is there: waiting, leaving out, failing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control_fakes import DATASET, NOW, claimed, freeze_dataset, request

from contracts.dataset import Ready, Source
from contracts.errors import NotFound, OwnershipLost, RunStopped, TransientFailure
from contracts.manifest import ManifestSummary, left_out
from contracts.messages import ListUrls, StopRun
from contracts.run import RunStatus
from ledger.conditions import RUN
from ledger.runs import change_run, find_run
from ledger.stop_decision import record_decision
from ledger.table import Ledger
from sources.listed_run import list_run
from sources.readiness import missing_markers, unready_partitions
from sources.waiting import pause_seconds

END = datetime(2026, 11, 4, tzinfo=UTC)
MARKED = "s3://data-bucket/landing/orders/dt=2026-11-0{}/_SUCCESS"


def put_day(cloud: Any, day: int, *, ready: bool) -> None:
    cloud.put(f"landing/orders/dt=2026-11-0{day}/a.csv", f"content {day}")
    if ready:
        cloud.put(f"landing/orders/dt=2026-11-0{day}/_SUCCESS", "")


def freeze(cloud: Any, ready: str, run_id: str = "r1", more: str = "") -> None:
    marked = f"  suffix: .csv\n{more}  ready: {{marker: _SUCCESS, {ready}}}\n"
    freeze_dataset(cloud.data_bucket, run_id, text=DATASET.replace("  suffix: .csv\n", marked))


@pytest.fixture
def run(cloud: Any) -> Any:
    """A claimed run over three days, the second of which is not ready."""
    claimed(cloud.ledger)
    for day in (1, 2, 3):
        put_day(cloud, day, ready=day != 2)
    return cloud


def ask(
    cloud: Any, after: float = 0, attempt: int = 1, *, may_wait: bool = True, **fields: Any
) -> ManifestSummary:
    message = ListUrls(
        request=request(**fields),
        end_date_time=END,
        units_per_shard=10,
        run_attempt=attempt,
        may_wait=may_wait,
    )
    now = NOW + timedelta(seconds=after)
    return list_run(message, cloud.data_bucket, cloud.ledger, now)


def keys(cloud: Any, run_id: str = "r1") -> list[str]:
    (part,) = cloud.keys(f"runs/{run_id}/manifest/objects-")
    return [
        entry["key"].removeprefix("landing/orders/") for entry in cloud.read_json(part)["entries"]
    ]


def test_a_run_waits_for_what_is_not_ready_and_then_reads_it_all(run: Any) -> None:
    freeze(run, "otherwise: wait")

    waiting = ask(run).waiting
    assert waiting is not None
    assert waiting.what == f"the partition's marker {MARKED.format(2)} is not there"
    assert waiting.look_again_seconds == 10
    assert run.keys("runs/r1/manifest/") == []

    put_day(run, 2, ready=True)
    summary = ask(run, after=10)
    assert (summary.objects, summary.waiting, summary.not_ready) == (3, None, None)
    assert keys(run) == [f"dt=2026-11-0{day}/a.csv" for day in (1, 2, 3)]


def test_the_ledger_says_what_a_run_waits_for_as_long_as_it_does(run: Any) -> None:
    freeze(run, "waitSeconds: 600")
    ask(run)
    ask(run, after=100)

    item = find_run(run.ledger, "r1")
    assert item is not None
    assert item.waiting_for is not None
    assert MARKED.format(2) in item.waiting_for
    assert (item.waiting_since, item.waiting_until, item.status) == (
        "2026-11-20T08:15:00.123456Z", "2026-11-20T08:25:00.123456Z", "CLAIMED",
    )  # fmt: skip

    put_day(run, 2, ready=True)
    ask(run, after=200)
    item = find_run(run.ledger, "r1")
    assert item is not None
    assert (item.waiting_for, item.waiting_since, item.waiting_until) == (None, None, None)
    assert item.status == "RUNNING"


def test_a_run_gives_up_after_its_time_from_when_it_first_looked(run: Any) -> None:
    freeze(run, "otherwise: wait, waitSeconds: 60")
    pauses = [ask(run, after).waiting for after in (0, 59)]
    assert [pause and pause.look_again_seconds for pause in pauses] == [10, 1]

    with pytest.raises(NotFound, match=r"^not ready within 60 s: .*dt=2026-11-02/_SUCCESS is not"):
        ask(run, after=60)


def test_a_repeated_look_records_the_first_one(run: Any) -> None:
    """The call may be repeated when it broke off before or after it wrote the ledger."""
    freeze(run, "waitSeconds: 100")
    assert ask(run, after=0) == ask(run, after=0)
    ask(run, after=40)
    with pytest.raises(NotFound, match="not ready within 100 s"):
        ask(run, after=100)


def test_data_that_comes_at_the_last_moment_is_read(run: Any) -> None:
    freeze(run, "waitSeconds: 60")
    ask(run)
    put_day(run, 2, ready=True)
    assert ask(run, after=3600).objects == 3


def test_who_waits_without_a_time_waits_a_day(run: Any) -> None:
    freeze(run, "otherwise: wait")
    ask(run)
    assert ask(run, after=24 * 3600 - 5).waiting is not None
    with pytest.raises(NotFound, match="not ready within 86,400 s"):
        ask(run, after=24 * 3600)


@pytest.mark.parametrize("patience", [1, 60, 3600, 24 * 3600, 6 * 24 * 3600])
def test_a_run_looks_seldom_however_long_it_waits(patience: int) -> None:
    waited, looks = 0.0, 0
    pauses = []
    while waited < patience:
        pauses.append(pause_seconds(waited, patience - waited, patience))
        waited += pauses[-1]
        looks += 1
    assert looks <= 130
    assert waited == pytest.approx(patience, abs=1)
    assert pauses[:-1] == sorted(pauses[:-1])
    assert max(pauses) <= max(15 * 60, patience / 100)


def test_what_is_not_ready_is_left_out_and_named(run: Any) -> None:
    freeze(run, "otherwise: skip")

    summary = ask(run)

    assert keys(run) == ["dt=2026-11-01/a.csv", "dt=2026-11-03/a.csv"]
    assert summary.not_ready is not None
    assert summary.not_ready.to_json() == {
        "count": 1, "marker": "_SUCCESS", "partitions": ["dt=2026-11-02/"],
    }  # fmt: skip
    assert ask(run).not_ready == summary.not_ready


def test_partitions_left_out_in_a_row_are_named_by_the_first_and_the_last(run: Any) -> None:
    freeze(run, "otherwise: skip")
    run.client("s3").delete_object(
        Bucket="data-bucket", Key="landing/orders/dt=2026-11-03/_SUCCESS"
    )

    summary = ask(run, endDateTime="2026-11-04")

    assert summary.not_ready is not None
    assert summary.not_ready.partitions == ("dt=2026-11-02/ to dt=2026-11-03/",)
    assert left_out(0, 0, summary.not_ready) == (
        "2 partitions were left out as not ready (dt=2026-11-02/ to dt=2026-11-03/: _SUCCESS is not"
        " there); send their range again when they are"
    )


def test_a_run_fails_for_what_is_not_ready_by_bucket_prefix_and_marker(run: Any) -> None:
    freeze(run, "otherwise: fail")
    with pytest.raises(NotFound, match=f"^the partition's marker {MARKED.format(2)} is not there"):
        ask(run)
    put_day(run, 2, ready=True)
    assert ask(run).objects == 3


@pytest.mark.parametrize("marker", ["_SUCCESS", "done.csv", "state/READY"])
def test_a_marker_is_never_data(cloud: Any, marker: str) -> None:
    claimed(cloud.ledger)
    more = f"  hidden: read\n  ready: {{marker: {marker}}}\n"
    freeze_dataset(cloud.data_bucket, text=DATASET.replace("  suffix: .csv\n", more))
    for day in (1, 2, 3):
        cloud.put(f"landing/orders/dt=2026-11-0{day}/a.csv", "content")
        cloud.put(f"landing/orders/dt=2026-11-0{day}/{marker}", "")

    summary = ask(cloud)

    assert keys(cloud) == [f"dt=2026-11-0{day}/a.csv" for day in (1, 2, 3)]
    assert (summary.hidden, summary.excluded) == (0, 0)


def test_of_many_partitions_the_markers_are_found_by_one_walk(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.readiness.PREFIXES_AT_MOST", 2)
    source = Source(prefix="a/", partition="dt=%Y-%m-%d/", ready=Ready(marker="_OK"))
    names = [f"dt=2026-11-0{day}/" for day in range(1, 6)]
    for day, key in ((1, "_OK"), (2, "x_OK"), (3, "_OK.tmp"), (4, "sub/_OK"), (5, "_OK")):
        cloud.put(f"a/dt=2026-11-0{day}/{key}", "")
    assert unready_partitions(source, cloud.data_bucket, names) == tuple(names[1:4])
    monkeypatch.undo()
    assert unready_partitions(source, cloud.data_bucket, names) == tuple(names[1:4])
    text = missing_markers(source, "b", [*names[1:4], "dt=2026-11-09/"])
    assert text.startswith("the markers of 4 partitions are not there: s3://b/a/dt=2026-11-02/_OK,")
    assert text.endswith(" and 1 more")


@pytest.mark.parametrize("otherwise", ["wait", "skip", "fail"])
def test_a_bucket_that_is_not_there_is_not_waited_for(cloud: Any, otherwise: str) -> None:
    claimed(cloud.ledger)
    freeze(cloud, f"otherwise: {otherwise}", more="  bucket: no-such-bucket\n")
    with pytest.raises(NotFound, match="no bucket no-such-bucket"):
        ask(cloud)


def test_an_orchestrator_that_cannot_wait_gets_the_run_again(run: Any) -> None:
    """One of a release before would take a listing without objects for an empty one."""
    freeze(run, "otherwise: wait")
    with pytest.raises(TransientFailure, match="does not wait for data"):
        ask(run, may_wait=False)


def test_a_run_that_is_stopped_waits_no_longer(run: Any) -> None:
    freeze(run, "otherwise: wait")
    ask(run)
    record_decision(StopRun(run_id="r1"), run.ledger, NOW)
    with pytest.raises(RunStopped):
        ask(run, after=10)


def test_an_attempt_that_lost_the_run_does_not_wait(run: Any) -> None:
    freeze(run, "otherwise: wait")
    ask(run)
    take_over(run.ledger)
    with pytest.raises(OwnershipLost):
        ask(run, after=10)


def take_over(ledger: Ledger) -> None:
    change_run(ledger, "r1", RUN.run_attempt.eq(1), run_attempt=2)


# -- single objects


UPLOAD = "upload-" + "0123456789abcdef" * 2


def upload(cloud: Any, ready: str, key: str, **fields: Any) -> ManifestSummary:
    claimed(cloud.ledger, UPLOAD, runId=UPLOAD)
    freeze(cloud, ready, UPLOAD)
    url = f"s3://data-bucket/landing/orders/{key}"
    return ask(cloud, runId=UPLOAD, startDateTime=None, inputUrl=url, **fields)


def test_an_upload_waits_for_the_marker_of_its_partition(run: Any) -> None:
    waiting = upload(run, "otherwise: wait", "dt=2026-11-02/a.csv").waiting
    assert waiting is not None
    assert MARKED.format(2) in waiting.what


def test_an_upload_into_a_partition_that_is_not_ready_is_left_out(run: Any) -> None:
    summary = upload(run, "otherwise: skip", "dt=2026-11-02/a.csv")
    assert summary.objects == 0
    assert summary.not_ready is not None
    assert summary.not_ready.partitions == ("dt=2026-11-02/",)


def test_an_upload_into_a_partition_that_is_not_ready_fails(run: Any) -> None:
    with pytest.raises(NotFound, match=MARKED.format(2)):
        upload(run, "otherwise: fail", "dt=2026-11-02/a.csv")


@pytest.mark.parametrize("otherwise", ["wait", "skip", "fail"])
def test_an_upload_into_a_partition_that_is_ready_is_processed(run: Any, otherwise: str) -> None:
    assert upload(run, f"otherwise: {otherwise}", "dt=2026-11-01/a.csv").objects == 1


def test_the_upload_of_a_marker_is_nothing_to_process(run: Any) -> None:
    summary = upload(run, "otherwise: wait", "dt=2026-11-01/_SUCCESS")
    assert summary.objects == 0
    assert summary.reason == "it is a partition's marker (source.ready), which is no data"


def test_who_names_an_object_does_not_wait_for_its_partition(run: Any) -> None:
    freeze(run, "otherwise: wait")
    url = "s3://data-bucket/landing/orders/dt=2026-11-02/a.csv"
    assert ask(run, startDateTime=None, inputUrl=url).objects == 1


# -- runs that follow others


def test_a_retry_reads_what_the_run_before_had_listed_and_waits_for_nothing(run: Any) -> None:
    freeze(run, "otherwise: skip")
    ask(run)
    change_run(run.ledger, "r1", RUN.run_attempt.eq(1), status=RunStatus.FAILED)
    claimed(run.ledger, "r2", runId="r2", retryOf="r1")
    freeze(run, "otherwise: wait", "r2")
    assert ask(run, runId="r2", retryOf="r1").objects == 2


def test_a_retry_of_a_run_that_never_listed_waits_anew(run: Any) -> None:
    freeze(run, "waitSeconds: 60")
    ask(run)
    change_run(run.ledger, "r1", RUN.run_attempt.eq(1), status=RunStatus.FAILED)
    claimed(run.ledger, "r2", runId="r2", retryOf="r1")
    freeze(run, "waitSeconds: 60", "r2")
    assert ask(run, after=600, runId="r2", retryOf="r1").waiting is not None


def test_a_frozen_manifest_waits_for_nothing_whoever_takes_the_run_over(run: Any) -> None:
    freeze(run, "otherwise: wait")
    put_day(run, 2, ready=True)
    ask(run)
    run.client("s3").delete_object(
        Bucket="data-bucket", Key="landing/orders/dt=2026-11-02/_SUCCESS"
    )
    take_over(run.ledger)
    assert ask(run, attempt=2).objects == 3
