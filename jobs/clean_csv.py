# ruff: noqa: S608 -- names and texts are quoted; SQL has no other way to take them
"""Glue Python shell job: read one object, leave out what is malformed or filtered, write clean CSV.

    clean_csv.py --JOB_ID … --RUN_ID … --UNIT_ID … --JOB_KEY … --INPUT_URL s3://bucket/key
                 --OUTPUT_URL s3://bucket/prefix/ --DATASET_URL s3://bucket/key [--QUERY SQL]

Under OUTPUT_URL it writes data/part-00000.csv (the contract's columns as text, empty is missing),
rejected.jsonl (the malformed rows) and, last, report.json. A repeat overwrites all three.

It stands alone, as Glue runs one file on Python 3.9 with boto3 and duckdb and nothing of ours. So
the rules of `src/steps/reading.py` and `checks.py` are here once more; a test holds them together.
It needs duckdb 1.4 or later.
"""

import argparse
import csv
import gzip
import json
import os
import re
import shutil
import sys
import tempfile
import time

import boto3
import duckdb

MEGABYTE = 1024 * 1024
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
REASONS = {
    "UNQUOTED VALUE": "a quote is not closed, or text follows a closing quote",
    "INVALID ENCODING": "not UTF-8",
}
COLUMN_COUNT = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
CSV = {"type": "csv", "delimiter": ",", "quote": '"', "header": True}


class JobError(Exception):
    """What ends the job with one clear line."""


# -- arguments and S3 ------------------------------------------------------------------------------


def arguments(argv):
    """The job's arguments; Glue adds some of its own, which are passed over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    for name in ("JOB_ID", "INPUT_URL", "OUTPUT_URL", "DATASET_URL"):
        parser.add_argument("--" + name, required=True)
    for name in ("RUN_ID", "UNIT_ID", "JOB_KEY", "QUERY", "INDEX"):
        parser.add_argument("--" + name)
    return parser.parse_known_args(joined(sys.argv[1:] if argv is None else argv))[0]


def joined(words):
    """`--NAME value` as `--NAME=value`: argparse takes a value like `-items<-3` for an option."""
    pairs, words = [], list(words)
    while words:
        word = words.pop(0)
        if word.startswith("--") and "=" not in word and words and not words[0].startswith("--"):
            word = word + "=" + words.pop(0)
        pairs.append(word)
    return pairs


def split_url(url):
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise JobError("not an S3 URL (s3://bucket/key): " + url)
    return bucket, key


def log(message, **fields):
    print(json.dumps({"message": message, **fields}), flush=True)


# -- reading ---------------------------------------------------------------------------------------


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def text(value):
    return "'" + str(value).replace("'", "''") + "'"


def text_column(name):
    return quoted("text-" + name)


def compression(path):
    return COMPRESSIONS.get(os.path.splitext(path)[1], "none")


def opened(path):
    return gzip.open(path) if path.endswith(".gz") else open(path, "rb")


def lines_of(path):
    return (
        f"read_csv({text(path)}, auto_detect = false, header = false, delim = '\x01', quote = '',"
        f" escape = '', columns = {{'line': 'VARCHAR'}}, compression = {text(compression(path))},"
        " store_rejects = true, rejects_limit = 0)"
    )


def header_of(connection, path, form, source):
    """Column names of the first line, lower case; None when there is no line."""
    if compression(path) == "zstd":
        row = connection.execute(f"SELECT line FROM {lines_of(path)} LIMIT 1").fetchone()
        line = (row[0] or "") if row else ""
    else:
        with opened(path) as file:
            try:
                line = file.readline(MEGABYTE).decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise JobError(f"{source}, line 1: the header is not UTF-8") from error
    if not line:
        return None
    reader = csv.reader([line.strip("\r\n")], delimiter=form["delimiter"], quotechar=form["quote"])
    return [field.strip().lower() for field in next(reader, [])]


def positions_of(header, names, source):
    missing = [name for name in names if name not in header]
    if missing:
        raise JobError(
            f"{source}, line 1: the header lacks {', '.join(missing)};"
            f" it has {', '.join(header)[:400]}"
        )
    twice = [name for name in names if header.count(name) > 1]
    if twice:
        raise JobError(f"{source}, line 1: the header has {', '.join(twice)} more than once")
    return {name: header.index(name) for name in names}


def read_csv(connection, path, form, names, source):
    """Make `source_rows` and `malformed`; answers the columns that the contract does not have."""
    header = header_of(connection, path, form, source) if form["header"] else list(names)
    header = list(names) if header is None else header
    positions = positions_of(header, names, source)
    fields = ", ".join(f"'f{i}': 'VARCHAR'" for i in range(len(header)))
    selected = ", ".join(f"f{positions[name]} AS {text_column(name)}" for name in names)
    connection.execute(
        f"CREATE TABLE source_rows AS SELECT {selected} FROM read_csv({text(path)},"
        f" auto_detect = false, header = {str(form['header']).lower()},"
        f" delim = {text(form['delimiter'])}, quote = {text(form['quote'])},"
        f" escape = {text(form['quote'])}, columns = {{{fields}}}, nullstr = '',"
        f" compression = {text(compression(path))}, store_rejects = true, rejects_limit = 0)"
    )
    keep_rejects(connection, header)
    return [name for name in header if name not in positions]


def read_json_lines(connection, path, names):
    connection.execute(f"CREATE TABLE json_lines AS SELECT line FROM {lines_of(path)}")
    keep_rejects(connection, [])
    is_object = "(CASE WHEN json_valid(line) THEN json_type(line) END) = 'OBJECT'"
    selected = ", ".join(
        f"nullif(json_extract_string(line, {text('$.' + name)}), '') AS {text_column(name)}"
        for name in names
    )
    connection.execute(
        f"CREATE TABLE source_rows AS SELECT {selected} FROM json_lines WHERE {is_object}"
    )
    # Line i (from 0) of those that were read is line i + 1 + the rejected ones before it.
    connection.execute(
        "INSERT INTO malformed SELECT NULL, bad.i + 1 + coalesce(rejected.n, 0), 'JSON',"
        " 'not a JSON object', NULL, bad.line"
        f" FROM (SELECT rowid AS i, line FROM json_lines WHERE line IS NOT NULL"
        f" AND ({is_object}) IS NOT TRUE) AS bad"
        " ASOF LEFT JOIN (SELECT i, max(n) AS n FROM (SELECT line"
        " - row_number() OVER (ORDER BY line) AS i, row_number() OVER (ORDER BY line) AS n"
        " FROM malformed) GROUP BY i) AS rejected ON bad.i >= rejected.i"
    )
    connection.execute("UPDATE malformed SET position = NULL")
    return []


def read_parquet(connection, path, names, source):
    relation = f"read_parquet({text(path)})"
    header = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
    positions = positions_of([name.strip().lower() for name in header], names, source)
    selected = ", ".join(
        f"nullif(CAST({quoted(header[positions[name]])} AS VARCHAR), '') AS {text_column(name)}"
        for name in names
    )
    connection.execute(f"CREATE TABLE source_rows AS SELECT {selected} FROM {relation}")
    keep_rejects(connection, [])
    return [name for name in header if name.strip().lower() not in positions]


def keep_rejects(connection, header):
    """Make the table `malformed`: one row per rejected record, with the error that tells most."""
    names = "[" + ", ".join(text(name) for name in header) + "]::VARCHAR[]"
    connection.execute(
        "CREATE TABLE malformed (position BIGINT, line BIGINT, kind VARCHAR, message VARCHAR,"
        " column_name VARCHAR, raw VARCHAR)"
    )
    query = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'"
    if not connection.execute(query).fetchone()[0]:
        return
    connection.execute(
        "INSERT INTO malformed SELECT line_byte_position - 1 + length(any_value(csv_line))"
        " - length(ltrim(any_value(csv_line), chr(10) || chr(13))), min(line),"
        " arg_min(error_type, byte_position), CASE WHEN bool_or(error_type = 'TOO MANY COLUMNS')"
        " THEN arg_max(error_message, byte_position)"
        " ELSE arg_min(error_message, byte_position) END,"
        " CASE WHEN NOT bool_or(error_type LIKE '%COLUMNS')"
        f" THEN ({names})[arg_min(column_idx, byte_position)::BIGINT] END, any_value(csv_line)"
        " FROM reject_errors GROUP BY line_byte_position"
    )


def read(connection, path, dataset, source):
    form = {**CSV, **(dataset.get("format") or {})}
    names = [column["name"] for column in dataset["columns"]]
    try:
        if form["type"] == "csv":
            return read_csv(connection, path, form, names, source)
        if form["type"] == "jsonl":
            return read_json_lines(connection, path, names)
        return read_parquet(connection, path, names, source)
    except duckdb.Error as error:
        raise JobError(f"{source} cannot be read: {first_line(error)}") from error


def first_line(error):
    message = str(error)
    if "CSV Parser state machine" in message:
        return "its line ends are mixed (some CR LF, some LF), or it is not CSV at all"
    return " ".join(message.split("\n\n")[0].split("Possible ")[0].split())[:400]


# -- the query -------------------------------------------------------------------------------------


def cast_column(column):
    """The typed value of a column's text; NULL where it is no value of the type."""
    kind = column.get("type", "string")
    value = f"trim({text_column(column['name'])})"
    if kind == "string":
        return text_column(column["name"])
    if kind == "boolean":
        return (
            f"CASE WHEN lower({value}) IN ('true', 't', 'yes', 'y', '1') THEN true"
            f" WHEN lower({value}) IN ('false', 'f', 'no', 'n', '0') THEN false END"
        )
    if kind == "double":
        number = f"TRY_CAST({value} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if kind == "timestamp":
        shape = (
            r"\d{4}-\d{2}-\d{2}"
            r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)?)?"
        )
        typed = f"TRY_CAST({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    elif kind in ("integer", "date"):
        shape = r"[+-]?\d+" if kind == "integer" else r"\d{4}-\d{2}-\d{2}"
        typed = f"TRY_CAST({value} AS {'BIGINT' if kind == 'integer' else 'DATE'})"
    else:
        scale = int(kind.rstrip(")").split(",")[1])
        shape = rf"[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{max(scale, 1)}}}0*)"
        typed = f"TRY_CAST({value} AS {kind})"
    return f"CASE WHEN regexp_full_match({value}, {text(shape)}) THEN {typed} END"


def filtered_condition(columns, query):
    """True for a row all of whose values have their types and for which the query is not true."""
    castable = " AND ".join(
        f"NOT ({text_column(c['name'])} IS NOT NULL AND {quoted(c['name'])} IS NULL)"
        for c in columns
    )
    return f"({castable} AND ({query}\n) IS NOT TRUE)"


# -- writing ---------------------------------------------------------------------------------------


def write_rows(connection, path, columns, query):
    """Write the rows that the query keeps; answers how many."""
    names = [column["name"] for column in columns]
    relation = "source_rows"
    if query:
        typed = ", ".join(f"{cast_column(c)} AS {quoted(c['name'])}" for c in columns)
        texts = ", ".join(text_column(name) for name in names)
        relation = (
            f"(SELECT {texts} FROM (SELECT *, {typed} FROM source_rows)"
            f" WHERE NOT {filtered_condition(columns, query)})"
        )
    selected = ", ".join(f"{text_column(name)} AS {quoted(name)}" for name in names)
    try:
        return connection.execute(
            f"COPY (SELECT {selected} FROM {relation}) TO {text(path)}"
            " (FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '')"
        ).fetchone()[0]
    except duckdb.Error as error:
        raise JobError(f"the query {query!r} fails: {first_line(error)}") from error


def write_rejects(connection, path, source_path, source):
    """Write the malformed rows with their lines; answers how many."""
    rows = connection.execute(
        "SELECT position, line, kind, message, column_name, raw FROM malformed"
        " ORDER BY position, line"
    )
    by_number = compression(source_path) == "zstd"  # its bytes cannot be counted here
    count = at = 0
    line_at = 1
    with opened(source_path) as file, open(path, "w", encoding="utf-8") as rejects:
        while True:
            batch = rows.fetchmany(1000)
            if not batch:
                return count
            for position, line, kind, message, column, raw in batch:
                if position is not None and not by_number:
                    while at < position:
                        piece = file.read(min(MEGABYTE, position - at))
                        if not piece:
                            break
                        at += len(piece)
                        line_at += piece.count(b"\n")
                    line = line_at
                reject = {"source": source, "line": line, "rule": "malformed"}
                if column is not None:
                    reject["column"] = column
                found = COLUMN_COUNT.search(message)
                reject["reason"] = (
                    f"{found.group(2)} columns instead of {found.group(1)}"
                    if found
                    else REASONS.get(kind, message)
                )
                reject["raw"] = raw.strip("\r\n")
                rejects.write(json.dumps(reject, ensure_ascii=False) + "\n")
                count += 1


def connect(directory):
    """A database in the scratch directory that SQL of a message cannot look out of."""
    connection = duckdb.connect(
        os.path.join(directory, "work.duckdb"),
        config={
            "temp_directory": os.path.join(directory, "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET allowed_directories = [{text(directory + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def run(options, s3, directory):
    started = time.monotonic()
    bucket, key = split_url(options.INPUT_URL)
    if key.endswith("/"):
        raise JobError("clean_csv reads an object, not another job's output: put it first")
    out_bucket, prefix = split_url(options.OUTPUT_URL.rstrip("/") + "/x")
    prefix = prefix[:-1]
    dataset_bucket, dataset_key = split_url(options.DATASET_URL)
    snapshot = json.load(s3.get_object(Bucket=dataset_bucket, Key=dataset_key)["Body"])
    dataset = snapshot["dataset"]
    source = s3.get_object(Bucket=bucket, Key=key)
    limit = (dataset.get("limits") or {}).get("objectMegabytes", 1024)
    if source["ContentLength"] > limit * MEGABYTE:
        raise JobError(f"{options.INPUT_URL} is larger than the contract's limit of {limit} MB")
    path = os.path.join(directory, "source" + os.path.splitext(key)[1])
    with open(path, "wb") as file:
        shutil.copyfileobj(source["Body"], file, MEGABYTE)
    log("read", job_id=options.JOB_ID, input=options.INPUT_URL, bytes=source["ContentLength"])

    connection = connect(directory)
    ignored = read(connection, path, dataset, options.INPUT_URL)
    data, rejects = os.path.join(directory, "data.csv"), os.path.join(directory, "rejected.jsonl")
    rows = connection.execute("SELECT count(*) FROM source_rows").fetchone()[0]
    kept = write_rows(connection, data, dataset["columns"], options.QUERY)
    bad = write_rejects(connection, rejects, path, options.INPUT_URL)
    connection.close()
    report = {
        "jobId": options.JOB_ID,
        "rowsIn": rows + bad,
        "rowsOut": kept,
        "rowsFiltered": rows - kept,
        "rowsBad": bad,
        "format": "csv",
        "files": ["data/part-00000.csv"],
        "ignoredColumns": ignored,
        "seconds": round(time.monotonic() - started, 3),
    }
    s3.upload_file(data, out_bucket, prefix + "data/part-00000.csv")
    s3.upload_file(rejects, out_bucket, prefix + "rejected.jsonl")
    s3.put_object(
        Bucket=out_bucket,
        Key=prefix + "report.json",
        Body=json.dumps(report, indent=1).encode(),
        ContentType="application/json",
    )
    log("wrote", **report)


def main(argv=None):
    """Run the job; answers None, or the one line that says why it failed."""
    options = arguments(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="clean-csv-") as directory:
            run(options, boto3.client("s3"), os.path.realpath(directory))
    except Exception as error:  # whatever ends the job, Glue shows the last line of stderr
        if not isinstance(error, JobError):
            log("failed", error=repr(error))
        return f"clean_csv: {' '.join(str(error).split())}"
    return None


if __name__ == "__main__":
    sys.exit(main())
