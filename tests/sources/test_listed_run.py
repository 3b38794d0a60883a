from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control_fakes import DATASET, LOST_RESPONSE, NOW, arn, claimed, freeze_dataset, request
from pydantic import ValidationError

from contracts.dataset import Limits, Source
from contracts.errors import InvalidData, NotFound, OwnershipLost, TransientFailure
from contracts.ledger_items import UnitItem
from contracts.manifest import OBJECTS_AT_MOST, ManifestEntry, ManifestSummary, ranges
from contracts.messages import ListUrls
from contracts.run import UnitStatus
from contracts.source.input_url import resolve
from ledger.units import units_of_shard
from sources import frozen
from sources.failed_for_good import failed_for_good
from sources.limits import check_limits
from sources.listed_run import list_run
from sources.objects.columns import Objects
from sources.partitions import partitions
from sources.requested import find_entries
from steps.list_urls import handler

END = datetime(2026, 11, 10, tzinfo=UTC)


@pytest.fixture
def run(cloud: Any) -> Any:
    """A claimed run with its contract frozen, and three objects over two days."""
    claimed(cloud.ledger)
    freeze_dataset(cloud.data_bucket)
    for day, name in (("03", "b"), ("01", "a"), ("01", "c")):
        cloud.put(f"landing/orders/dt=2026-11-{day}/{name}.csv", f"content {name}")
    return cloud


def ask(cloud: Any, attempt: int = 1, shard: int = 0, **fields: Any) -> ManifestSummary:
    message = ListUrls(
        request=request(**fields),
        end_date_time=END,
        units_per_shard=2,
        run_attempt=attempt,
        shard=shard,
    )
    return list_run(message, cloud.data_bucket, cloud.ledger, NOW)


def manifest_keys(cloud: Any, run_id: str = "r1") -> list[str]:
    entries = []
    for key in cloud.keys(f"runs/{run_id}/manifest/objects-"):
        entries += cloud.read_json(key)["entries"]
    return [entry["key"].removeprefix("landing/orders/") for entry in entries]


def test_the_objects_of_the_range_are_frozen_in_order(run: Any) -> None:
    summary = ask(run)

    assert manifest_keys(run) == [
        "dt=2026-11-01/a.csv",
        "dt=2026-11-01/c.csv",
        "dt=2026-11-03/b.csv",
    ]
    assert summary == ManifestSummary(
        manifest_url="s3://data-bucket/runs/r1/manifest/summary.json",
        objects=3,
        total_bytes=27,
        shard_sizes=(2, 1),
        pending=((0, 2),),
        pack_objects=1000,
        looked_at="s3://data-bucket/landing/orders/ (partition dt=%Y-%m-%d/, suffix .csv,"
        " timeFrom partition)",
    )
    entry = frozen.read_unit("data-bucket", "r1", "00001-000")
    head = run.client("s3").head_object(Bucket="data-bucket", Key=entry.key)
    assert f'"{entry.etag}"' == head["ETag"]
    assert entry.last_modified == head["LastModified"]


def test_the_run_is_running_once_its_manifest_is_frozen(run: Any) -> None:
    ask(run)

    item = run.ledger.get_item("r1", "RUN")
    assert (item["status"], item["units"]) == ("RUNNING", {"total": 3})
    assert len(item["dataset_version"]) == 12


def test_another_shard_reports_its_own_pending_units(run: Any) -> None:
    ask(run)

    assert ask(run, shard=1).pending == ((0, 1),)
    assert ask(run, shard=7).pending == ()


def test_a_frozen_manifest_does_not_change(run: Any) -> None:
    first = ask(run)
    run.put("landing/orders/dt=2026-11-02/late.csv")

    assert ask(run) == first
    assert len(manifest_keys(run)) == 3


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("service", "operation"),
    [("s3", "list_objects_v2"), ("s3", "put_object"), ("dynamodb", "update_item")],
)
def test_a_listing_that_broke_off_is_repeated_to_the_same_end(
    run: Any, clients: Any, service: str, operation: str, after: bool
) -> None:
    clients.break_once(service, operation, LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        ask(run)

    assert ask(run).objects == 3
    assert len(manifest_keys(run)) == 3
    assert run.ledger.get_item("r1", "RUN")["status"] == "RUNNING"


def test_of_two_summaries_the_first_counts(run: Any, clients: Any) -> None:
    """Another call of the same attempt came first, between our look and our writing."""
    key = "runs/r1/manifest/summary.json"
    theirs = ask(run)
    body = run.client("s3").get_object(Bucket="data-bucket", Key=key)["Body"].read()
    run.client("s3").delete_object(Bucket="data-bucket", Key=key)
    run.put("landing/orders/dt=2026-11-02/late.csv")
    clients.meanwhile("s3", "list_objects_v2", lambda: run.put(key, body))

    assert ask(run) == theirs


def test_hidden_objects_are_counted_in_the_manifest(run: Any) -> None:
    for name in ("_b.csv", "_temporary/0/a.csv"):
        run.put(f"landing/orders/dt=2026-11-01/{name}", "no row")

    summary = ask(run)

    assert (summary.objects, summary.hidden) == (3, 2)
    assert ask(run).hidden == 2


@pytest.mark.parametrize("name", ["_SUCCESS", "dt=2026-11-01/.a.csv.crc"])
def test_an_upload_of_a_hidden_object_is_nothing_to_process(run: Any, name: str) -> None:
    run.put(f"landing/orders/{name}", "no row")

    summary = ask(run, inputUrl=f"s3://data-bucket/landing/orders/{name}")

    assert (summary.objects, summary.hidden) == (0, 1)


def excluding(run: Any, *patterns: str) -> None:
    source = f"  suffix: .csv\n  exclude: {list(patterns)}\n"
    freeze_dataset(run.data_bucket, text=DATASET.replace("  suffix: .csv\n", source))


UPLOAD = "upload-" + "0123456789abcdef" * 2


def upload(run: Any, name: str) -> ManifestSummary:
    """What list-urls makes of S3's event about an object."""
    claimed(run.ledger, UPLOAD, runId=UPLOAD)
    excluded = "  suffix: .csv\n  exclude: ['*/old_*']\n"
    text = DATASET.replace("  suffix: .csv\n", excluded)
    freeze_dataset(run.data_bucket, UPLOAD, text=text)
    run.put(f"landing/orders/{name}", "no row")
    url = f"s3://data-bucket/landing/orders/{name}"
    return ask(run, runId=UPLOAD, startDateTime=None, inputUrl=url)


def test_excluded_objects_are_counted_in_the_manifest(run: Any) -> None:
    excluding(run, "*/b.csv", "*.bak.csv")
    run.put("landing/orders/dt=2026-11-01/a.bak.csv", "no row")

    summary = ask(run)

    assert (summary.objects, summary.excluded, summary.hidden) == (2, 2, 0)
    assert ask(run).excluded == 2


def test_an_excluded_object_that_is_named_is_nothing_to_process(run: Any) -> None:
    excluding(run, "*/b.csv")

    summary = ask(run, inputUrl="s3://data-bucket/landing/orders/dt=2026-11-03/b.csv")

    assert (summary.objects, summary.excluded) == (0, 1)


def test_an_upload_is_judged_as_the_listing_would(run: Any) -> None:
    assert upload(run, "dt=2026-11-01/new.csv").objects == 1


@pytest.mark.parametrize(
    ("name", "counts", "why"),
    [
        ("dt=2026-11-01/_b.csv", (0, 1, 0), ""),
        ("dt=2026-11-01/old_b.csv", (0, 0, 1), ""),
        ("dt=2026-11-01/b.csv.md5", (0, 0, 0), 'does not end with ".csv"'),
    ],
)
def test_an_upload_that_the_listing_leaves_out_is_nothing_to_process(
    run: Any, name: str, counts: tuple[int, int, int], why: str
) -> None:
    summary = upload(run, name)

    assert (summary.objects, summary.hidden, summary.excluded) == counts
    assert why in (summary.reason or "")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (
            "s3://another-bucket/landing/orders/dt=2026-11-01/a.csv",
            "the uploaded object lies in the bucket another-bucket, the dataset's objects in"
            " data-bucket",
        ),
        (
            "s3://data-bucket/incoming/dt=2026-11-01/a.csv",
            'the uploaded key does not begin with "landing/orders/", the contract\'s source.prefix',
        ),
        (
            "s3://data-bucket/landing/orders/a.csv",
            'the uploaded key lies in no partition "dt=%Y-%m-%d/" of the contract\'s'
            " source.partition",
        ),
        (
            "s3://data-bucket/landing/orders/dt=2026-02-30/a.csv",
            'the uploaded key lies in no partition "dt=%Y-%m-%d/" of the contract\'s'
            " source.partition",
        ),
    ],
)
def test_an_upload_that_no_listing_would_see_is_nothing_to_process(
    run: Any, url: str, why: str
) -> None:
    claimed(run.ledger, UPLOAD, runId=UPLOAD)
    freeze_dataset(run.data_bucket, UPLOAD)

    summary = ask(run, runId=UPLOAD, startDateTime=None, inputUrl=url)

    assert summary.objects == 0
    assert summary.reason == f"{why}; a message with its inputUrl processes it all the same"


def test_an_upload_whose_key_names_no_time_is_nothing_to_process(run: Any) -> None:
    timed = "  timeFrom: key\n  keyTime: 'events_%Y%m%d'\n"
    text = DATASET.replace("  partition: dt=%Y-%m-%d/\n", timed)
    claimed(run.ledger, UPLOAD, runId=UPLOAD)
    freeze_dataset(run.data_bucket, UPLOAD, text=text)
    for name, objects in (("events_20261101.csv", 1), ("events.csv", 0)):
        run.put(f"landing/orders/{name}", "content")
        url = f"s3://data-bucket/landing/orders/{name}"
        entries = find_entries(
            ListUrls(
                request=request(runId=UPLOAD, startDateTime=None, inputUrl=url),
                end_date_time=END,
                units_per_shard=2,
                run_attempt=1,
            ),
            frozen.read_snapshot(run.data_bucket, UPLOAD),
            run.data_bucket,
            run.ledger,
        )
        assert len(entries.entries) == objects
        assert bool(entries.reason) == (objects == 0)


def test_an_upload_into_a_partition_of_rare_directives_is_processed(run: Any) -> None:
    """Where it cannot be known whether a listing would see it, nothing is left out."""
    text = DATASET.replace("partition: dt=%Y-%m-%d/", "partition: '%Y/%m/%d/%j/'")
    claimed(run.ledger, UPLOAD, runId=UPLOAD)
    freeze_dataset(run.data_bucket, UPLOAD, text=text)
    run.put("landing/orders/2026/11/01/305/a.csv", "content")
    url = "s3://data-bucket/landing/orders/2026/11/01/305/a.csv"
    assert ask(run, runId=UPLOAD, startDateTime=None, inputUrl=url).objects == 1


@pytest.mark.parametrize(
    ("pattern", "below", "partition"),
    [
        ("dt=%Y-%m-%d/", "dt=2026-11-01/a.csv", "dt=2026-11-01/"),
        ("dt=%Y-%m-%d/", "dt=2026-13-01/a.csv", None),
        ("dt=%Y-%m-%d/", "dt=2026-11-1/a.csv", None),
        ("dt=%Y-%m-%d/", "x/dt=2026-11-01/a.csv", None),
        ("%Y/%m/%d/%H/", "2026/11/01/23/a.csv", "2026/11/01/23/"),
        ("%Y/%m/%d/%H/", "2026/11/01/24/a.csv", None),
        ("%Y%m%d_", "20261101_a.csv", "20261101_"),
        ("%Y/%Y%m%d/", "2026/20261101/a.csv", "2026/20261101/"),
        ("%Y/%Y%m%d/", "2025/20261101/a.csv", None),
        ("100%%/%Y%m%d/", "100%/20261101/a.csv", "100%/20261101/"),
        ("dt=%Y-%m-%d/", "dt=0000-11-01/a.csv", None),
    ],
)
def test_the_partition_of_a_key_is_the_one_that_a_listing_visits(
    pattern: str, below: str, partition: str | None
) -> None:
    source = Source(prefix="a/", partition=pattern)
    assert source.partition_of(f"a/{below}") == partition
    assert source.partition_of(f"b/{below}") is None
    if partition:
        day = datetime(2026, 11, 1, 23 if "%H" in pattern else 0, tzinfo=UTC)
        assert partitions(pattern, day, day + timedelta(hours=1)) == [partition]


def test_an_object_of_another_suffix_that_is_named_is_meant(run: Any) -> None:
    run.put("landing/orders/x.txt", "a row")

    summary = ask(run, inputUrl="s3://data-bucket/landing/orders/x.txt")

    assert (summary.objects, summary.reason) == (1, None)


def test_an_empty_range_is_an_empty_manifest(run: Any) -> None:
    summary = ask(run, startDateTime="2026-11-08")

    assert (summary.objects, summary.shard_sizes, summary.pending) == (0, (), ())


def test_a_later_attempt_is_reported_what_is_stored(run: Any) -> None:
    ask(run)
    run.ledger.update("r1", "RUN", {"run_attempt": 2, "status": "CLAIMED"})
    for unit, status in (("00000-000", "STORED"), ("00000-001", "FAILED"), ("00001-000", "STORED")):
        run.ledger.update(*UnitItem.key_of("r1", unit), {"status": status})

    first, second = ask(run, attempt=2), ask(run, attempt=2, shard=1)

    assert (first.pending, first.stored) == (((1, 2),), 1)
    assert (second.pending, second.stored) == ((), 1)
    assert run.ledger.get_item("r1", "RUN")["status"] == "RUNNING"


def test_parts_that_a_former_holder_writes_late_are_not_those_of_the_manifest(
    run: Any, clients: Any
) -> None:
    """It has listed other objects, and is held up before it writes."""

    def take_over() -> None:
        run.ledger.update("r1", "RUN", {"run_attempt": 2, "status": "CLAIMED"})
        run.put("landing/orders/dt=2026-11-01/0.csv")
        run.put("landing/orders/dt=2026-11-04/z.csv")
        assert ask(run, attempt=2).objects == 5

    clients.meanwhile("s3", "put_object", take_over)
    with pytest.raises(OwnershipLost):
        ask(run)

    parts = [frozen.read_manifest_part(run.data_bucket, "r1", shard) for shard in range(3)]
    names = [entry.key.rpartition("/")[2] for part in parts for entry in part.entries]
    assert names == ["0.csv", "a.csv", "c.csv", "b.csv", "z.csv"]
    assert ask(run, attempt=2).objects == 5


def test_an_attempt_that_lost_the_run_freezes_nothing(run: Any) -> None:
    run.ledger.update("r1", "RUN", {"run_attempt": 2, "holder": arn("two")})

    with pytest.raises(OwnershipLost):
        ask(run)
    assert manifest_keys(run) == []


def test_an_attempt_that_lost_the_run_later_is_reported(run: Any) -> None:
    ask(run)
    run.ledger.update("r1", "RUN", {"run_attempt": 2, "holder": arn("two")})

    with pytest.raises(OwnershipLost):
        ask(run, shard=1)


def test_a_named_object_is_the_whole_manifest(run: Any) -> None:
    url = "s3://data-bucket/landing/orders/dt=2026-11-03/b.csv"

    summary = ask(run, inputUrl=url)

    assert (summary.objects, manifest_keys(run)) == (1, ["dt=2026-11-03/b.csv"])


@pytest.mark.parametrize("url", ["s3://data-bucket/landing/none.csv", "s3://no-bucket/none.csv"])
def test_a_named_object_that_is_not_there_is_reported_of(run: Any, url: str) -> None:
    with pytest.raises(NotFound, match=url):
        ask(run, inputUrl=url)


def ask_for_a_key(run: Any, text: str) -> ManifestSummary:
    """As load_dataset leaves a request whose object has no scheme."""
    snapshot = freeze_dataset(run.data_bucket)
    url = resolve(text, snapshot.dataset.source, run.data_bucket)
    freeze_dataset(run.data_bucket, input_url=url)
    return ask(run, inputUrl=text)


@pytest.mark.parametrize("text", ["none.csv", "/landing/orders/none.csv"])
def test_an_object_that_is_not_there_is_named_by_its_bucket_and_whole_key(
    run: Any, text: str
) -> None:
    missing = f'there is no object s3://data-bucket/landing/orders/none.csv: "{text}"'
    with pytest.raises(NotFound, match=re.escape(missing)):
        ask_for_a_key(run, text)


def test_a_key_below_the_prefix_is_taken_literally(run: Any) -> None:
    run.put("landing/orders/a b+c%20ä.csv")

    assert ask_for_a_key(run, "a b+c%20ä.csv").objects == 1
    assert manifest_keys(run) == ["a b+c%20ä.csv"]


def test_a_key_from_the_buckets_root_may_lie_elsewhere(run: Any) -> None:
    run.put("archive/a.csv")

    assert ask_for_a_key(run, "/archive/a.csv").objects == 1
    assert manifest_keys(run) == ["archive/a.csv"]


def test_a_hidden_key_below_the_prefix_is_nothing_to_process(run: Any) -> None:
    summary = ask_for_a_key(run, "_SUCCESS")

    assert (summary.objects, summary.hidden) == (0, 1)


class TestRetryOf:
    @pytest.fixture
    def retry(self, run: Any) -> Any:
        """A finished run `old` that stored its second object only, and `r1`, which retries it."""
        claimed(run.ledger, "old", runId="old")
        freeze_dataset(run.data_bucket, "old")
        ask(run, runId="old")
        run.ledger.update("old", "RUN", {"status": "FAILED"})
        for unit, status in (("00000-000", "FAILED"), ("00000-001", "STORED")):
            run.ledger.update(*UnitItem.key_of("old", unit), {"status": UnitStatus(status).value})
        return run

    def test_what_was_not_stored_is_run_again(self, retry: Any) -> None:
        summary = ask(retry, retryOf="old")

        assert manifest_keys(retry) == ["dt=2026-11-01/a.csv", "dt=2026-11-03/b.csv"]
        assert summary.objects == 2

    def test_a_corrected_object_is_taken_as_it_is_now(self, retry: Any) -> None:
        retry.put("landing/orders/dt=2026-11-01/a.csv", "corrected content")
        ask(retry, retryOf="old")

        assert frozen.read_unit("data-bucket", "r1", "00000-000").size == len("corrected content")

    def test_an_object_that_is_gone_is_named(self, retry: Any) -> None:
        retry.client("s3").delete_object(
            Bucket="data-bucket", Key="landing/orders/dt=2026-11-01/a.csv"
        )

        missing = r"s3://data-bucket/landing/orders/dt=2026-11-01/a\.csv; upload it again, or send"
        with pytest.raises(NotFound, match=missing):
            ask(retry, retryOf="old")

    def test_a_run_that_never_listed_is_listed_now(self, run: Any) -> None:
        claimed(run.ledger, "old", runId="old")

        assert ask(run, retryOf="old").objects == 3


def test_large_objects_are_refused_by_name(run: Any) -> None:
    run.put("landing/orders/dt=2026-11-02/large.csv", b"x" * (1024 * 1024 + 1))

    with pytest.raises(InvalidData, match=r"/large\.csv \(1\.0 MB\); split .*raise .*Spark job"):
        ask(run)
    assert manifest_keys(run) == []


def test_of_many_large_objects_the_first_are_named() -> None:
    entries = [
        ManifestEntry(bucket="b", key=f"k{n:02d}", size=3 * 1024**2, etag="e", last_modified=NOW)
        for n in range(25)
    ]

    with pytest.raises(InvalidData, match=r"25 objects .* s3://b/k09 \(3\.0 MB\) and 15 more"):
        list(check_limits(Objects.of(entries), Limits(object_megabytes=2)))


def test_too_many_objects_are_refused(cloud: Any) -> None:
    claimed(cloud.ledger)
    freeze_dataset(cloud.data_bucket, text=DATASET.replace("objects: 50", "objects: 2"))
    for name in "abc":
        cloud.put(f"landing/orders/dt=2026-11-01/{name}.csv")

    refused = "more than 2 objects .*/c.csv: ask for a shorter range, or raise it, up to 1,000,000"
    with pytest.raises(InvalidData, match=refused):
        ask(cloud)
    assert cloud.keys("runs/r1/manifest/") == []


def test_a_million_and_one_objects_are_refused() -> None:
    thousand = Objects("b", ["k"] * 1000, [1] * 1000, ["e"] * 1000, [""] * 1000)
    one = Objects("b", ["last"], [1], ["e"], [""])
    most = Limits(objects=OBJECTS_AT_MOST)

    assert sum(len(some) for some in check_limits([thousand] * 1000, most)) == OBJECTS_AT_MOST
    with pytest.raises(InvalidData, match=r"1,000,000 objects .* s3://b/last: ask for a shorter r"):
        list(check_limits([*[thousand] * 1000, one], most))
    with pytest.raises(ValidationError, match="less than or equal to 1000000"):
        Limits(objects=OBJECTS_AT_MOST + 1)


def test_positions_become_ranges() -> None:
    assert ranges([]) == ()
    assert ranges([0, 1, 2, 5, 7, 8]) == ((0, 3), (5, 6), (7, 9))


def test_the_handler_speaks_json(run: Any, lambda_context: Any) -> None:
    message = ListUrls(request=request(), end_date_time=END, units_per_shard=300, run_attempt=1)

    response = handler(message.to_json(), lambda_context)

    assert response is not None
    assert (response["objects"], response["pending"]) == (3, [[0, 3]])
    assert run.keys("runs/r1/manifest/summary.json")


BROKEN = {"stage": "validate", "error_type": "InvalidData", "message": "no gzip"}
BY_ITS_JOB = {"stage": "clean", "error_type": "JobFailed", "message": "x"}
GONE = {"stage": "validate", "error_type": "NotFound", "message": "there is no object"}


@pytest.fixture
def taken_over(run: Any) -> Any:
    """The second attempt of a run; the first listed two objects of its first shard."""
    ask(run)
    run.ledger.update("r1", "RUN", {"run_attempt": 2, "status": "CLAIMED"})
    return run


def failed(cloud: Any, unit: str, failure: dict[str, str], **more: Any) -> None:
    """The unit failed in the first attempt, by the object and the contract as they were frozen."""
    known = {
        "source_etag": frozen.read_unit("data-bucket", "r1", unit).etag,
        "dataset_version": frozen.read_snapshot("data-bucket", "r1").version,
        **more,
    }
    item = {"status": "FAILED", "run_attempt": 1, "failure": failure, **known}
    cloud.ledger.update(*UnitItem.key_of("r1", unit), item)


A = "landing/orders/dt=2026-11-01/a.csv"


@pytest.mark.parametrize("failure", [BROKEN, {**BY_ITS_JOB, "error_code": "INVALID_DATA"}])
def test_what_failed_by_its_object_is_not_run_again_by_a_later_attempt(
    taken_over: Any, failure: dict[str, str]
) -> None:
    failed(taken_over, "00000-000", failure)
    failed(taken_over, "00000-001", {**BROKEN, "error_type": "TransientFailure"})

    first = ask(taken_over, attempt=2)

    assert (first.pending, first.stored, first.failed) == (((1, 2),), 0, 1)


@pytest.mark.parametrize(
    "failure",
    [
        BY_ITS_JOB,
        {**BY_ITS_JOB, "stage": "store-redshift", "error_code": "PERMANENT"},
        {**BROKEN, "error_type": "NotConfigured"},
        {**BROKEN, "error_type": "Runtime.OutOfMemory"},
        GONE,
    ],
)
def test_what_may_have_been_provided_meanwhile_is_run_again(
    taken_over: Any, failure: dict[str, str]
) -> None:
    failed(taken_over, "00000-000", failure)

    assert ask(taken_over, attempt=2).pending == ((0, 2),)


def test_an_object_that_is_still_gone_is_not_run_again(taken_over: Any) -> None:
    for unit in ("00000-000", "00000-001"):
        failed(taken_over, unit, GONE)
    taken_over.client("s3").delete_object(Bucket="data-bucket", Key=A)

    first = ask(taken_over, attempt=2)

    assert (first.pending, first.failed) == (((1, 2),), 1)


def test_an_object_that_has_changed_is_run_again(taken_over: Any) -> None:
    for unit in ("00000-000", "00000-001"):
        failed(taken_over, unit, BROKEN)
    taken_over.put(A, "corrected")

    first = ask(taken_over, attempt=2)

    assert (first.pending, first.failed) == (((0, 1),), 1)


@pytest.mark.parametrize(
    "before",
    [{"dataset_version": "0123456789ab"}, {"source_etag": "other"}, {"source_etag": None}],
)
def test_a_failure_by_another_contract_or_object_is_run_again(
    taken_over: Any, before: dict[str, str | None]
) -> None:
    """None: a unit that an earlier release began."""
    failed(taken_over, "00000-000", BROKEN, **before)

    assert ask(taken_over, attempt=2).pending == ((0, 2),)


def test_a_deployment_may_run_everything_again(
    taken_over: Any, monkeypatch: pytest.MonkeyPatch, lambda_context: Any
) -> None:
    failed(taken_over, "00000-000", BROKEN)
    message = ListUrls(
        request=request(), end_date_time=END, units_per_shard=2, run_attempt=2
    ).to_json()

    by_default = ManifestSummary.from_json(handler(message, lambda_context))
    monkeypatch.setenv("PERMANENT_FAILURES", "redeliver")
    redelivered = ManifestSummary.from_json(handler(message, lambda_context))

    assert (by_default.pending, by_default.failed) == (((1, 2),), 1)
    assert (redelivered.pending, redelivered.failed) == (((0, 2),), 0)


def test_a_batch_of_items_is_not_looked_at_as_it_does_not_change(taken_over: Any) -> None:
    part = frozen.read_manifest_part("data-bucket", "r1", 0)
    entries = tuple(entry.model_copy(update={"items": 1}) for entry in part.entries)
    failed(taken_over, "00000-000", BROKEN)
    taken_over.client("s3").delete_object(Bucket="data-bucket", Key=A)
    units = units_of_shard(taken_over.ledger, "r1", 0)
    version = frozen.read_snapshot("data-bucket", "r1").version

    assert failed_for_good(units, entries, version) == {0}
    assert failed_for_good(units, part.entries, version) == set()


def test_a_retry_by_a_person_runs_it_all_the_same(taken_over: Any) -> None:
    failed(taken_over, "00000-000", BROKEN)
    claimed(taken_over.ledger, runId="r2")
    freeze_dataset("data-bucket", "r2")

    retried = ask(taken_over, runId="r2", retryOf="r1")

    assert (retried.objects, retried.pending, retried.failed) == (3, ((0, 2),), 0)


def test_of_a_run_that_was_handed_over_what_this_attempt_has_ended_is_not_pending(
    run: Any,
) -> None:
    ask(run)
    ended = {"00000-000": ("FAILED", 1), "00000-001": ("RUNNING", 1)}
    for unit, (status, attempt) in ended.items():
        key = UnitItem.key_of("r1", unit)
        run.ledger.update(*key, {"status": status, "run_attempt": attempt})

    def pending(handed_over: bool) -> list[int]:
        message = ListUrls(
            request=request(),
            end_date_time=END,
            units_per_shard=2,
            run_attempt=1,
            handed_over=handed_over,
        )
        listed = list_run(message, run.data_bucket, run.ledger, NOW)
        return listed.pending_positions()

    assert pending(handed_over=False) == [0, 1]
    assert pending(handed_over=True) == [1]
