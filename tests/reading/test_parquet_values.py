"""Values and columns of Parquet files that DuckDB would bend come exactly, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_run import DataRun, dataset
from scratch_duckdb import connect

from contracts.errors import InvalidData

FILES = Path(__file__).with_name("fixtures")
WIDE = FILES / "decimal-40-digits.parquet"  # id VARCHAR, amount DECIMAL(40,2)
BENT = FILES / "bent-values.parquet"  # see fixtures/make_parquet.py
ALIKE = FILES / "columns-that-differ-in-case.parquet"  # id, Amount (10, 20), amount (1, 2)
TARGETS = {"dynamodb": {"key": ["id"]}}


def run_of(cloud: Any, file: Path, *columns: dict[str, Any]) -> DataRun:
    contract = dataset(
        format={"type": "parquet"},
        columns=[{"name": "id", "required": True}, *columns],
        targets=TARGETS,
    )
    return DataRun(cloud, contract).lay_out(file.read_bytes(), "a.parquet")


def test_of_columns_that_differ_in_case_each_is_read_by_its_name(cloud: Any) -> None:
    small = run_of(cloud, ALIKE, {"name": "amount", "type": "integer"})
    small.validate()
    assert small.valid_rows() == [("1", 1), ("2", 2)]


def test_the_other_one_is_read_by_its_own_spelling(cloud: Any) -> None:
    large = run_of(cloud, ALIKE, {"name": "total", "source": "Amount", "type": "integer"})
    large.validate()
    assert large.valid_rows() == [("1", 10), ("2", 20)]


def test_a_decimal_of_over_38_digits_is_read_exactly(cloud: Any) -> None:
    run = run_of(cloud, WIDE, {"name": "amount", "type": "decimal(38,2)"})
    run.validate()
    amounts = ["9007199254740993.01", "123456789012345.67", "0.10"]
    assert [str(amount) for _, amount in run.valid_rows()] == amounts


def test_more_digits_than_a_decimal_of_the_contract_has_are_stored_in_a_text(cloud: Any) -> None:
    run = run_of(cloud, FILES / "decimal-60-digits.parquet", {"name": "c"})
    run.validate()
    assert run.valid_rows() == [
        *(("1", "1234567890123456789012345678901234567890123.45"), ("2", "0.01"), ("3", None))
    ]


@pytest.mark.slow
def test_every_wide_decimal_has_all_of_its_digits(cloud: Any) -> None:
    names = ("wide", "small", "wides")
    run = run_of(cloud, BENT, *({"name": name} for name in names))
    run.validate()
    wides = ["-1.01", "1.01", "-" + "9" * 74 + ".99", "0.00", None, "-0.01"]
    wides.append("18446744073709551616.00")
    assert [row[1] for row in run.valid_rows()] == wides
    assert [row[2] for row in run.valid_rows()[:4]] == [
        "0." + "0" * 38,
        "0." + "0" * 37 + "1",
        "-12345678901234567890." + "12345678" * 4 + "123456",
        None,
    ]
    assert [row[3] for row in run.valid_rows()] == [f"[{one or 'null'},null]" for one in wides]


def test_a_wide_decimal_that_does_not_fit_the_contract_rejects_its_row(cloud: Any) -> None:
    run = run_of(cloud, BENT, {"name": "wide", "type": "decimal(38,2)"})
    run.validate()
    assert [(reject["line"], reject["rule"], reject["column"]) for reject in run.rejects()] == [
        (3, "type", "wide")
    ]


def test_nanoseconds_of_int96_reject_their_row_and_microseconds_are_read(cloud: Any) -> None:
    run = run_of(cloud, FILES / "int96.parquet", {"name": "t", "type": "timestamp"})
    run.validate()
    assert [(id, moment.isoformat()) for id, moment in run.valid_rows()] == [
        ("2", "2026-01-05T10:00:00"),
        ("3", "1677-09-22T00:00:00"),
        ("4", "2026-01-05T10:00:00.123456"),
    ]
    (reject,) = run.rejects()
    assert reject["column"] == "t"
    assert reject["reason"] == (
        "'2026-01-05 10:00:00.123456789' is not a timestamp (ISO 8601, to the microsecond)"
    )


def test_every_int96_keeps_its_nanoseconds_as_text(cloud: Any) -> None:
    run = run_of(cloud, BENT, {"name": "moment"}, {"name": "moments"})
    run.validate()
    moments = [
        "1970-01-01 00:00:00.000000001",
        "1969-12-31 23:59:59.999999999",
        "2116-02-20 23:53:38.427387904",
        None,
        "1677-09-21 00:12:43.145224193",
        "1970-01-01 00:00:00.000001",
        "1970-01-02 00:00:00",
    ]
    assert [row[1] for row in run.valid_rows()] == moments
    lists = ["[null]" if one is None else f'["{one}"]' for one in moments]
    assert [row[2] for row in run.valid_rows()] == lists


def test_int96_is_read_by_checks_of_sets_too(cloud: Any) -> None:
    file = FILES / "texts-that-are-none.parquet"
    run = run_of(cloud, file, {"name": "moment", "unique": True})
    run.validate()
    assert [row[1] for row in run.valid_rows()] == [
        "1970-01-01 00:00:00.000001",
        "1970-01-01 00:00:00.000001001",
        "1970-01-01 00:00:00",
    ]
    (reject,) = run.rejects()
    assert (reject["line"], reject["rule"]) == (4, "unique")
    assert reject["row"] == {"id": "4", "moment": "1970-01-01 00:00:00"}


@pytest.mark.parametrize(
    ("made", "kind", "found"),
    [
        ("18446744073709551615::UBIGINT", "string", "18446744073709551615"),
        ("'0000002a-0000-0000-0000-000000000005'::UUID", "string", None),
        ("TIME '10:00:00.000001'", "string", "10:00:00.000001"),
        ("INTERVAL '14 months 3 days 1 second'", "string", "1 year 2 months 3 days 00:00:01"),
        ("'b'::ENUM('a', 'b')", "string", "b"),
        ("'{\"a\": 0.10}'::JSON", "string", '{"a": 0.10}'),
        ("'caf\\xC3\\xA9'::BLOB", "string", "café"),
        ("TIMESTAMP_NS '2026-01-05 10:00:00.123456789'", "string", None),
        ("170141183460469231731687303715884105727::DECIMAL(38,0)", "decimal(38,0)", None),
    ],
)
def test_values_of_every_type_are_the_same_as_in_the_file(
    cloud: Any, tmp_path: Path, made: str, kind: str, found: str | None
) -> None:
    """`found` None: the text is the one in the literal."""
    if made.startswith("1701"):
        made = made.replace("170141183460469231731687303715884105727", "9" * 38)
    file = made_by(tmp_path, f"SELECT '1' AS id, {made} AS x")
    run = run_of(cloud, file, {"name": "x", "type": kind})
    run.validate()
    literal = made.partition("::")[0].split(" ", 1)[-1].strip("'")
    assert str(run.valid_rows()[0][1]) == (found or literal)


def test_a_half_float_is_read(cloud: Any) -> None:
    run = run_of(cloud, BENT, {"name": "half", "type": "double"})
    run.validate()
    assert [row[1] for row in run.valid_rows()] == [0.099975586, 65504, -0.5, 0, 1, 2, 3]


def test_nanoseconds_with_a_zone_reject_their_row(cloud: Any, tmp_path: Path) -> None:
    file = made_by(
        tmp_path, "SELECT '1' AS id, '2026-01-05 10:00:00.000000001+00'::TIMESTAMPTZ_NS AS t"
    )
    run = run_of(cloud, file, {"name": "t", "type": "timestamp"})
    run.validate()
    assert run.rejects()[0]["value"] == "2026-01-05 10:00:00.000000001+00"


def test_nested_values_are_json_as_from_json_lines(cloud: Any) -> None:
    names = ("tags", "who", "m", "l")
    run = run_of(cloud, FILES / "nested.parquet", *({"name": name} for name in names))
    run.validate()
    lines = [
        '{"id":"1","tags":["a, b","c"],"who":{"name":"O\'Hara, \\"Pat\\"","n":9007199254740993},'
        '"m":{"k1":"v=1","k2":"x, y"},"l":[{"name":"x","n":1}]}',
        '{"id":"2","tags":["a","b, c"],"who":{"name":null,"n":1},"m":{},"l":[]}',
        '{"id":"3"}',
    ]
    rows = run.valid_rows()
    twin = DataRun(
        cloud,
        dataset(
            format={"type": "jsonl"},
            columns=[{"name": "id", "required": True}, *({"name": name} for name in names)],
            targets=TARGETS,
        ),
        run_id="run-2",
    ).lay_out("\n".join(lines), "a.jsonl")
    twin.validate()
    assert rows == twin.valid_rows()
    assert rows[0][2] == '{"name":"O\'Hara, \\"Pat\\"","n":9007199254740993}'


@pytest.mark.parametrize(
    ("made", "json"),
    [
        ("[0.10::DECIMAL(10,2), NULL]", "[0.10,null]"),
        (f"{{'n': {'9' * 38}::DECIMAL(38,0)}}", f'{{"n":{"9" * 38}}}'),
        ("[18446744073709551615::UBIGINT]", "[18446744073709551615]"),
        ("[DATE '2026-01-05']", '["2026-01-05"]'),
        ("[TIMESTAMPTZ '2026-01-05 10:00:00Z']", '["2026-01-05 10:00:00+00"]'),
        ("[0.1::FLOAT, 1e22::FLOAT]", "[0.1,1e22]"),
        ("['0.1', '-0.0', '1e300']::DOUBLE[]", "[0.1,-0.0,1e300]"),
        ("[true, false]", "[true,false]"),
        ("['text'::BLOB]", '["text"]'),
        ("['tab\t quote\" back\\ é']", '["tab\\t quote\\" back\\\\ é"]'),
        ("MAP {1: [{'q': 'x'}], 2: NULL}", '{"1":[{"q":"x"}],"2":null}'),
        ("[[[1], []], NULL]", "[[[1],[]],null]"),
        ("{'a': {'a': {'a': 1}}, 'b.c \"d\"': [NULL]}", '{"a":{"a":{"a":1}},"b.c \\"d\\"":[null]}'),
        ("MAP {'a': MAP {'b': 1.50::DECIMAL(3,2)}}", '{"a":{"b":1.50}}'),
    ],
)
def test_nested_values_keep_their_digits(cloud: Any, tmp_path: Path, made: str, json: str) -> None:
    run = run_of(cloud, made_by(tmp_path, f"SELECT '1' AS id, {made} AS x"), {"name": "x"})
    run.validate()
    assert run.valid_rows() == [("1", json)]


def test_a_transform_takes_nested_values_apart_by_their_types(cloud: Any) -> None:
    contract = dataset(
        format={"type": "parquet"},
        columns=[{"name": "id", "required": True}, {"name": "who"}],
        transform="SELECT id, CAST(who AS STRUCT(name VARCHAR, n BIGINT)).name AS name FROM valid",
        targets=TARGETS,
    )
    run = DataRun(cloud, contract, output_columns=(("id", "string"), ("name", "string")))
    run.lay_out((FILES / "nested.parquet").read_bytes(), "a.parquet")
    run.validate()
    run.transform()
    assert run.output_rows() == [("1", 'O\'Hara, "Pat"'), ("2", None), ("3", None)]


def test_a_column_without_an_exact_text_is_refused_by_name(cloud: Any, tmp_path: Path) -> None:
    file = made_by(tmp_path, "SELECT '1' AS id, 1::VARIANT AS x, 2 AS z")
    run_of(cloud, file, {"name": "z"}).validate()
    run = run_of(cloud, file, {"name": "x"})
    with pytest.raises(InvalidData, match=r"a\.parquet: there is no exact text of column x; write"):
        run.validate()


def test_a_nested_value_is_none_of_another_type(cloud: Any, tmp_path: Path) -> None:
    file = made_by(tmp_path, "SELECT '1' AS id, [1] AS x")
    run = run_of(cloud, file, {"name": "x", "type": "integer"})
    run.validate()
    assert run.rejects()[0]["reason"] == "'[1]' is not an integer"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("['1.5', 'nan']::DOUBLE[]", "nested in it is a number that is not finite"),
        ("{'a': 'inf'::FLOAT}", "nested in it is a number that is not finite"),
        ("['\\xFF'::BLOB]", "nested in it is bytes that are no text (UTF-8)"),
    ],
)
def test_what_json_cannot_hold_rejects_its_row(
    cloud: Any, tmp_path: Path, made: str, why: str
) -> None:
    query = f"SELECT '1' AS id, {made} AS x UNION ALL SELECT '2', NULL"
    run = run_of(cloud, made_by(tmp_path, query), {"name": "x"})
    assert run.validate().rejected == 1
    assert run.valid_rows() == [("2", None)]
    reject = run.rejects()[0]
    assert (reject["line"], reject["rule"], reject["column"]) == (1, "malformed", "x")
    assert reject["reason"].startswith(why)


def test_bytes_that_are_no_text_reject_their_row(cloud: Any, tmp_path: Path) -> None:
    query = (
        "SELECT * FROM (VALUES ('1', '\\xFF'::BLOB), ('2', 'caf\\xC3\\xA9'), ('3', 'a\\x00'),"
        " ('4', NULL)) AS t(id, x)"
    )
    run = run_of(cloud, made_by(tmp_path, query), {"name": "x"})
    validated = run.validate()
    assert (validated.rows_in, validated.valid, validated.rejected) == (4, 2, 2)
    assert run.valid_rows() == [("2", "café"), ("4", None)]
    assert [(reject["line"], reject["column"], reject["value"]) for reject in run.rejects()] == [
        *((1, "x", "\\xFF"), (3, "x", "a\\x00"))
    ]
    assert run.rejects()[0]["reason"].startswith("bytes that are no text (UTF-8); write the column")


def test_bytes_of_fixed_length_are_no_text_even_if_all_are_zero(cloud: Any) -> None:
    run = run_of(cloud, FILES / "bytes-that-are-no-text.parquet", {"name": "t"}, {"name": "u"})
    assert run.validate().rejected == 2
    assert {reject["column"] for reject in run.rejects()} == {"u"}


def test_texts_that_are_none_reject_their_row_and_no_other(cloud: Any) -> None:
    file = FILES / "texts-that-are-none.parquet"
    run = run_of(cloud, file, {"name": "place"}, {"name": "moment", "type": "timestamp"})
    assert run.validate().valid == 1
    assert [row[:2] for row in run.valid_rows()] == [("3", None)]
    rejects = [(one["line"], one["rule"], one["column"], one["value"]) for one in run.rejects()]
    assert rejects == [
        (1, "malformed", "place", "Z\\xFCrich"),
        (2, "type", "moment", "1970-01-01 00:00:00.000001001"),
        (4, "malformed", "place", "\\xFF"),
    ]


def test_an_instant_out_of_the_years_of_four_digits_in_utc_is_rejected(cloud: Any) -> None:
    contract = dataset(
        columns=[{"name": "id", "required": True}, {"name": "valid_to", "type": "timestamp"}],
        targets=TARGETS,
    )
    run = DataRun(cloud, contract).lay_out(
        "id,valid_to\n1,9999-12-31T23:59:59-05:00\n2,9999-12-31 23:59:59\n"
        "3,0001-01-01T00:00:00+01:00\n4,9999-12-31T23:59:59.999999Z\n"
    )
    run.validate()
    assert [row[0] for row in run.valid_rows()] == ["2", "4"]
    assert [reject["line"] for reject in run.rejects()] == [2, 4]


@pytest.mark.parametrize("body", [b"", b"id,x\n1,2\n", b"PAR1" + b"x" * 100])
def test_what_is_no_parquet_is_reported_without_a_path_of_ours(
    cloud: Any, tmp_path: Path, body: bytes
) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(body)
    with pytest.raises(InvalidData) as refusal:
        run_of(cloud, file, {"name": "x"}).validate()
    assert str(refusal.value).startswith("s3://data-bucket/landing/sales/a.parquet ")
    assert "duck-" not in str(refusal.value)


def made_by(folder: Path, query: str) -> Path:
    file = folder / "made.parquet"
    with connect() as maker:
        maker.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
    return file


def test_a_wide_decimal_that_the_contract_does_not_read_does_no_harm(cloud: Any) -> None:
    run = run_of(cloud, WIDE)
    run.validate()
    assert run.valid_rows() == [("1",), ("2",), ("3",)]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        ("DATE 'infinity'", "5881580-07-11"),
        ("DATE '-infinity'", "5877642-06-24 (BC)"),
        ("TIMESTAMP 'infinity'", "294247-01-10 04:00:54.775807"),
        ("TIMESTAMP '-infinity'", "290309-12-21 (BC) 19:59:05.224193"),
        ("TIMESTAMPTZ 'infinity'", "294247-01-10 04:00:54.775807+00"),
        ("TIMESTAMP_NS 'infinity'", "2262-04-11 23:47:16.854775807"),
        ("TIMESTAMP_NS '-infinity'", "1677-09-21 00:12:43.145224193"),
        ("[DATE 'infinity', NULL]", '["5881580-07-11",null]'),
        ("{'t': TIMESTAMP_NS 'infinity'}", '{"t":"2262-04-11 23:47:16.854775807"}'),
    ],
)
def test_the_largest_numbers_of_a_file_are_no_infinity(
    cloud: Any, tmp_path: Path, made: str, text: str
) -> None:
    file = made_by(tmp_path, f"SELECT 'a' AS id, {made} AS x")
    run = run_of(cloud, file, {"name": "x"})
    run.validate()
    assert run.valid_rows() == [("a", text)]


def test_json_that_is_none_is_read_as_the_text_that_it_is(cloud: Any) -> None:
    file = FILES / "json-that-is-none.parquet"  # t is read as bytes, too, and NUL is text
    run = run_of(cloud, file, {"name": "v"}, {"name": "t"})
    assert run.validate().valid == 2
    assert run.valid_rows() == [
        ("1", '{"a": 1.10,"b":9007199254740993}', "a\0b"),
        ("2", "nope", "x"),
    ]
