"""Rejected rows shown, and written to a file to be corrected."""

from __future__ import annotations

import bz2
import gzip
import json
from typing import Any

import pytest
from cli_world import World, pipeline
from quarantine_world import AS_TEXT, BROKEN, MALFORMED, Quarantine


def test_rejected_rows_are_shown_with_their_reasons(quarantine: Quarantine) -> None:
    quarantine.reject(BROKEN, MALFORMED).reject(AS_TEXT, unit="00000-001")

    shown = pipeline("rejected", "run-1").output

    assert "4 columns instead of 3" in shown
    assert "'many' is not an integer" in shown
    assert "3 rejected rows (type minutes 2, malformed 1)" in shown


def test_the_table_shows_the_first_rows_and_says_so(quarantine: Quarantine) -> None:
    quarantine.reject(*[BROKEN] * 7)

    assert "5 of them are shown" in pipeline("rejected", "run-1", "--limit", "5").output
    assert "of them are shown" not in pipeline("rejected", "run-1", "--limit", "0").output


def test_rows_of_one_unit_or_rule_for_programs(quarantine: Quarantine) -> None:
    quarantine.reject(BROKEN, MALFORMED).reject(AS_TEXT, unit="00000-001")

    one = json.loads(pipeline("rejected", "run-1", "--unit", "00000-001", "--json").output)
    bad = json.loads(pipeline("rejected", "run-1", "--rule", "malformed", "--json").output)

    assert [(row["unitId"], row["line"]) for row in one["shown"]] == [("00000-001", 3)]
    assert bad["rules"] == [{"rule": "malformed", "column": None, "rows": 1}]


UNSTORABLE: dict[str, Any] = {
    "source": "s3://data/landing/visits/a.csv",
    "rule": "key-unique",
    "column": "visit_id",
    "reason": "2 rows have the key visit_id v1; the first one is stored",
    "valid_row": 7,
    "row": {"visit_id": "v1", "minutes": "5", "name": None},
}


def test_rows_that_no_store_takes_are_shown_with_the_others_and_corrected_likewise(
    quarantine: Quarantine,
) -> None:
    made = {"visit_id": "V2", "length": "300"}
    result = {
        **{k: v for k, v in UNSTORABLE.items() if k not in ("row", "valid_row")},
        "result": made,
    }
    quarantine.reject(BROKEN).set_aside(UNSTORABLE, result)

    shown = pipeline("rejected", "run-1").output
    assert "3 rejected rows (key-unique visit_id 2, type minutes 1)" in shown
    assert "the first one is stored" in shown
    assert '"minutes": "5"' in shown
    one = json.loads(pipeline("rejected", "run-1", "--unit", "00000-000", "--json").output)
    assert one["rows"] == 3

    rows = quarantine.written()
    assert [row["unit"] for row in rows] == ["00000-000"] * 3
    known, unknown = (row for row in rows if row["rule"] == "key-unique")
    assert known["values"] == UNSTORABLE["row"]
    assert (unknown["values"], unknown["result"]) == (dict.fromkeys(UNSTORABLE["row"]), made)


def test_units_that_failed_have_more_to_fix_than_their_rejected_rows(
    quarantine: Quarantine,
) -> None:
    quarantine.reject(BROKEN).reject(BROKEN, unit="00000-001")
    failure = {"stage": "validate", "error_type": "InvalidData", "message": "too many"}
    for unit, more in (("00000-000", {}), ("00000-001", {"failure": failure})):
        status = "FAILED" if more else "STORED"
        quarantine.world.put({"run_id": "run-1", "item": f"UNIT#{unit}", "status": status, **more})

    reported = pipeline("rejected", "run-1").output

    assert "1 of these units failed (00000-001): none of their rows are stored" in reported
    assert (
        "of these units failed" not in pipeline("rejected", "run-1", "--unit", "00000-000").output
    )


def test_rows_of_a_unit_of_several_objects_name_theirs(quarantine: Quarantine) -> None:
    other = {**AS_TEXT, "source": "s3://data/landing/visits/dt=2026-11-20/b.csv"}
    quarantine.freeze(group={"objects": 5}).reject(BROKEN, other)
    unit = {"run_id": "run-1", "item": "UNIT#00000-000", "status": "STORED"}
    quarantine.world.put({**unit, "objects": {"total": 5, "stored": 5, "failed": 0}})

    shown = pipeline("rejected", "run-1").output

    assert "visits/a.csv" in shown
    assert "dt=2026-11-20/b.csv" in shown
    assert "were left out" not in shown
    quarantine.world.put({**unit, "objects": {"total": 5, "stored": 3, "failed": 2}})
    lost = "2 objects of these units were left out: none of their rows are stored"
    assert lost in pipeline("rejected", "run-1").output


@pytest.mark.usefixtures("quarantine")
def test_a_run_without_rejected_rows() -> None:
    assert "0 rejected rows" in pipeline("rejected", "run-1").output
    assert pipeline("rejected", "run-1", "--unit", "00000-009").exit_code == 4


def test_a_run_that_never_read_its_contract(local: World) -> None:
    local.put_run(run_id="early")

    result = pipeline("rejected", "early")

    assert result.exit_code == 4
    assert "ended before it read one" in result.output


def test_the_file_has_each_rows_values_as_far_as_they_can_be_reported(
    quarantine: Quarantine,
) -> None:
    quarantine.reject(BROKEN, AS_TEXT, MALFORMED)

    rows = quarantine.written()

    assert [row["unit"] for row in rows] == ["00000-000"] * 3
    assert rows[0]["values"] == {"visit_id": "v1", "minutes": "many", "name": None}
    # The contract's columns stand in another order than the source's.
    assert rows[1]["values"] == {"visit_id": "v2", "minutes": None, "name": "few"}
    assert rows[2]["values"] == {"visit_id": "v3", "minutes": "7", "name": "Anna, B."}
    assert rows[2]["raw"] == MALFORMED["raw"]


@pytest.mark.parametrize("gone", [True, False])
def test_a_source_that_is_gone_or_compressed(quarantine: Quarantine, gone: bool) -> None:
    key = "landing/visits/b.csv.gz"
    quarantine.reject({**MALFORMED, "source": f"s3://data/{key}"})
    if not gone:
        quarantine.put(key, gzip.compress("\ufeffName,Minutes,Visit_Id,x\n".encode()))

    (row,) = quarantine.written()

    names = ["visit_id", "minutes", "name"] if gone else ["name", "minutes", "visit_id"]
    assert row["values"] == dict(zip(names, ["v3", "Anna, B.", "7"], strict=True))


@pytest.mark.parametrize(
    ("form", "pack", "named"),
    [
        ({"skipLines": 2, "comment": "#"}, bytes, True),
        ({"skipLines": 2, "comment": "#", "compression": "bzip2"}, bz2.compress, True),
        ({"compression": "zip"}, bytes, False),  # nothing of it can be read from its beginning
    ],
    ids=["plain", "bzip2", "zip"],
)
def test_a_malformed_row_is_split_by_the_header_below_other_lines(
    quarantine: Quarantine, form: dict[str, Any], pack: Any, named: bool
) -> None:
    quarantine.freeze(format={**form, "delimiter": "||"})
    body = b'report "\nof today\n# made\nname||visit_id||minutes\n'
    quarantine.put("landing/visits/a.csv", pack(body))
    quarantine.reject({**MALFORMED, "raw": '"Anna || B"||v3||7||?'})
    (row,) = quarantine.written()
    assert row["values"]["name" if named else "visit_id"] == "Anna || B"
    assert row["values"]["visit_id" if named else "minutes"] == "v3"


def test_rows_of_json_keep_their_values(quarantine: Quarantine) -> None:
    quarantine.freeze(format={"type": "jsonl"})
    raw = '{"visit_id": "v1", "minutes": 1.5, "name": {"first": "A"}}'
    quarantine.reject({**BROKEN, "raw": raw}, {**MALFORMED, "raw": '{"visit_id": '})

    rows = quarantine.written()

    assert rows[0]["values"] == {"visit_id": "v1", "minutes": "1.5", "name": '{"first": "A"}'}
    assert rows[1]["values"] == {"visit_id": None, "minutes": None, "name": None}


def test_values_are_named_as_in_the_contract_whatever_the_file_calls_them(
    quarantine: Quarantine,
) -> None:
    columns = [{"name": "visit_id", "source": "Visit ID"}, {"name": "name", "source": "Name!"}]
    quarantine.freeze(columns=columns).put("landing/visits/a.csv", b"name!, visit id\n")
    quarantine.reject({**MALFORMED, "raw": "Anna,v3,?"})
    assert quarantine.written()[0]["values"] == {"visit_id": "v3", "name": "Anna"}
    quarantine.file.unlink()

    quarantine.freeze(columns=columns, format={"type": "jsonl"})
    records = ('{"Visit ID": "v1", "Name!": "A"}', '{"visit_id": "v1", "name": "A"}')
    quarantine.reject(*({**MALFORMED, "raw": raw} for raw in records))
    rows = quarantine.written()
    assert [row["values"] for row in rows] == [{"visit_id": "v1", "name": "A"}] * 2


def test_a_file_is_never_written_over(quarantine: Quarantine) -> None:
    quarantine.reject(BROKEN).written()

    again = pipeline("rejected", "run-1", "--out", str(quarantine.file))

    assert again.exit_code == 2
    assert "exists already" in again.output
