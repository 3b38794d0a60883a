"""Redshift's SQL in DuckDB's, and the refusal by name of what cannot be done."""

from __future__ import annotations

import duckdb
import pytest
from scratch_duckdb import connect

from local.local_cloud.redshift.copy import Copy, Format, Unload
from local.local_cloud.redshift.ddl import CreateTable
from local.local_cloud.redshift.load import fits
from local.local_cloud.redshift.sql import parameter_names, reads_only, translate
from local.local_cloud.redshift.statement_kinds import Change, Lock, NoEffect, Query, Statement
from local.local_cloud.redshift.tokens import SqlError, split_statements


def names_of(sql: str) -> tuple[str, ...] | None:
    statement = translate(sql)
    assert isinstance(statement, Query)
    return statement.names


def test_names_fold_to_lower_case_with_and_without_quotes() -> None:
    statement = translate('SELECT Total AS "MyTotal" FROM Public.Orders')
    assert isinstance(statement, Query)
    assert statement.sql == 'SELECT "total" AS "mytotal" FROM "public"."orders"'


def test_columns_without_an_alias_are_named_as_redshift_names_them() -> None:
    query = "SELECT count(*), sum(t.A), a::bigint, 1 + 1, case when b then 1 end, GETDATE() FROM t"
    assert names_of(query) == ("count", "sum", "a", "?column?", "case", "getdate")
    assert names_of("SELECT a FROM t UNION ALL SELECT b FROM u") == ("a",)
    assert names_of("SELECT *, 1 FROM t") is None


def test_a_text_literal_reads_a_backslash_as_an_escape() -> None:
    statement = translate(r"SELECT 'it''s', 'C:\\x', 'don\'t; stop'")
    assert isinstance(statement, Query)
    with connect() as connection:
        read = connection.sql(statement.sql).fetchall()
    assert read == [("it's", "C:\\x", "don't; stop")]


def test_semicolons_in_texts_and_comments_separate_nothing() -> None:
    assert split_statements("SELECT ';' -- ;\n; /* ; */ SELECT 2;;") == [
        "SELECT ';' -- ;",
        "/* ; */ SELECT 2",
    ]


def test_parameters_become_texts_and_are_found_everywhere() -> None:
    sql = "INSERT INTO t SELECT :a, b::int FROM s WHERE c = :b_2"
    assert parameter_names([sql, "SELECT ':no', x::text"]) == {"a", "b_2"}
    statement = translate(sql, {"a": "it's", "b_2": "2"})
    assert isinstance(statement, Change)
    assert "'it''s'" in statement.sql
    with pytest.raises(SqlError, match="no value was given for the parameter :b_2"):
        translate(sql, {"a": "1"})
    with pytest.raises(SqlError, match="parameters cannot be used in COPY"):
        translate("COPY t FROM :url IAM_ROLE default", {"url": "s3://b/k"})


def test_a_table_is_made_without_what_says_how_rows_are_stored() -> None:
    statement = translate(
        """CREATE TABLE IF NOT EXISTS Public.Orders (
            id BIGINT IDENTITY(100, 10) ENCODE az64,
            name VARCHAR(5) DISTKEY SORTKEY NOT NULL DEFAULT 'a, b',
            data SUPER, made TIMESTAMP DEFAULT GETDATE(), price NUMERIC, rate DOUBLE PRECISION,
            seen TIMESTAMP WITH TIME ZONE, note CHARACTER VARYING(MAX),
            PRIMARY KEY (id), UNIQUE (name), FOREIGN KEY (id) REFERENCES other (id)
        ) DISTSTYLE KEY COMPOUND SORTKEY (id, name)"""
    )
    assert isinstance(statement, CreateTable)
    kinds = [(column.name, column.kind, column.length) for column in statement.columns]
    assert kinds == [
        ("id", "BIGINT", None),
        ("name", "VARCHAR", 5),
        ("data", "JSON", None),
        ("made", "TIMESTAMP", None),
        ("price", "DECIMAL(18,0)", None),
        ("rate", "DOUBLE", None),
        ("seen", "TIMESTAMPTZ", None),
        ("note", "VARCHAR", 65535),
    ]
    assert statement.columns[0].identity == (100, 10)
    assert statement.columns[1].default == "'a, b'"
    assert statement.columns[1].not_null


def test_tables_like_others_and_temporary_ones_are_read() -> None:
    statement = translate("CREATE TEMP TABLE stage (LIKE public.orders INCLUDING DEFAULTS)")
    assert isinstance(statement, CreateTable)
    assert (statement.temporary, statement.like) == (True, ("public", "orders"))
    assert statement.like_defaults
    hashed = translate("CREATE TABLE #stage (a INT)")
    assert isinstance(hashed, CreateTable)
    assert hashed.temporary


def test_copy_is_read_with_its_options() -> None:
    statement = translate(
        r"""COPY public.t (A, b) FROM 's3://bucket/in/' IAM_ROLE 'arn:aws:iam::1:role/r'
        CSV QUOTE AS '%' DELIMITER '\t' IGNOREHEADER AS 1 NULL AS '' GZIP TIMEFORMAT 'auto'
        EMPTYASNULL COMPUPDATE OFF STATUPDATE ON REGION 'us-east-1'"""
    )
    assert statement == Copy(
        ("public", "t"),
        ("a", "b"),
        "s3://bucket/in/",
        Format.CSV,
        delimiter="\t",
        quote="%",
        null_as="",
        header_lines=1,
        gzip=True,
        empty_as_null=True,
    )
    parquet = translate("COPY t FROM 's3://b/k' IAM_ROLE default FORMAT AS PARQUET")
    assert parquet == Copy(("t",), None, "s3://b/k", Format.PARQUET)


def test_unload_is_read_with_its_query() -> None:
    statement = translate(
        "UNLOAD ('SELECT a, count(*) FROM t WHERE b = ''x'' GROUP BY 1') TO 's3://b/out/'"
        " IAM_ROLE default FORMAT AS CSV HEADER PARALLEL OFF ALLOWOVERWRITE"
    )
    assert isinstance(statement, Unload)
    assert "\"b\" = 'x'" in statement.query
    assert (statement.names, statement.delimiter) == (("a", "count"), ",")
    assert (statement.header, statement.parallel, statement.allow_overwrite) == (True, False, True)


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("LOCK a, Public.B", Lock((("a",), ("public", "b")))),
        ("ANALYZE t", NoEffect("ANALYZE")),
        ("VACUUM FULL t", NoEffect("VACUUM", alone=True)),
        ("GRANT SELECT ON t TO PUBLIC", NoEffect("GRANT")),
        ("DELETE t USING s WHERE t.a = s.a",
         Change('DELETE FROM "t" USING "s" WHERE "t"."a" = "s"."a"')),
    ],
)  # fmt: skip
def test_statements_of_few_words(sql: str, statement: Statement) -> None:
    assert translate(sql) == statement


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT CASE WHEN COUNT(*) = 0 THEN 0 ELSE CAST('later' AS BIGINT) END FROM t",
         'invalid input syntax for integer: "later"'),
        ("SELECT ('a' || ' b')::DECIMAL(3, 1) FROM t", 'for numeric: "a b"'),
        ("SELECT CAST('1.5' AS BIGINT) FROM t", 'for integer: "1.5"'),
        ("INSERT INTO t SELECT a FROM s WHERE CAST(CAST('x' AS VARCHAR) AS BOOLEAN)",
         'for boolean: "x"'),
        ("CREATE VIEW v AS SELECT CAST('x' AS INT) AS a", 'for integer: "x"'),
        ("SELECT list_value(1)", "function list_value does not exist in Redshift"),
        ("SELECT regexp_extract(a, 'x') FROM t", "function regexp_extract does not exist"),
        ("SELECT * FROM read_parquet('s3://b/k')", "function read_parquet does not exist"),
        ("SELECT range FROM range(4)", "function range does not exist"),
        ("SELECT a FROM (VALUES (1)) AS v(a)", "no VALUES list used as a table"),
        ("SELECT DISTINCT ON (a) a, b FROM t", "no DISTINCT ON"),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "no INSERT … ON CONFLICT"),
        ("INSERT INTO t VALUES (1) RETURNING a", "no RETURNING"),
        ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT", "ADD COLUMN has no IF NOT EXISTS"),
    ],
)  # fmt: skip
def test_what_duckdb_takes_and_redshift_does_not_is_refused(sql: str, why: str) -> None:
    with pytest.raises(SqlError) as caught:
        translate(sql)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CASE WHEN COUNT(*) = 0 THEN 0"
        " ELSE CAST('later: ' || CAST(COUNT(*) AS VARCHAR) AS BIGINT) END FROM t",
        "SELECT CAST(' -12 ' AS BIGINT), '1e3'::DOUBLE PRECISION, 'true'::BOOLEAN",
        "SELECT TRY_CAST('x' AS INT)",
        "SELECT a, b, COUNT(*) FROM t GROUP BY ROLLUP (a, b)",
        "SELECT a, COUNT(*) FROM t GROUP BY GROUPING SETS ((a), ())",
        "INSERT INTO s.t (a, b) SELECT a, ROW_NUMBER() OVER (PARTITION BY b ORDER BY a) FROM u",
        "WITH x (a) AS (SELECT 1), y (b) AS (SELECT 2) SELECT a, b FROM x CROSS JOIN y",
        "SELECT a::VARCHAR(3), LEFT(b, 2), a IN (1, 2) FROM (SELECT 1, 'x') AS v (a, b)",
    ],
)
def test_what_redshift_takes_is_read_and_becomes_sql_of_duckdb(sql: str) -> None:
    statement = translate(sql)
    assert isinstance(statement, Query | Change)
    assert len(duckdb.extract_statements(statement.sql)) == 1


def test_only_queries_leave_the_database_as_it_is() -> None:
    assert reads_only(translate("SELECT 1"))
    assert not reads_only(translate("LOCK t"))
    assert not reads_only(translate("SELECT 1 AS a INTO t"))


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("CALL load_all()", "CALL"),
        ("BEGIN", "BEGIN"),
        ("COMMIT", "COMMIT"),
        ("SHOW TABLES", "SHOW"),
        ("CREATE PROCEDURE p() AS $$ BEGIN; END; $$ LANGUAGE plpgsql", "CREATE PROCEDURE"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED"),
        ("CREATE EXTERNAL SCHEMA s FROM DATA CATALOG", "CREATE EXTERNAL"),
        ("CREATE TABLE t (g GEOMETRY)", "the type geometry"),
        ("ALTER TABLE t APPEND FROM s", "ALTER TABLE … APPEND"),
        ("ALTER USER u PASSWORD 'x'", "ALTER USER"),
        ("DROP USER u", "DROP USER"),
        ("SET query_group TO 'x'", "SET query_group"),
        ("MERGE INTO t USING s ON t.a = s.a REMOVE DUPLICATES", "MERGE … REMOVE DUPLICATES"),
        ("COPY t FROM 's3://b/k' IAM_ROLE default AVRO 'auto'", "the COPY option AVRO"),
        ("COPY t FROM 's3://b/k' IAM_ROLE default MAXERROR 5", "MAXERROR above 0"),
        ("COPY t FROM 's3://b/k' IAM_ROLE default JSON 's3://b/paths'", "JSON 's3://b/paths'"),
        ("COPY t FROM 'dynamodb://x' IAM_ROLE default", "COPY with 'dynamodb://x'"),
        ("UNLOAD ('SELECT 1') TO 's3://b/k' IAM_ROLE default PARTITION BY (a)",
         "the UNLOAD option PARTITION"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(sql: str, what: str) -> None:
    with pytest.raises(SqlError) as refusal:
        translate(sql)
    assert str(refusal.value).startswith(what)
    assert "not emulated by the local Redshift" in str(refusal.value)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "an empty statement"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELEC 1", 'at or near "SELEC"'),
        ("SELECT * FROM t WHERE", 'at or near "WHERE"'),
        ("CREATE TABLE t (a INT WHATEVER)", 'at or near "WHATEVER"'),
        ("CREATE TABLE t", "without columns"),
        ("TRUNCATE t, u", 'at or near ","'),
        ("COPY t FROM 's3://b/k' CSV", "authorization"),
    ],
)
def test_errors_say_where_they_are(sql: str, message: str) -> None:
    with pytest.raises(SqlError, match=message):
        translate(sql)


@pytest.mark.parametrize(
    ("file", "column", "fitting"),
    [
        ("BIGINT", "BIGINT", True),
        ("INTEGER", "BIGINT", False),
        ("BIGINT", "INTEGER", False),
        ("DOUBLE", "FLOAT", False),
        ("VARCHAR", "DATE", False),
        ("TIMESTAMP_NS", "TIMESTAMP", True),
        ("DECIMAL(10,2)", "DECIMAL(12,2)", True),
        ("DECIMAL(10,2)", "DECIMAL(12,4)", False),
    ],
)
def test_parquet_types_must_be_those_of_the_columns(file: str, column: str, fitting: bool) -> None:
    assert fits(file, column) is fitting


MATCHED = " WHEN MATCHED THEN UPDATE SET v = s.v"
MISSING = " WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (f"MERGE INTO t AS x USING s ON x.id = s.id{MATCHED}{MISSING}", "without an alias"),
        (f"MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id{MATCHED}{MISSING}", "subquery"),
        (f"MERGE INTO t USING s ON t.id = s.id AND t.v > 1{MATCHED}{MISSING}", "equal predicates"),
        (f"MERGE INTO t USING s ON t.id = s.id{MATCHED}", "one WHEN MATCHED and then"),
        (f"MERGE INTO t USING s ON t.id = s.id{MISSING}{MATCHED}", "one WHEN MATCHED and then"),
        (
            "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED AND s.v > 1 THEN DELETE" + MISSING,
            "one WHEN MATCHED and then",
        ),
    ],
)
def test_a_merge_that_redshift_does_not_take_is_refused(sql: str, reason: str) -> None:
    with pytest.raises(SqlError, match=reason):
        translate(sql)


def test_a_merge_by_several_columns_is_taken() -> None:
    merge = "MERGE INTO p.t USING s ON (p.t.id = s.id) AND (p.t.day = s.day AND p.t.n = s.n)"
    assert isinstance(translate(merge + MATCHED + MISSING), Change)
