from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control_fakes import client_error

from contracts.dataset import Source
from contracts.errors import InvalidData, InvalidRequest, NotFound, Throttled
from sources import listing
from sources.listing import list_source
from sources.partitions import partitions


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def listed(source: Source, start: str, end: str, limit: int = 1000) -> list[str]:
    entries = list_source(source, "data-bucket", at(start), at(end), limit).entries
    return [entry.key.removeprefix(source.prefix) for entry in entries]


def fill(cloud: Any, *keys: str) -> None:
    for key in keys:
        cloud.put(f"in/{key}")


@pytest.mark.parametrize(
    ("pattern", "start", "end", "names"),
    [
        ("dt=%Y-%m-%d/", "2026-02-28", "2026-03-02", ["dt=2026-02-28/", "dt=2026-03-01/"]),
        ("%Y/%m/%d/", "2026-11-01T06:30:00", "2026-11-02T00:00:01", ["2026/11/01/", "2026/11/02/"]),
        ("%Y%m%d/%H/", "2026-11-01T22:59:59", "2026-11-02", ["20261101/22/", "20261101/23/"]),
        ("%Y/%m/%d/%H%M/", "2026-11-01T00:00:30", "2026-11-01T00:01:00", ["2026/11/01/0000/"]),
        ("%Y%m%d/", "2026-11-02", "2026-11-01", []),
    ],
)
def test_partitions_are_those_that_begin_in_the_range(
    pattern: str, start: str, end: str, names: list[str]
) -> None:
    assert partitions(pattern, at(start), at(end)) == names


def test_a_range_of_too_many_partitions_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="startDateTime"):
        partitions("%Y%m%d/%H%M/", at("1970-01-01"), at("2026-01-01"))


class TestPartitions:
    SOURCE = Source(prefix="in/", partition="dt=%Y-%m-%d/", suffix=".csv")

    def test_the_end_is_exclusive_and_the_start_counts_as_its_whole_day(self, cloud: Any) -> None:
        fill(cloud, *(f"dt=2026-11-0{day}/a.csv" for day in range(1, 6)))

        found = listed(self.SOURCE, "2026-11-02T18:00:00", "2026-11-04T00:00:00")

        assert found == ["dt=2026-11-02/a.csv", "dt=2026-11-03/a.csv"]

    def test_other_keys_are_left_out(self, cloud: Any) -> None:
        day = "dt=2026-11-01/"
        fill(cloud, f"{day}a.csv", f"{day}_SUCCESS", f"{day}b.csv.tmp", f"{day}sub/c.csv", "x.csv")
        cloud.put(f"in/{day}folder.csv/", b"")
        cloud.put(f"in/{day}", b"")

        assert listed(self.SOURCE, "2026-11-01", "2026-11-02") == [f"{day}a.csv", f"{day}sub/c.csv"]
        everything = self.SOURCE.model_copy(update={"suffix": ""})
        assert not [k for k in listed(everything, "2026-11-01", "2026-11-02") if k.endswith("/")]

    def test_only_the_partitions_of_the_range_are_visited(self, cloud: Any, clients: Any) -> None:
        fill(cloud, "dt=2026-11-01/a.csv", "dt=2026-11-02/a.csv")
        calls = clients.watch("s3", "list_objects_v2")

        listed(self.SOURCE, "2026-11-02", "2026-11-04")

        prefixes = {call["Prefix"] for call in calls}
        assert prefixes == {"in/dt=2026-11-02/", "in/dt=2026-11-03/"}

    def test_keys_are_in_order_over_all_pages(
        self, cloud: Any, clients: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
        names = [f"dt=2026-11-01/{number:04d}.csv" for number in range(25)]
        fill(cloud, *reversed(names))
        calls = clients.watch("s3", "list_objects_v2")

        assert listed(self.SOURCE, "2026-11-01", "2026-11-02", limit=2000) == names
        assert len(calls) == 3

    @pytest.mark.parametrize("pattern", ["dt=%Y-%m-%d/", "%d.%m.%Y/"])
    def test_a_long_range_is_walked_once(
        self, cloud: Any, clients: Any, monkeypatch: pytest.MonkeyPatch, pattern: str
    ) -> None:
        monkeypatch.setattr(listing, "PREFIXES_AT_MOST", 5)
        source = Source(prefix="in/", partition=pattern)
        days = [at("2026-11-01") + timedelta(days=n) for n in range(-3, 33)]
        fill(cloud, *(f"{day.strftime(pattern)}a.csv" for day in days), "zz/a.csv", "aa/a.csv")
        calls = clients.watch("s3", "list_objects_v2")

        found = listed(source, "2026-11-01", "2026-12-01")

        wanted = [f"{day.strftime(pattern)}a.csv" for day in days[3:33]]
        assert found == sorted(wanted)
        assert len(calls) == 1

    def test_the_limit_stops_the_listing(self, cloud: Any) -> None:
        fill(cloud, *(f"dt=2026-11-0{day}/{n}.csv" for day in (1, 2, 3) for n in range(5)))

        with pytest.raises(InvalidData, match="more than 7 objects"):
            listed(self.SOURCE, "2026-11-01", "2026-11-04", limit=7)

    def test_partitions_and_last_modified_both_count(self, cloud: Any) -> None:
        source = self.SOURCE.model_copy(update={"time_from": "last-modified"})
        now = datetime.now(UTC)
        fill(cloud, f"dt={now:%Y-%m-%d}/a.csv")

        day, later = now - timedelta(days=1), now + timedelta(days=1)
        assert len(list_source(source, "data-bucket", day, later, 10).entries) == 1
        soon = now + timedelta(minutes=1)
        assert list_source(source, "data-bucket", soon, later, 10).entries == []


def test_without_a_partition_the_time_of_change_decides(cloud: Any) -> None:
    source, now = Source(prefix="in/"), datetime.now(UTC)
    fill(cloud, "b", "a/c")
    hour = timedelta(hours=1)

    found = list_source(source, "data-bucket", now - hour, now + hour, 10).entries

    assert [entry.key for entry in found] == ["in/a/c", "in/b"]
    later = list_source(source, "data-bucket", now + hour, now + 2 * hour, 10)
    assert later.entries == []


def test_a_key_that_stops_a_backtracking_matcher_stops_no_listing(cloud: Any) -> None:
    date = r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
    source = Source(prefix="in/", time_from="key", key_time=rf"^in/(?:[a-z]+)+_{date}")
    fill(cloud, "a" * 28, "abc_20261101.csv")

    assert listed(source, "2026-11-01", "2026-11-02") == ["abc_20261101.csv"]


def test_the_time_in_the_key_is_named_as_strftime_writes_it(cloud: Any) -> None:
    source = Source(prefix="in/", time_from="key", key_time="events_%Y%m%d_%H.csv")
    fill(cloud, *(f"eu/events_20261101_{hour:02}.csv" for hour in range(24)), "events_20261101.csv")

    found = listed(source, "2026-11-01T06:00:00", "2026-11-01T08:00:00")

    assert found == ["eu/events_20261101_06.csv", "eu/events_20261101_07.csv"]


def test_the_time_in_the_key_decides(cloud: Any, caplog: pytest.LogCaptureFixture) -> None:
    source = Source(
        prefix="in/",
        time_from="key",
        key_time=r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)(T(?P<hour>\d\d)(?P<minute>\d\d))?",
    )
    fill(cloud, "x-20261101", "y-20261101T0630", "z-20261102", "bad-20261345", "none")

    assert listed(source, "2026-11-01", "2026-11-01T06:30:00") == ["x-20261101"]
    assert listed(source, "2026-11-01T06:30:00", "2026-11-03") == ["y-20261101T0630", "z-20261102"]
    assert {vars(entry)["key"] for entry in caplog.records} == {"in/bad-20261345", "in/none"}


def test_keys_with_odd_characters_come_as_they_are(cloud: Any) -> None:
    source, now = Source(prefix="in/"), datetime.now(UTC)
    odd = ["ä ö.csv", "a+b=c&d.csv", "per%20cent.csv", "line\nbreak.csv"]
    fill(cloud, *odd)

    since = now - timedelta(hours=1)
    found = list_source(source, "data-bucket", since, now + timedelta(1), 10).entries

    assert [entry.key for entry in found] == sorted(f"in/{name}" for name in odd)


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("partition", [None, "%Y%m%d/"])
def test_a_missing_bucket_is_named(partition: str | None) -> None:
    source = Source(prefix="in/", partition=partition)

    missing = "no bucket nowhere, in which s3://nowhere/in/.*correct source.bucket"
    with pytest.raises(NotFound, match=missing):
        list(list_source(source, "nowhere", at("2026-11-01"), at("2026-11-03"), 10).objects)


@pytest.mark.usefixtures("cloud")
def test_a_throttled_listing_is_asked_again_later(clients: Any) -> None:
    clients.break_once("s3", "list_objects_v2", client_error("SlowDown", 503), after=False)

    with pytest.raises(Throttled):
        listed(TestPartitions.SOURCE, "2026-11-01", "2026-11-09")


HIDDEN = [
    "_SUCCESS",
    ".a.csv.crc",
    "_temporary/0/task/a.csv",
    ".spark-staging-1/dt=1/a.csv",
    "sub/_committed_1",
]
SHOWN = ["_region=eu/a.csv", "a_b.csv", "sub/.hidden=no/a.csv", "sub/a.csv"]


@pytest.mark.parametrize("partition", [None, "%Y/%m/%d/", "%Y/%m/%d/%H/%M/"])
def test_what_engines_write_beside_their_results_is_left_out_and_counted(
    cloud: Any, partition: str | None
) -> None:
    """By the whole prefix, by partitions, and by the one walk over very many of them."""
    folder = {None: "", "%Y/%m/%d/": "2026/11/01/"}.get(partition, "2026/11/01/00/00/")
    for name in (*HIDDEN, *SHOWN):
        cloud.put(f"in/{folder}{name}")
    start, end = at("2026-11-01"), at("2026-11-03")
    if partition is None:
        start, end = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    source = Source(prefix="in/", partition=partition)

    found = list_source(source, "data-bucket", start, end, 10)

    assert [entry.key for entry in found.entries] == [f"in/{folder}{name}" for name in SHOWN]
    assert found.hidden == len(HIDDEN)
    read = source.model_copy(update={"hidden": "read"})
    everything = list_source(read, "data-bucket", start, end, 10)
    assert (len(everything.entries), everything.hidden) == (len(HIDDEN + SHOWN), 0)


def test_a_prefix_may_itself_look_hidden() -> None:
    source = Source(prefix="_landing/.raw/")

    assert not source.hides("_landing/.raw/a.csv")
    assert source.hides("_landing/.raw/_a.csv")
    assert not source.hides("elsewhere/_a.csv")


EXCLUDED = ["a.tmp", "old/a.csv", "sub/b.tmp", "sub/old/x/a.csv", "x1.csv"]
READ = ["a.csv", "a.TMP", "older/a.csv", "sub/a.tmp.csv", "xa.csv"]


@pytest.mark.parametrize("partition", [None, "%Y/%m/%d/", "%Y/%m/%d/%H/%M/"])
def test_what_the_contract_excludes_is_left_out_and_counted_by_its_own_name(
    cloud: Any, partition: str | None
) -> None:
    """By the whole prefix, by partitions, and by the one walk over very many of them."""
    folder = {None: "", "%Y/%m/%d/": "2026/11/01/"}.get(partition, "2026/11/01/00/00/")
    for name in (*EXCLUDED, *READ, "_a.tmp"):
        cloud.put(f"in/{folder}{name}")
    start, end = at("2026-11-01"), at("2026-11-03")
    if partition is None:
        start, end = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    patterns = ("*.tmp", f"{folder}old/*", "*/old/*", "*x[0-9].csv")
    source = Source(prefix="in/", partition=partition, exclude=patterns)

    found = list_source(source, "data-bucket", start, end, 10)

    assert [entry.key for entry in found.entries] == [f"in/{folder}{name}" for name in sorted(READ)]
    assert (found.excluded, found.hidden) == (len(EXCLUDED), 1)


def test_only_keys_below_the_prefix_are_excluded() -> None:
    source = Source(prefix="in/old/", exclude=("*old/*", "a?c"))

    assert not source.excludes("in/old/a.csv")
    assert source.excludes("in/old/older/old/a.csv")
    assert source.excludes("in/old/abc")
    assert not source.excludes("in/old/abcd")
    assert not source.excludes("elsewhere/old/a.csv")


def test_no_key_stops_a_listing_by_an_excluded_pattern() -> None:
    source = Source(prefix="in/", exclude=("*a" * 100 + "b",))

    assert not source.excludes("in/" + "a" * 1000)
