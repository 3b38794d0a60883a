"""What passes the check of a query computes the same in validate, transform and the Glue job.

The job computes in the Python and with the DuckDB that the template pins for it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pinned_job
import pytest
from aws_cloud import _environment, cloud
from data_run import DataRun
from test_clean_csv import arguments, output, put

from contracts.dataset import Dataset
from contracts.errors import InvalidRequest
from dataset_loading.check import check_query
from dataset_loading.parsing import SqlError
from dataset_loading.sql import binder
from tabular.sql import sql_literal

__all__ = ["_environment", "cloud"]
SCRIPT: Final = Path(__file__).resolve().parents[2] / "jobs" / "clean_csv.py"
TYPES: Final = {
    "id": "string",
    "s": "string",
    "n": "integer",
    "m": "decimal(10,2)",
    "p": "decimal(38,10)",
    "x": "double",
    "b": "boolean",
    "d": "date",
    "t": "timestamp",
}
DATASET: Final = Dataset.from_json(
    {
        "name": "sales",
        "source": {"prefix": "landing/sales/"},
        "columns": [{"name": name, "type": kind} for name, kind in TYPES.items()],
        "jobs": [{"stage": "clean", "engine": "glue", "glueJob": "clean-csv"}],
        "targets": {"dynamodb": {"key": ["id"]}},
    }
)
ROWS: Final = """\
id,s,n,m,p,x,b,d,t
r1,Zürich,7,1.50,1234567890.1234567891,0.1,true,2026-02-28,2026-02-28T23:59:59.999999Z
r2,"  ab ",-7,-0.05,0.0000000001,-1e20,false,0001-01-01,0001-01-01T00:00:00Z
r3,2026-11-01,99,99999999.99,-1,1e-7,true,9999-12-31,9999-12-31T23:59:59Z
r4,,,,,,,,
r5,"a,b;c",0,0,0,0.0,false,2024-02-29,2024-02-29T12:30:45.123Z
r6,"ÄÖß 'q'",3,2.35,2.5,2.5,true,1969-12-31,1969-12-31T23:59:59.5Z
r7,12.5e3,2,0.5,-2.5,0.3333333333333333,true,2026-03-29,2026-03-29T02:30:00Z
"""
EXPRESSIONS: Final = """
m / 3 | m / m | n / 2 | n // 2 | n % 3 | -n % 3 | p / 3 | p * 2 | m * p | m + p | m * 1.5 | m / 0
x / 0 | n / 0 | n // 0 | n % 0 | m // 2 | m % 1 | m % 0 | x % 0 | mod(n, n) | x % 1 | m ** 2
2 ^ n | round(m) | round(m, 1) | round(x, 1) | round(p, 3) | ceil(m) | floor(x) | trunc(m)
abs(m) | exp(m / 1e9) | power(m, 2) | greatest(m, x) | least(n, m) | CAST(m AS INTEGER)
TRY_CAST(x AS INTEGER) | TRY_CAST(x AS DECIMAL(18, 3)) | TRY_CAST(s AS DOUBLE)
TRY_CAST(s AS DATE) | TRY_CAST(s AS TIMESTAMP) | TRY_CAST(s AS BOOLEAN) | TRY_CAST(n AS SMALLINT)
CAST(d AS TIMESTAMP) | CAST(t AS DATE) | CAST(t AS TIME) | t::TIMESTAMPTZ | upper(s) | lower(s)
length(s) | strlen(s) | reverse(s) | trim(s) | left(s, 2) | substring(s, 2, 3)
substring(s, -2, 2) | s[1:2] | s || 'x' | concat(s, n) | concat_ws('-', s, n, m)
replace(s, 'a', 'b') | translate(s, 'ab', 'xy') | regexp_replace(s, '[a-z]', '_', 'g')
regexp_extract(s, '([0-9]+)', 1) | regexp_matches(s, '[0-9]') | regexp_full_match(s, '[a-z0-9.]+')
string_split(s, ',') | split_part(s, ',', -1) | s LIKE '%b%' | s ILIKE '%ZÜ%'
s SIMILAR TO '[a-z,;]+' | s GLOB '*b*' | starts_with(s, 'a') | contains(s, 'b')
position('b' IN s) | lpad(s, 12, '*') | repeat(s, 2) | md5(s) | sha256(s) | format('{} {}', s, n)
printf('%.2f', x) | levenshtein(s, 'abc') | strip_accents(s) | s < 'b' | s COLLATE nocase = 'AB'
s IN ('a', '') | s IS DISTINCT FROM '' | coalesce(s, 'n') | nullif(s, '') | ifnull(m, 0)
CASE WHEN n > 0 THEN m ELSE x END | CASE n WHEN 7 THEN 'a' WHEN 3 THEN 'b' END
if(n > 0, 'p', 'q') | m IN (1.5, 0.5) | n IN (7, 3.0, '2') | n BETWEEN 0 AND 7
m BETWEEN '0' AND '2' | n NOT IN (7, NULL) | least(d, DATE '2026-01-01') + 1
d - DATE '2026-01-01' | t - TIMESTAMP '2026-01-01'
least(d, DATE '2026-01-01') + INTERVAL 1 MONTH | age(t, TIMESTAMP '2020-01-31')
date_diff('month', d, DATE '2026-03-01') | date_diff('week', d, DATE '2026-03-01')
date_part('week', d) | extract(dow FROM d) | extract(epoch FROM t) | year(d) | quarter(d)
weekofyear(d) | yearweek(d) | isoyear(d) | dayofyear(d) | dayname(d) | last_day(d) | epoch_us(t)
date_trunc('month', d) | date_trunc('week', t) | date_trunc('hour', t) | date_trunc('quarter', d)
date_trunc('day', t::TIMESTAMPTZ) | datetrunc('year', d) | typeof(date_trunc('month', d))
date_trunc('month', d) = '2026-02-01' | date_trunc('month', d) = DATE '2026-02-01'
time_bucket(INTERVAL 15 MINUTE, t) | strftime(t, '%Y-%m-%d %H:%M:%S.%f')
strftime(d, '%d.%m.%y %a') | strptime('2026-11-01 06:30', '%Y-%m-%d %H:%M')
try_strptime(s, '%Y-%m-%d') | t AT TIME ZONE 'Europe/Berlin' | extract(hour FROM t::TIMESTAMPTZ)
d > '2026-01-01' | t = d | t > TIMESTAMP '2026-01-01 00:00:00+02' | b AND n > 0 | b OR NULL
b = 'true' | n = '7' | m = 1.5 | x = 0.1 | m = x | p = x | n + 0.1 | m - x | m * n | n & 3 | n
xor(n, 3) | 1 << 3 | isnan(x) | isfinite(x) | gcd(n, 14) | [n, 2] | [m, 1.5]
list_contains([n, 2], 7) | list_sum([n, 2]) | list_avg([m, 2]) | list_sort([n, 2])
list_transform([n, 2], lambda v: v + 1) | [1, 2, 3][-1] | list_filter([n, 2], lambda v: v > 2)
{'a': n, 'b': s} | {'a': n}.a | MAP {'a': n}['a']
json_object('a', n, 's', s) | to_json(m) | to_json(t) | to_json([n, 2])
json_extract('{"a": [1, 2]}', '$.a[1]') | '{"a": 1.0}'::JSON->>'a' | json_valid(s) | typeof(m / 3)
typeof(m * m) | typeof(n + m) | typeof(round(m, 1)) | typeof(coalesce(m, 1)) | typeof(d - d)
typeof(CASE WHEN b THEN m ELSE n END) | CAST(INTERVAL '36 hours' AS VARCHAR)
CAST([s] AS VARCHAR) | CAST({'a': s} AS VARCHAR) | CAST(1e15::DOUBLE AS VARCHAR)
CAST(x::FLOAT AS VARCHAR) | TRY(CAST(s AS INTEGER)) | TRY(n + 9223372036854775807)
'inf'::DOUBLE > x | x > 'nan'
"""


SHAPES: Final = [each for line in EXPRESSIONS.split("\n") for each in line.split(" | ") if each]
CELLS: Final = [[cell or None for cell in line] for line in csv.reader(ROWS.splitlines()[1:])]


def refusals(expressions: Sequence[str]) -> dict[str, str]:
    """Those that a query may not have, with why; as `check_query` judges, by one database."""
    found = {}
    with binder(DATASET.column_types) as bound:
        for each in expressions:
            try:
                bound.check_expression(f"({each}) IS NOT NULL")
                bound.check_for_job(f"({each}) IS NOT NULL")
            except SqlError as error:
                found[each] = str(error)
    return found


# -- the three paths, each as a run takes it


def by_transform(cloud: Any, shapes: Sequence[str]) -> dict[str, list[str | None]]:
    """Each shape as text, by row."""
    columns = ", ".join(f"CAST(({each}\n) AS VARCHAR) AS e{n}" for n, each in enumerate(shapes))
    contract = DATASET.model_copy(update={"transform": f"SELECT id, {columns} FROM valid"})
    names = ("id", *(f"e{n}" for n in range(len(shapes))))
    ran = DataRun(cloud, contract, output_columns=tuple((name, "string") for name in names))
    validated = ran.lay_out(ROWS).validate()
    assert (validated.rows_in, validated.rejected) == (len(CELLS), 0)
    ran.transform(rows_in=len(CELLS))
    rows = sorted(ran.output_rows())
    assert [row[0] for row in rows] == [cells[0] for cells in CELLS]
    return {each: [row[n + 1] for row in rows] for n, each in enumerate(shapes)}


def stored_by_validate(cloud: Any, query: str) -> int:
    ran = DataRun(cloud, DATASET, run_id="run-2", query=query).lay_out(ROWS)
    validated = ran.validate()
    assert (validated.rows_in, validated.rejected) == (len(CELLS), 0)
    return len(ran.valid_rows())


def stored_by_the_job(cloud: Any, query: str) -> int:
    s3 = cloud.client("s3")
    put(s3, ROWS, "in/a.csv", DATASET.to_json())
    with pinned_job.running(SCRIPT) as job:
        assert job.main(arguments("in/a.csv", query)) is None
    return len(output(s3).rows) - 1


def asks_for(shape: str, values: Sequence[str | None]) -> str:
    """SQL, true for every row if the shape has these values."""
    cases = "".join(
        f" WHEN {sql_literal(str(cells[0]))} THEN {sql_literal(value)}"
        for cells, value in zip(CELLS, values, strict=True)
        if value is not None
    )
    expected = f"CASE id{cases} END" if cases else "NULL"
    return f"(CAST(({shape}\n) AS VARCHAR) IS NOT DISTINCT FROM {expected})"


@pytest.mark.slow
def test_every_typical_shape_passes_the_check() -> None:
    assert refusals(SHAPES) == {}


@pytest.mark.parametrize(
    "stored", [stored_by_validate, pytest.param(stored_by_the_job, marks=pytest.mark.slow)]
)
@pytest.mark.timeout(600)
def test_typical_shapes_compute_the_same_on_all_three_paths(
    cloud: Any, stored: Callable[[Any, str], int]
) -> None:
    """A query asks for the values that transform has computed, of all rows and shapes."""
    values = by_transform(cloud, SHAPES)
    asked = {each: asks_for(each, values[each]) for each in SHAPES}

    if stored(cloud, " AND ".join(asked.values())) != len(CELLS):  # which of them?
        stored_each = {each: stored(cloud, query) for each, query in asked.items()}
        assert stored_each == dict.fromkeys(SHAPES, len(CELLS))
    one_row_less = f"{' AND '.join(asked.values())} AND id <> 'r1'"
    assert stored(cloud, one_row_less) == len(CELLS) - 1


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("days_in_month(d) = 31", "function days_in_month is not there in the Glue job"),
        ("s COLLATE de = 'a' AND collate_de(s) IS NULL", "function collate_de is not there"),
        ("sqrt(m) > 1", "function sqrt differs in the Glue job"),
        ("epoch_ms(t) > 1", "use epoch_us"),
        ("s ~ 'a'", "use regexp_full_match or regexp_matches"),
        ("s !~ 'a'", "use regexp_full_match or regexp_matches"),
        ("list_aggr([n], 'arg_max_nulls_last') IS NULL", "arg_max_nulls_last"),
        ("list_aggregate([n, 2], 'max', 1) IS NULL", "max takes no count"),
        ("row(n)::VARCHAR = s", "a row of one field"),
        ("-(n::UINTEGER) = 1", "cast it to HUGEINT"),
        ("strftime('%Y', t::TIMESTAMPTZ) = s", "before the format"),
        ("time_bucket(INTERVAL 1 HOUR, t::TIME) IS NULL", "time_bucket takes no time of day"),
        ("t::TIME::TIME_NS IS NULL", "the type TIME_NS is not there"),
    ],
)
def test_a_query_that_the_job_would_compute_otherwise_is_refused(
    query: str, complaint: str
) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        check_query(query, DATASET)


@pytest.mark.parametrize(
    "query",
    [
        "(n, s) IN ((7, 'a'))",
        "-n = 1 AND n - 1 > 0 AND -(n::HUGEINT) = 1",
        "strftime('%Y', t) = s AND strftime(t::TIMESTAMPTZ, '%Y') = s",
        "list_max([n, 2]) = 7 AND list_aggregate([n, 2], 'max') = 7",
        "time_bucket(INTERVAL 1 HOUR, t) IS NULL AND t AT TIME ZONE 'Europe/Berlin' IS NULL",
    ],
)
def test_what_only_resembles_it_is_taken(query: str) -> None:
    check_query(query, DATASET)


def test_without_a_job_on_glue_the_same_query_is_taken() -> None:
    check_query("sqrt(m) > 1 AND s ~ 'a'", DATASET.model_copy(update={"jobs": ()}))
