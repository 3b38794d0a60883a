"""validate: what a contract says of its files holds in messages, limits, sets and lookups, too."""

from __future__ import annotations

import bz2
import io
import json
import zipfile
from typing import Any

import pytest
from data_run import DataRun, dataset

from contracts.dataset import CsvFormat, FrozenLookup, ItemArray
from contracts.errors import InvalidData
from contracts.items import for_batches
from contracts.manifest import ManifestEntry
from sources import fetch, frozen
from sources.arrays import item_batches
from tabular import workspace

COLUMNS = [{"name": "id", "unique": True}, {"name": "n", "type": "integer", "severity": "warn"}]


def archive(*members: str, body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in members:
            made.writestr(name, body)
    return file.getvalue()


def test_rows_that_break_checks_of_sets_are_reported_with_their_lines_in_the_object(
    cloud: Any,
) -> None:
    body = "above\nid,n\n# one\na,1\n# two\nb,2\n#\n#\na,3\n"
    form = {"skipLines": 1, "comment": "#"}
    run = DataRun(cloud, dataset(format=form, columns=COLUMNS)).lay_out(body)
    assert run.validate().rejected == 1
    (reject,) = run.rejects()
    assert (reject["line"], reject["rule"], reject["raw"]) == (9, "unique", "a,3")


@pytest.mark.parametrize(
    ("form", "body", "message"),
    [
        ({"skipLines": 2}, "x\ny\nid\na\n", "a.csv, line 3: the header lacks n"),
        ({"comment": "#"}, '#\nid,n\na,1\n#\nb,"2\nc,3\n', "perhaps at line 5"),
        (
            {"escape": "\\"},
            '\nid,n\na,"\\"' + f"{'x' * 99}\n" * 20_001,
            "line 3: the record is longer",
        ),
        ({"encoding": "utf-16-le"}, "\ufeffid,n\n".encode("utf-16-be"), "mark of utf-16-be"),
        ({"compression": "bzip2"}, bz2.compress(b"id,n\n")[:-5], "stream is cut off"),
        ({"compression": "zip"}, archive("a", "b", body=b"id,n\n"), "has 2 members"),
        (
            {"type": "jsonl", "concatenated": True},
            '{"id": "a"}\n{"id" "b"}' + " " * 40,
            "a.csv, line 2, record 1: is not JSON: Expecting ':' delimiter",
        ),
        (
            {"type": "json", "records": "$.Records"},
            '{"records": [{"id": "a"}]}',
            r"line 1, item 0: has no \$.Records \(format.records\); its keys there are: records",
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_an_object_that_is_not_as_its_contract_says_is_refused_with_the_place(
    cloud: Any, form: dict[str, Any], body: str | bytes, message: str
) -> None:
    run = DataRun(cloud, dataset(format=form, columns=COLUMNS)).lay_out(body)
    with pytest.raises(InvalidData, match=message):
        run.validate()


@pytest.mark.parametrize(("compression", "pack"), [("bzip2", bz2.compress), ("zip", None)])
def test_what_grows_beyond_its_room_is_refused_while_it_is_read(
    cloud: Any, compression: str, pack: Any
) -> None:
    spaces = b" " * (8 * workspace.MEGABYTE)
    body = pack(spaces) if pack else archive("a.csv", body=spaces)
    cloud.put("landing/a", body)
    form = CsvFormat(compression=compression)  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match="takes more than 2 MB and does not fit"):
        list(fetch.text_of("data-bucket", "landing/a", form, room=2 * workspace.MEGABYTE))


def test_comments_that_never_end_take_no_more_than_the_room(cloud: Any) -> None:
    cloud.put("landing/a", bz2.compress(b"#\n" * workspace.MEGABYTE))
    form = CsvFormat(compression="bzip2", comment="#")
    with pytest.raises(InvalidData, match="takes more than 1 MB"):
        list(fetch.text_of("data-bucket", "landing/a", form, room=workspace.MEGABYTE))


def test_keys_that_differ_in_case_only_leave_open_which_is_meant(cloud: Any) -> None:
    form = {"type": "jsonl", "caseInsensitive": True}
    columns = [{"name": "id"}, {"name": "sum", "source": "n"}]
    run = DataRun(cloud, dataset(format=form, columns=columns))
    run.lay_out(
        '{"ID": "a", "N": 1}\n{"Id": "b", "iD": "c"}\n{"id": "d", "ID": "e"}\n5\n'
        '{"ID": "f", "N": 1, "SUM": 2}\n',
        "a.jsonl",
    )
    run.validate()
    assert run.valid_rows() == [("a", "1"), ("d", None)]
    assert [(one["line"], one.get("column")) for one in run.rejects()] == [
        *((2, "id"), (4, None), (5, "sum"))
    ]
    assert run.rejects()[0]["reason"].startswith(
        'the record has several keys that are "id" but for their case'
    )


def test_numbers_of_json_keep_their_digits_whatever_the_case_of_their_keys(cloud: Any) -> None:
    form = {"type": "jsonl", "caseInsensitive": True}
    columns = [{"name": "id"}, {"name": "x"}]
    body = (
        '{"ID": 12345678901234567890, "X": 1.50}\n{"id": "a/~b", "x": {"Y": [1]}}\n{"Z": 1}\n[]\n'
    )
    run = DataRun(cloud, dataset(format=form, columns=columns)).lay_out(body, "a.jsonl")
    assert run.validate().rejected == 1
    assert run.valid_rows() == [
        ("12345678901234567890", "1.50"),
        ("a/~b", '{"Y":[1]}'),
        (None, None),
    ]


def test_a_lookup_without_its_header_names_the_line(cloud: Any) -> None:
    lookup = {
        **{"name": "names", "key": "lookups/names.csv", "columns": [{"name": "code"}]},
        "format": {"skipLines": 1, "comment": "#"},
    }
    cloud.put("lookups/names.csv", b"names\n#\ntitle\n")
    etag = cloud.client("s3").head_object(Bucket="data-bucket", Key="lookups/names.csv")["ETag"]
    frozen_lookup = FrozenLookup(
        name="names", url="s3://data-bucket/lookups/names.csv", etag=etag.strip('"'), size=14
    )
    run = DataRun(
        cloud,
        dataset(
            columns=[{"name": "id"}],
            lookups=[lookup],
            transform="SELECT id FROM valid JOIN names ON names.code = valid.id",
        ),
        output_columns=(("id", "string"),),
        lookups=(frozen_lookup,),
    ).lay_out("id\nAT\n")
    run.validate()
    with pytest.raises(InvalidData, match="line 3: the header lacks code"):
        run.transform(rows_in=1)


def test_a_lookup_is_read_as_its_format_says(cloud: Any) -> None:
    lookup = {
        "name": "countries",
        "key": "lookups/countries.csv",
        "format": {
            **{"skipLines": 1, "comment": "#", "escape": "\\", "nulls": ["-"]},
            **{"delimiter": "||", "padShortRows": True},
        },
        "columns": [{"name": "code"}, {"name": "title"}, {"name": "area", "type": "integer"}],
    }
    body = b'countries\n# of the world\ncode||title||area\nAT||"the \\"A\\""||5\nDE||-\n'
    cloud.put("lookups/countries.csv", body)
    head = cloud.client("s3").head_object(Bucket="data-bucket", Key="lookups/countries.csv")
    run = DataRun(
        cloud,
        dataset(
            columns=[{"name": "id"}],
            lookups=[lookup],
            transform=(
                "SELECT id, title, area FROM valid LEFT JOIN countries ON countries.code = valid.id"
            ),
        ),
        output_columns=(("id", "string"), ("title", "string"), ("area", "integer")),
        lookups=(
            FrozenLookup(
                name="countries",
                url="s3://data-bucket/lookups/countries.csv",
                etag=head["ETag"].strip('"'),
                size=len(body),
            ),
        ),
    ).lay_out("id\nAT\nDE\n")
    run.validate()
    run.transform(rows_in=2)
    assert sorted(run.output_rows()) == [("AT", 'the "A"', 5), ("DE", None, None)]


def test_items_within_an_envelope_are_units_under_the_same_rules(cloud: Any) -> None:
    form = {"type": "json", "records": "$.Records", "nulls": ["NA"], "caseInsensitive": True}
    contract = dataset(format=form)
    batches = for_batches(contract).format
    assert batches.to_json() == {
        **{"type": "jsonl", "compression": "none", "nulls": ["NA"], "caseInsensitive": True}
    }
    array = ItemArray(items_per_batch=2, megabytes=1, records="$.Records")
    run = DataRun(cloud, contract, array=array)
    run.lay_out(json.dumps({"n": 3, "Records": [{"id": "a"}, 2, {"id": "c"}]}), "a.json")
    head = cloud.client("s3").head_object(Bucket="data-bucket", Key="landing/sales/a.json")
    entry = ManifestEntry.from_json(
        {
            **{"bucket": "data-bucket", "key": "landing/sales/a.json", "etag": head["ETag"][1:-1]},
            **{"size": head["ContentLength"], "lastModified": "2026-11-20T07:00:00Z"},
        }
    )
    snapshot = frozen.read_snapshot("data-bucket", run.run_id)
    entries = item_batches.split_array(entry, snapshot, "data-bucket")
    assert [found.items for found in entries] == [2, 1]
