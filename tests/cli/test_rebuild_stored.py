"""`pipeline dataset rebuild-stored`: which objects are stored, anew from the ledger."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cli_world import World, pipeline
from json_documents import document, error_of

from cli.client.rebuilding import Rebuild
from cli.exit_codes import FAILED, REFUSED
from contracts import layout
from contracts.errors import Throttled
from contracts.ledger_items import place_in_list
from contracts.manifest import ManifestEntry, ManifestPart, ManifestSummary
from contracts.run import StageFailure
from contracts.source.object_outcomes import ObjectOutcome, ObjectOutcomes
from contracts.source.only_new import Scope
from sources.stored_objects.files import StoredFiles
from sources.stored_objects.records import packed, record, unpacked

VERSION = "0123456789ab"
URL = "s3://data/landing/orders/{}.csv"
OLD = "2026-11-01T08:00:00Z"
NEWER = "2026-11-03T08:00:00Z"


def files(local: World, index: str = "orders") -> StoredFiles:
    scope = Scope(dataset_name="orders", index=index)
    return StoredFiles.of(local.deployment.client("s3"), "data", scope)


def known(local: World, index: str = "orders") -> set[bytes]:
    return {one for chunk in files(local, index).records() for one in unpacked(chunk)}


def put_run(local: World, run_id: str, claimed_at: str = OLD, **request: Any) -> None:
    asked = {"datasetName": "orders", "startDateTime": "2026-11-01", "runId": run_id, **request}
    local.put_run(
        run_id,
        request=json.dumps(asked),
        claimed_at=claimed_at,
        status="SUCCEEDED",
        dataset_version=VERSION,
        **place_in_list(claimed_at, run_id),
    )


def put_unit(local: World, run_id: str, position: int, status: str = "STORED", **more: Any) -> None:
    known_of = {
        "source_url": URL.format(position),
        "source_etag": f"etag{position}",
        "dataset_version": VERSION,
        **more,
    }
    item = {"run_id": run_id, "item": f"UNIT#00000-{position:03d}", "status": status, **known_of}
    local.put({name: value for name, value in item.items() if value is not None})


def put_manifest(local: World, run_id: str, *positions: int) -> None:
    entries = tuple(
        ManifestEntry(
            bucket="data",
            key=URL.format(position).removeprefix("s3://data/"),
            size=1,
            etag=f"etag{position}",
            last_modified="2026-11-01T00:00:00Z",
        )
        for position in positions
    )
    part = ManifestPart(run_id=run_id, shard=0, entries=entries)
    summary = ManifestSummary(
        manifest_url="s3://data/x", objects=1, total_bytes=1, shard_sizes=(1,), pending=()
    )
    s3 = local.deployment.client("s3")
    for key, value in (
        (layout.manifest_summary_key(run_id), summary),
        (layout.manifest_part_key(run_id, 0), part),
    ):
        s3.put_object(Bucket="data", Key=key, Body=json.dumps(value.to_json()).encode())


def stored(*positions: int) -> set[bytes]:
    return {record(URL.format(each), f"etag{each}", VERSION) for each in positions}


def rebuild(*words: str) -> dict[str, Any]:
    result = pipeline("dataset", "rebuild-stored", "orders", *words, "--json")
    assert result.exit_code == 0, result.output
    return document("dataset rebuild-stored", result.stdout)


def test_what_units_have_stored_is_known_again(local: World) -> None:
    put_run(local, "r1")
    put_unit(local, "r1", 0)
    put_unit(local, "r1", 1, "FAILED")
    put_run(local, "r2", NEWER)
    put_unit(local, "r2", 2)
    put_run(local, "r3", NEWER, index="late")
    put_unit(local, "r3", 3)
    put_run(local, "other", NEWER, datasetName="visits")
    local.put_run("other", dataset_name="visits", **place_in_list(NEWER, "other"))
    put_unit(local, "other", 4)

    found = rebuild("--since", "2026-10-30")

    assert (found["runs"], found["objects"], found["unknown"]) == (3, 3, 0)
    assert known(local) == stored(0, 2)
    assert known(local, "late") == stored(3)
    assert files(local).runs() == [], "they are merged"
    assert rebuild("--since", "2026-10-30")["resumed"] is False
    assert known(local) == stored(0, 2)


def test_of_a_unit_of_several_objects_those_count_that_it_has_stored(local: World) -> None:
    put_run(local, "r1")
    totals = {"total": 3, "stored": 2, "failed": 1}
    put_unit(local, "r1", 0, source_url="s3://data/runs/r1/manifest/groups/x", objects=totals)
    put_unit(local, "r1", 1, objects=totals)  # whose document has expired
    failure = StageFailure(stage="validate", error_type="InvalidData", message="bad")
    document = ObjectOutcomes(
        run_id="r1",
        unit_id="00000-000",
        objects=tuple(
            ObjectOutcome(
                url=URL.format(each), etag=f"etag{each}", failure=failure if each == 6 else None
            )
            for each in (5, 6, 7)
        ),
    )
    local.deployment.client("s3").put_object(
        Bucket="data",
        Key=layout.objects_key("r1", "00000-000"),
        Body=json.dumps(document.to_json()).encode(),
    )

    found = rebuild("--since", "2026-10-30")

    assert (found["objects"], found["unknown"]) == (2, 2)
    assert known(local) == stored(5, 7)


def test_earlier_releases_wrote_etags_into_manifests_only(local: World) -> None:
    put_run(local, "r1")
    put_unit(local, "r1", 0, source_etag=None, dataset_version=None)
    put_manifest(local, "r1", 0)
    put_run(local, "r2")
    put_unit(local, "r2", 1, source_etag=None)

    found = rebuild("--since", "2026-10-30")

    assert known(local) == stored(0)
    assert found["unknown"] == 1
    text = pipeline("dataset", "rebuild-stored", "orders", "--since", "2026-10-30").output
    assert "1 stored units have neither an ETag in the ledger nor a manifest" in text


def test_items_of_an_array_are_no_objects(local: World) -> None:
    put_run(local, "r1")
    put_unit(local, "r1", 0, items={"total": 1, "stored": 1})

    assert rebuild("--since", "2026-10-30")["objects"] == 0


def test_what_was_known_stays_and_what_is_broken_is_named(local: World) -> None:
    """Of a run that was purged, say."""
    files(local).add("purged", 1, packed(stored(7)))
    local.deployment.client("s3").put_object(
        Bucket="data", Key=f"{files(local).prefix}runs/r8-1-0", Body=b"broken"
    )
    put_run(local, "r1")
    put_unit(local, "r1", 0)

    found = rebuild("--since", "2026-10-30")

    assert found["leftOut"] == [f"{files(local).prefix}runs/r8-1-0"]
    assert known(local) == stored(0, 7)


@pytest.fixture
def interrupted(local: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A call of today that was broken off at r2; r1's day is done."""
    for run_id, position, at in (("r1", 0, OLD), ("r2", 1, NEWER)):
        put_run(local, run_id, at)
        put_unit(local, run_id, position)
    real = StoredFiles.add

    def broken_off(self: StoredFiles, run_id: str, *rest: Any) -> Any:
        if run_id == "r2":
            raise KeyboardInterrupt
        return real(self, run_id, *rest)

    monkeypatch.setattr(StoredFiles, "add", broken_off)
    pipeline("dataset", "rebuild-stored", "orders", "--since", "2026-10-30")
    monkeypatch.setattr(StoredFiles, "add", real)
    assert known(local) == stored(0)
    assert note(local) == {"since": "2026-10-30", "done": "2026-11-01", "on": today()}
    return local


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def note(local: World) -> dict[str, str]:
    found = local.deployment.client("s3").get_object(
        Bucket="data", Key=layout.stored_objects_progress_key("orders")
    )
    noted: dict[str, str] = json.loads(found["Body"].read())
    return noted


def test_interrupted_it_goes_on_where_it_was(interrupted: World) -> None:
    found = rebuild("--since", "2026-10-30")

    assert (found["resumed"], found["runs"]) == (True, 1)
    assert known(interrupted) == stored(0, 1)
    assert rebuild("--since", "2026-10-30")["resumed"] is False


def break_file_of_r1(local: World) -> str:
    (file,) = files(local).runs()
    local.deployment.client("s3").put_object(Bucket="data", Key=file.key, Body=b"broken")
    return file.key


def test_interrupted_it_begins_anew_if_a_file_was_broken_since(interrupted: World) -> None:
    broken = break_file_of_r1(interrupted)

    found = rebuild("--since", "2026-10-30")

    assert (found["resumed"], found["runs"], found["leftOut"]) == (False, 2, [broken])
    assert known(interrupted) == stored(0, 1)


def test_broken_off_after_it_left_files_out_it_does_not_go_on_behind_them(
    interrupted: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_file_of_r1(interrupted)
    real = Rebuild._runs_of

    def broken_off(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Rebuild, "_runs_of", broken_off)
    pipeline("dataset", "rebuild-stored", "orders", "--since", "2026-10-30")
    monkeypatch.setattr(Rebuild, "_runs_of", real)
    assert known(interrupted) == set()

    assert rebuild("--since", "2026-10-30")["runs"] == 2
    assert known(interrupted) == stored(0, 1)


@pytest.mark.parametrize("on", [{}, {"on": "2026-11-05"}])
def test_a_note_of_long_ago_skips_no_days(local: World, on: dict[str, str]) -> None:
    put_run(local, "r1")
    put_unit(local, "r1", 0)
    noted = {"since": "2026-10-30", "done": "2026-11-02", **on}
    local.deployment.client("s3").put_object(
        Bucket="data",
        Key=layout.stored_objects_progress_key("orders"),
        Body=json.dumps(noted).encode(),
    )

    assert rebuild("--since", "2026-10-30")["resumed"] is False
    assert known(local) == stored(0)


def test_today_is_never_done(local: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runs may still be under way."""
    at = f"{today()}T00:00:01Z"
    put_run(local, "r1", at)
    put_unit(local, "r1", 0)
    monkeypatch.setattr("cli.client.rebuilding.merge_runs", interrupt)
    pipeline("dataset", "rebuild-stored", "orders", "--since", "2026-10-30")

    assert (
        local.deployment.client("s3").list_objects_v2(
            Bucket="data", Prefix=layout.stored_objects_progress_key("orders")
        )["KeyCount"]
        == 0
    )


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("datasets/orders.yaml",), "is no name of a dataset"),
        (("orders", "--since", "soon"), "--since soon is no day"),
        (("orders", "--since", "2999-01-01"), "lies in the future"),
    ],
)
def test_what_cannot_be_meant_is_refused(local: World, words: tuple[str, ...], why: str) -> None:
    assert local
    result = pipeline("dataset", "rebuild-stored", *words, "--json")

    assert result.exit_code == REFUSED
    assert why in error_of(result.stdout)["message"]


def test_a_refusal_of_the_service_ends_it_with_what_to_do(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_run(local, "r1")
    put_unit(local, "r1", 0)

    def refused(*_: Any) -> None:
        raise Throttled("writing: slow down")

    monkeypatch.setattr(StoredFiles, "add", refused)

    result = pipeline("dataset", "rebuild-stored", "orders", "--since", "2026-10-30")

    assert result.exit_code == FAILED
    assert "goes on where it was" in result.output
