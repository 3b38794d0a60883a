"""Units of several objects, stage by stage: what is left out, and what dies on the way."""

from __future__ import annotations

from typing import Any, Final

import pytest
from data_run import DATA_BUCKET, UNIT, DataRun, dataset
from job_fakes import Fate, Killed
from manifests import put_manifest

from contracts import layout
from contracts.dataset import Group
from contracts.errors import InvalidData, TransientFailure
from contracts.manifest import ManifestEntry
from contracts.source.object_outcomes import ObjectOutcome
from sources import frozen
from sources.groups.planning import grouped, refuse_over_disk
from sources.groups.stored import objects_not_stored, read_outcomes
from sources.groups.writing import grouped_objects
from sources.objects.columns import Objects
from tabular.sql import sql_literal

GOOD: Final = "id,amount,seen_on,country\n{0}a,1,2026-11-01,AT\n{0}b,2,2026-11-02,DE\n"
BAD: Final = "id,amount,seen_on,country\nx,-1,,AT\n"
FORM: Final = dataset().format


class GroupRun(DataRun):
    """A run of one unit that holds several objects."""

    def lay_out_all(self, bodies: list[str], bad_object: str = "reject") -> GroupRun:
        entries = []
        for number, body in enumerate(bodies):
            key = f"landing/sales/{number}.csv"
            self.cloud.put(key, body)
            etag = self.cloud.client("s3").head_object(Bucket=DATA_BUCKET, Key=key)["ETag"]
            entries.append(entry(key, len(body), etag.strip('"')))
        self.group = Group(objects=1000, bad_object=bad_object)
        return self.freeze_group(entries)

    def freeze_group(self, entries: list[ManifestEntry]) -> GroupRun:
        put_manifest(self.cloud.put, self.run_id, ())
        self.freeze()
        read = frozen.read_snapshot(DATA_BUCKET, self.run_id)
        units = tuple(
            entry
            for some in grouped_objects(Objects.of(entries), read, 1, DATA_BUCKET, 10240)
            for entry in some.entries()
        )
        put_manifest(self.cloud.put, self.run_id, units)
        frozen.read_manifest_part.cache_clear()
        self.unit = units[0]
        return self

    def outcomes(self) -> tuple[ObjectOutcome, ...]:
        return read_outcomes(DATA_BUCKET, self.run_id, UNIT)

    def left_out(self) -> list[str]:
        return [one.url.rpartition("/")[2] for one in self.outcomes() if one.failure]


def entry(key: str, size: int, etag: str = "etag") -> ManifestEntry:
    return ManifestEntry.from_json(
        {
            "bucket": DATA_BUCKET,
            "key": key,
            "size": size,
            "etag": etag,
            "lastModified": "2026-11-20T07:00:00Z",
        }
    )


def strict() -> Any:
    return dataset(limits={"rejectedPercentage": 10})


class TestPlanning:
    @pytest.mark.parametrize(
        ("sizes", "lengths"),
        [
            ([], []),
            ([0], [1]),
            ([0, 0, 0, 0], [3, 1]),
            ([1, 1, 1], [2, 1]),
            ([5, 0, 0, 0, 1], [1, 3, 1]),
            ([1, 1, 5, 1], [2, 1, 1]),
        ],
    )
    def test_units_are_filled_up_to_both_bounds_in_the_order_of_the_listing(
        self, sizes: list[int], lengths: list[int]
    ) -> None:
        objects = [entry(f"{n:03d}", size * 1024 * 1024) for n, size in enumerate(sizes)]

        units = list(grouped(objects, Group(objects=3, megabytes=2)))

        assert [len(unit) for unit in units] == lengths
        assert [one for unit in units for one in unit] == objects

    def test_a_unit_over_the_disk_is_refused_with_the_figure_and_what_to_take(self) -> None:
        packed = tuple(entry(f"{n}.csv.gz", 50 * 1024 * 1024) for n in range(4))
        group = Group(objects=10, megabytes=200)

        refuse_over_disk(packed, group, FORM, 3000)
        refuse_over_disk(packed[:1], group, FORM, 1)  # validate refuses that by its own limit
        with pytest.raises(InvalidData) as refused:
            refuse_over_disk(packed, group, FORM, 2999)

        assert "4 objects" in str(refused.value)
        assert "200 MB, which needs about 3000 MB of disk" in str(refused.value)
        assert "lower source.group.megabytes of the contract (200 now) to 199" in str(refused.value)


class TestBadObjects:
    def test_each_is_left_out_at_the_stage_where_it_fails(self, cloud: Any) -> None:
        run = GroupRun(cloud, strict().model_copy(update={"transform": DIVIDES}))
        run.lay_out_all([GOOD.format("p"), BAD, "id\n", GOOD.format("zero"), GOOD.format("q")])

        validated = run.validate()
        transformed = run.transform(files=validated.files, rejected=0, rows_in=validated.rows_in)

        assert run.left_out() == ["1.csv", "2.csv", "3.csv"]
        stages = [one.failure.stage for one in run.outcomes() if one.failure]
        assert stages == ["validate", "validate", "transform"]
        assert transformed.objects
        assert (transformed.objects.stored, transformed.objects.failed) == (2, 3)
        assert [row[0] for row in run.output_rows()] == ["pa", "pb", "qa", "qb"]
        assert [row[-1] for row in run.output_rows()] == [0, 0, 4, 4]
        assert transformed.counts
        assert transformed.counts.rows_in == transformed.counts.stored == 4
        assert {row["source"] for row in run.set_aside()} == {
            "s3://data-bucket/landing/sales/3.csv"
        }
        left = objects_not_stored(DATA_BUCKET, run.run_id, UNIT, run.unit, stored=True)
        assert [one.key[-5:] for one in left] == ["1.csv", "2.csv", "3.csv"]

    @pytest.mark.parametrize("bodies", [[BAD], [BAD, BAD]])
    def test_a_unit_of_which_nothing_is_left_fails(self, cloud: Any, bodies: list[str]) -> None:
        run = GroupRun(cloud, strict()).lay_out_all(bodies)

        with pytest.raises(InvalidData, match="1 of 1 rows are rejected"):
            run.validate()

        assert run.rejects()[0]["source"] == "s3://data-bucket/landing/sales/0.csv"
        assert run.valid_rows() == []

    def test_with_fail_the_first_bad_object_fails_the_unit_and_evidence_stays(
        self, cloud: Any
    ) -> None:
        run = GroupRun(cloud, strict()).lay_out_all([GOOD.format("p"), BAD], "fail")

        with pytest.raises(InvalidData, match=r"1\.csv: 1 of 1 rows are rejected"):
            run.validate()

        assert len(run.rejects()) == 1
        assert run.valid_rows() == []

    def test_an_object_that_is_gone_or_has_changed_is_a_bad_one(self, cloud: Any) -> None:
        run = GroupRun(cloud, strict())
        run.lay_out_all([GOOD.format(letter) for letter in "pqr"])
        cloud.client("s3").delete_object(Bucket=DATA_BUCKET, Key="landing/sales/0.csv")
        cloud.put("landing/sales/1.csv", GOOD.format("other"))

        run.validate()
        run.transform()

        assert run.left_out() == ["0.csv", "1.csv"]
        types = [one.failure.error_type for one in run.outcomes() if one.failure]
        assert types == ["NotFound", "InvalidData"]

    def test_what_passes_fails_the_step_and_not_an_object(self, cloud: Any, clients: Any) -> None:
        run = GroupRun(cloud, strict()).lay_out_all([GOOD.format("p"), GOOD.format("q")])
        lost = TransientFailure("the network")
        clients.break_once("s3", "get_object", lost, after=False, call=3)

        with pytest.raises(TransientFailure):
            run.validate()

        assert cloud.keys(layout.objects_valid_key(run.run_id, UNIT)) == []

    def test_without_examples_no_value_of_a_row_is_recorded(self, cloud: Any) -> None:
        secret = strict().model_copy(update={"examples": False, "transform": DIVIDES})
        run = GroupRun(cloud, secret).lay_out_all([GOOD.format("p"), GOOD.format("zero-secret")])

        run.validate()
        run.transform()

        (outcome,) = [one for one in run.outcomes() if one.failure]
        assert outcome.failure
        assert "secret" not in outcome.failure.message
        assert "1.csv" in outcome.failure.message


# A row that cannot be computed; of two, half are too many.
DIVIDES: Final = (
    "SELECT id, amount, seen_on, country FROM valid"
    f" WHERE CASE WHEN id LIKE 'zero%a' THEN error({sql_literal('no ')} || id) IS NULL"
    " ELSE true END"
)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_outside_call_a_repeat_ends_as_if_nothing_had_been(
    cloud: Any, clients: Any, after: bool
) -> None:
    bodies = [GOOD.format("p"), BAD, GOOD.format("q")]
    straight = GroupRun(cloud, strict(), run_id="straight").lay_out_all(bodies)
    stages = [
        lambda run: run.lay_out_all(bodies),
        lambda run: run.validate(),
        lambda run: run.transform(),
        lambda run: run.store(),
    ]
    for stage in stages:
        stage(straight)
    expected = _left_by(straight)

    for number, stage in enumerate(stages):
        for position in range(1, 60):
            name = f"t{number}-{position:02d}"  # each is newer than those before it
            run = GroupRun(cloud, strict(), run_id=name)
            for earlier in stages[:number]:
                earlier(run)
            fate = Fate()
            for service in ("s3", "dynamodb"):
                clients.use(service, fate.over(cloud.client(service)))
            fate.kill_at(position, after=after)
            killed = False
            try:
                stage(run)
            except Killed:
                killed = True
            fate.spare()
            for later in stages[number:]:
                later(run)
            assert _left_by(run) == expected
            assert {item["run_id"] for item in run.items().values()} == {name}
            if not killed:
                break
        assert position > 1


def _left_by(run: GroupRun) -> tuple[Any, ...]:
    return (
        [(one.url, one.rows, one.failure and one.failure.stage) for one in run.outcomes()],
        run.output_rows(),
        len(run.rejects()),
        run.left_out(),
    )
