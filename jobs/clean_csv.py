# ruff: noqa: S608 -- names and texts are quoted; SQL has no other way to take them
"""Glue Python shell job: read one object, leave out what is malformed or filtered, write clean CSV.

    clean_csv.py --JOB_ID … --RUN_ID … --UNIT_ID … --JOB_KEY … --INPUT_URL s3://bucket/key
                 --OUTPUT_URL s3://bucket/prefix/ --DATASET_URL s3://bucket/key [--QUERY SQL]

Under OUTPUT_URL it writes data/part-00000.csv (the contract's columns as text, empty is missing),
rejected.jsonl (the malformed rows) and, last, report.json. A repeat overwrites all three.

It stands alone, as Glue runs one file on Python 3.9 with boto3 and duckdb and nothing of ours. So
the rules of `src/reading/reader.py` and `checks.py` are here once more; a test holds them together.
It needs duckdb 1.4 or later.
"""

import argparse
import codecs
import csv
import gzip
import json
import os
import re
import sys
import tempfile
import time
import zlib

import boto3
import duckdb

MEGABYTE = 1024 * 1024
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
COLUMN_COUNT = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
CSV = {"type": "csv", "delimiter": ",", "quote": '"', "header": True}
LONGEST_RECORD = 2_000_000
DECIMAL_DIGITS = 38  # of DuckDB's widest decimal; wider ones it reads as doubles
LINE = '"json-line"'
# duckdb 1.4, the last for Python 3.9, has no limit for the lines that it keeps of rejects, and has
# another word for a file that is not compressed where it reads JSON.
DUCKDB_2 = int(duckdb.__version__.partition(".")[0]) >= 2
# Numbers that come through a double with another value or in another writing.
DELICATE = r"[0-9.]{16}|\.[0-9]*0([^0-9]|$)|0\.000|[0-9][eE][-+0-9]|-0"
TOKENS = r'("(?:[^"\\]|\\.)*")|(-?[0-9][-+0-9.eE]*)'
IS_OBJECT = '(CASE WHEN json_valid("json-line") THEN json_type("json-line") END) = \'OBJECT\''


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


# -- fetching --------------------------------------------------------------------------------------


def mark(error):
    """Stands for what is no text of the encoding: a byte that no UTF-8 has."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error("clean-csv-mark", mark)


def compression_of(key, form):
    named = form.get("compression", "auto")
    if form["type"] == "parquet":
        return "none"
    return COMPRESSIONS.get(os.path.splitext(key)[1], "none") if named == "auto" else named


def fetch(body, key, form, directory, source):
    """Copy the object to a file as plain UTF-8; answers its path and how it is still compressed."""
    compression = compression_of(key, form)
    path = os.path.join(directory, "source" + (".zst" if compression == "zstd" else ".txt"))
    encoding = form.get("encoding", "utf-8")
    if compression == "zstd" and encoding != "utf-8":
        raise JobError(f"{source}: zstd goes with UTF-8 only; for {encoding} compress with gzip")
    decoder = codecs.getincrementaldecoder(encoding)(errors="clean-csv-mark")
    as_it_is = encoding == "utf-8"
    with open(path, "wb") as file:
        try:
            stream = gzip.GzipFile(fileobj=body) if compression == "gzip" else body
            while True:
                piece = stream.read(MEGABYTE)
                if not as_it_is:
                    text_of = decoder.decode(piece, final=not piece)
                    file.write(text_of.encode("utf-8", "surrogateescape"))
                else:
                    file.write(piece)
                if not piece:
                    break
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise JobError(f"{source} cannot be decompressed: {error}") from error
    if form["type"] in ("csv", "jsonl") and compression != "zstd" and is_mixed(path):
        path = with_equal_line_ends(path, form["quote"].encode() if form["type"] == "csv" else b"")
    return path, "zstd" if compression == "zstd" else "none"


def is_mixed(path):
    """Whether CR LF, CR and LF all or partly occur, be it in values."""
    returns = pairs = ends = 0
    before = b""
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(MEGABYTE), b""):
            returns += piece.count(b"\r")
            pairs += (before + piece).count(b"\r\n")
            ends += piece.count(b"\n")
            before = piece[-1:]
    return returns != pairs or pairs not in (0, ends)


def with_equal_line_ends(path, quote=b""):
    """A copy in which every line ends in LF; what stands between quotes stays as it is."""
    within, rest, done = False, b"", False
    with open(path, "rb") as source, open(path + ".lf", "wb") as file:
        while not done:
            piece = source.read(MEGABYTE)
            done = not piece
            whole, rest = rest + piece, b""
            if piece and whole.endswith(b"\r"):  # perhaps the first half of a line end
                whole, rest = whole[:-1], whole[-1:]
            parts = whole.split(quote) if quote else [whole]
            for number in range(within, len(parts), 2):
                parts[number] = parts[number].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            within = within != (len(parts) % 2 == 0)
            file.write(quote.join(parts))
    os.remove(path)
    return path + ".lf"


# -- reading ---------------------------------------------------------------------------------------


class MixedLineEnds(Exception):
    """The scan came to a line end unlike the others before it."""


class Source:
    """A file as a relation of texts; what the fields mean is told in `src/reading/reader.py`."""

    def __init__(self, keeping, passing, header, ignored=(), fields=(), malformed=None):
        self.keeping, self.passing = keeping, passing
        self.header, self.ignored, self.fields = header, ignored, fields
        self.malformed = malformed  # of JSON: true for what is no object

    @property
    def touched(self):
        """Never true, but reads every field, so that all scans reject the same rows."""
        return " OR ".join(f"strlen({field}) < 0" for field in self.fields) or "false"


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def text(value):
    return "'" + str(value).replace("'", "''") + "'"


def text_column(name):
    return quoted("text-" + name)


def rejects(keep):
    """`ignore_errors` would lose good rows after a bad quote, so every scan stores its rejects."""
    table = "unread" if keep else "unread_again"
    return (
        f"store_rejects = true, rejects_limit = {0 if keep else 1}, rejects_table = '{table}',"
        f" rejects_scan = '{table}_scan'"
        + (f", rejects_line_size_limit = {LONGEST_RECORD}" if DUCKDB_2 else "")
    )


def lines_of(path, compression, keep=True):
    return (
        f"read_csv({text(path)}, auto_detect = false, header = false, delim = '\x01', quote = '',"
        f" escape = '', columns = {{'json-line': 'VARCHAR'}}, compression = {text(compression)},"
        f" {rejects(keep)})"
    )


def folded(name):
    return name.strip().lower()


def header_of(connection, path, compression, form, source):
    """Column names of the first line, lower case; None when there is no line."""
    if compression == "zstd":
        lines = lines_of(path, compression, keep=False)
        row = connection.execute(f"SELECT * FROM {lines} LIMIT 1").fetchone()
        if row is None:
            return None
        line = row[0] or ""
    else:
        with open(path, "rb") as file:
            first = file.readline(MEGABYTE)
        if not first:
            return None
        try:
            line = first.replace(b"\r", b"\n").partition(b"\n")[0].decode("utf-8-sig")
        except UnicodeDecodeError as error:
            encoding = form.get("encoding", "utf-8").upper()
            raise JobError(f"{source}, line 1: the header is not {encoding}") from error
    reader = csv.reader([line], delimiter=form["delimiter"], quotechar=form["quote"])
    header = [folded(field) for field in next(reader, [])]
    if not header:
        raise JobError(f"{source}, line 1: the header is expected here, but the line is empty")
    return header


def positions_of(header, names, source):
    """Where the contract's columns stand: by their source, else by their own name."""
    small = [folded(name) for name in header]

    def places(wanted):
        exact = [at for at, name in enumerate(header) if name == wanted]
        return exact or [at for at, name in enumerate(small) if name == folded(wanted)]

    found = {}
    for name, wanted in names.items():
        found[name] = places(wanted)
        own = [] if folded(wanted) == name else places(name)
        if found[name] and own:
            raise JobError(f"{source}, line 1: {both(name, wanted, 'the header')}")
        found[name] = found[name] or own
    missing = [shown(name, names[name]) for name, at in found.items() if not at]
    if missing:
        raise JobError(
            f"{source}, line 1: the header lacks {', '.join(missing)};"
            f" it has {', '.join(header)[:400]}"
        )
    twice = [shown(name, names[name]) for name, at in found.items() if len(at) > 1]
    if twice:
        raise JobError(f"{source}, line 1: the header has {', '.join(twice)} more than once")
    return {name: at[0] for name, at in found.items()}


def shown(name, wanted):
    return name if name == wanted else f'"{wanted}" (column {name})'


def both(name, wanted, where):
    return (
        f'{where} has both "{wanted}" and {name}, and either would be column {name} of the'
        " contract; give the column another name, or leave one out of the file"
    )


def in_contract_names(header, positions):
    known = {at: name for name, at in positions.items()}
    return [known.get(at, name) for at, name in enumerate(header)]


def json_values(paths):
    """The texts at these paths of an object, its numbers as they are written."""
    wanted = f"[{', '.join(text(path) for path in paths)}]"
    # Behind each token comes what makes a number a text, and is taken away again behind a text.
    marked = f"regexp_replace({LINE}, {text(TOKENS)}, '\\1\x02\\2\x03', 'g')"
    texts = f"replace(replace(replace({marked}, '\x02\x03', ''), '\x02', '\"'), '\x03', '\"')"
    plain = f"json_extract_string({LINE}, {wanted})"
    exact = (
        f"list_transform(list_zip(json_type({LINE}, {wanted}), {plain},"
        f" json_extract_string({texts}, {wanted})),"
        " lambda found: CASE WHEN found[1] IN ('DOUBLE', 'BIGINT', 'UBIGINT')"
        " THEN found[3] ELSE found[2] END)"
    )
    return (
        f"CASE WHEN ({IS_OBJECT}) IS NOT TRUE THEN NULL"
        f" WHEN regexp_matches({LINE}, {text(DELICATE)}) THEN {exact} ELSE {plain} END"
    )


def json_texts(names):
    """A JSON object's texts, one for each column; an object with both names of one is an error."""
    own = [name for name, key in names.items() if key != name]
    keys = [key.replace("~", "~0").replace("/", "~1") for key in (*names.values(), *own)]
    found = json_values(["/" + key for key in keys])
    if not own:
        return found
    texts = []
    for n, (name, key) in enumerate(names.items(), start=1):
        one = f"found[{n}]"
        if name in own:
            other = f"found[{len(names) + own.index(name) + 1}]"
            refusal = f"error({text(both(name, key, 'a record'))})"
            one = (
                f"CASE WHEN {one} IS NOT NULL AND {other} IS NOT NULL THEN {refusal}"
                f" ELSE coalesce({one}, {other}) END"
            )
        texts.append(one)
    listed = f"CASE WHEN found IS NOT NULL THEN [{', '.join(texts)}] END"
    return f"list_transform([{found}], lambda found: {listed})[1]"


def may_span_lines(connection, path, compression, form):
    """Whether a quote is open at the end of some line; then one thread has to read the file."""
    if compression == "zstd":
        return True
    mark = text(form["quote"])
    odd = f'(strlen("json-line") - strlen(replace("json-line", {mark}, \'\'))) % 2 = 1'
    query = f"SELECT count(*) FROM {lines_of(path, compression, keep=False)} WHERE {odd}"
    try:
        return bool(connection.execute(query).fetchone()[0])
    except duckdb.Error:  # not even lines: whatever it is, it is read in order
        return True


def csv_source(connection, path, compression, form, names, source):
    header = list(names)
    if form["header"]:
        header = header_of(connection, path, compression, form, source) or list(names)
    positions = positions_of(header, names, source)
    header = in_contract_names(header, positions)
    fields = [quoted(f"field-{number}") for number in range(len(header))]
    columns = ", ".join(f"{text(field[1:-1])}: 'VARCHAR'" for field in fields)
    selected = ", ".join(f"{fields[positions[name]]} AS {text_column(name)}" for name in names)
    parallel = str(not may_span_lines(connection, path, compression, form)).lower()

    def relation(keep):
        return (
            f"(SELECT *, {selected} FROM read_csv({text(path)}, auto_detect = false,"
            f" header = {str(form['header']).lower()}, delim = {text(form['delimiter'])},"
            f" quote = {text(form['quote'])}, escape = {text(form['quote'])},"
            f" columns = {{{columns}}}, nullstr = '', compression = {text(compression)},"
            f" parallel = {parallel}, {rejects(keep)}))"
        )

    ignored = [name for name in header if name not in positions]
    return Source(relation(True), relation(False), header, ignored, fields)


def json_source(path, compression, names, is_array):
    selected = ", ".join(
        f"nullif(\"json-values\"[{n}], '') AS {text_column(name)}"
        for n, name in enumerate(names, start=1)
    )
    packed = "uncompressed" if compression == "none" and not DUCKDB_2 else compression
    items = (
        f'(SELECT CAST(json AS VARCHAR) AS "json-line" FROM read_json_objects({text(path)},'
        f" format = 'array', compression = {text(packed)}))"
    )

    def relation(keep):
        lines = items if is_array else lines_of(path, compression, keep)
        values = json_texts(names)
        return (
            f'(SELECT *, {selected} FROM (SELECT "json-line", {values} AS "json-values"'
            f" FROM {lines}))"
        )

    malformed = f'"json-line" IS NOT NULL AND ({IS_OBJECT}) IS NOT TRUE'
    return Source(relation(True), relation(False), list(names), malformed=malformed)


def parquet_columns(connection, path):
    """Of each outermost column: name, why its texts are not its values, whether it is bytes."""
    schema = connection.execute(
        "SELECT name, coalesce(num_children, 0), coalesce(precision, 0), coalesce(type, ''),"
        " coalesce(converted_type, ''), coalesce(logical_type, '')"
        f" FROM parquet_schema({text(path)})"
    ).fetchall()[1:]
    columns, at = [], 0
    while at < len(schema):
        name, children, digits, kind, converted, logical = schema[at]
        trouble = None
        if children:
            trouble = "nested"
        elif kind == "INT96":
            trouble = "INT96"
        elif digits > DECIMAL_DIGITS:
            trouble = f"{digits} digits"
        elif "NANOS=NanoSeconds" in logical and not DUCKDB_2:
            trouble = "nanoseconds"
        columns.append((name, trouble, "BYTE_ARRAY" in kind and not converted + logical))
        end = at + 1 + children
        at += 1
        while at < end:
            end += schema[at][1]
            at += 1
    return columns


def parquet_source(connection, path, names, source):
    columns = parquet_columns(connection, path)
    header = [column[0] for column in columns]  # DuckDB renames columns that differ in case only
    positions = positions_of(header, names, source)
    bent = [f"{columns[at][0]} ({columns[at][1]})" for at in positions.values() if columns[at][1]]
    if bent:
        raise JobError(
            f"{source}: this job cannot read exactly: {', '.join(bent)}; give the dataset no such"
            " job, as the validate step can, or write decimals of at most"
            f" {DECIMAL_DIGITS} digits, timestamps of microseconds, and nested values as JSON text"
        )
    file = f"read_parquet({text(path)}) AS file({', '.join(f'c{n}' for n in range(len(header)))})"
    values = {
        name: f"decode(c{at})" if columns[at][2] else f"CAST(c{at} AS VARCHAR)"
        for name, at in positions.items()
    }
    selected = ", ".join(f"nullif({values[name]}, '') AS {text_column(name)}" for name in names)
    relation = f"(SELECT {selected} FROM {file})"
    ignored = [name for at, name in enumerate(header) if at not in positions.values()]
    return Source(relation, relation, list(names), ignored)


def open_source(connection, path, compression, dataset, source):
    form = {**CSV, **(dataset.get("format") or {})}
    names = {c["name"]: c.get("source") or c["name"] for c in dataset["columns"]}
    try:
        if form["type"] == "csv":
            return csv_source(connection, path, compression, form, names, source)
        if form["type"] in ("json", "jsonl"):
            return json_source(path, compression, names, form["type"] == "json")
        return parquet_source(connection, path, names, source)
    except duckdb.Error as error:
        raise JobError(f"{source} cannot be read: {first_line(error)}") from error


def collect_malformed(connection, header):
    """Make the table `malformed`: one row per rejected record, with the error that tells most."""
    names = "[" + ", ".join(text(name) for name in header) + "]::VARCHAR[]"
    connection.execute(
        "CREATE OR REPLACE TABLE malformed (position BIGINT, line BIGINT, kind VARCHAR,"
        " message VARCHAR, column_name VARCHAR, raw VARCHAR)"
    )
    query = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'unread'"
    if not connection.execute(query).fetchone()[0]:
        return
    connection.execute(
        "INSERT INTO malformed SELECT line_byte_position - 1 + strlen(any_value(csv_line))"
        " - strlen(ltrim(any_value(csv_line), chr(10) || chr(13))), min(line),"
        " arg_min(error_type, byte_position), CASE WHEN bool_or(error_type = 'TOO MANY COLUMNS')"
        " THEN arg_max(error_message, byte_position)"
        " ELSE arg_min(error_message, byte_position) END,"
        " CASE WHEN NOT bool_or(error_type LIKE '%COLUMNS')"
        f" THEN ({names})[arg_min(column_idx, byte_position)::BIGINT] END, any_value(csv_line)"
        " FROM unread GROUP BY line_byte_position"
    )


def has_mixed_line_ends(error):
    return "CSV Parser state machine" in str(error)


def first_line(error):
    if has_mixed_line_ends(error):
        return "it is not CSV of this dialect"
    return " ".join(str(error).split("\n\n")[0].split("Possible ")[0].split())[:400]


# -- the query -------------------------------------------------------------------------------------


DAY = r"(000[1-9]|00[1-9]\d|0[1-9]\d{2}|[1-9]\d{3})-\d{2}-\d{2}"  # there is no year 0
SHAPES = {
    "integer": r"[+-]?\d+",
    "date": DAY,
    "double": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?",
    "timestamp": (
        DAY + r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6}0*)?)?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)?)?"
    ),
}


FIRST = "TIMESTAMP '0001-01-01 00:00:00'"
LAST = "TIMESTAMP '9999-12-31 23:59:59.999999'"
WITH_EXPONENT = r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3}"


def shaped(value, shape, typed):
    return f"CASE WHEN regexp_full_match({value}, {text(shape)}) THEN {typed} END"


def with_exponent(value, decimal):
    """A decimal written as 1.5e-7, if it needs no rounding; few digits, so that a double tells."""
    typed = f"TRY_CAST({value} AS {decimal})"
    fits = f"strlen({value}) <= 17 AND regexp_full_match({value}, {text(WITH_EXPONENT)})"
    same = f"CAST({typed} AS DOUBLE) = TRY_CAST({value} AS DOUBLE)"
    return f"CASE WHEN {fits} AND {same} THEN {typed} END"


def cast_column(column):
    """The typed value of a column's text; NULL where it is no value of the type."""
    kind = column.get("type", "string")
    raw = text_column(column["name"])
    value = f"trim({raw})"
    if kind == "string":
        return raw
    if kind == "boolean":
        return f"coalesce(TRY_CAST({raw} AS BOOLEAN), TRY_CAST({value} AS BOOLEAN))"
    if kind == "double":
        number = shaped(value, SHAPES["double"], f"TRY_CAST({value} AS DOUBLE)")
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if kind == "timestamp":
        instant = f"TRY_CAST({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
        fits = f"strlen({raw}) = 20 AND {raw} >= '0001' AND suffix({raw}, 'Z')"
        common = f"CASE WHEN {fits} THEN try_strptime({raw}, '%Y-%m-%dT%H:%M:%SZ') END"
        at_an_end = f"{value} LIKE '9999-12-31%' OR {value} LIKE '0001-01-01%'"
        out = f"({at_an_end}) AND {instant} NOT BETWEEN {FIRST} AND {LAST}"
        inside = f"CASE WHEN {out} THEN NULL ELSE {instant} END"
        return f"coalesce({common}, {shaped(value, SHAPES['timestamp'], inside)})"
    if kind in SHAPES:
        shape, duck_type = SHAPES[kind], "BIGINT" if kind == "integer" else "DATE"
    else:
        scale = int(kind.rstrip(")").split(",")[1])
        shape = rf"[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{max(scale, 1)}}}0*)"
        duck_type = kind.upper()
    typed = f"TRY_CAST({raw} AS {duck_type})"
    common = f"CAST({typed} AS VARCHAR) = {raw}"
    if kind == "date":
        common = f"{raw} LIKE '____-__-__' AND {raw} >= '0001' AND {common}"
    otherwise = shaped(value, shape, f"TRY_CAST({value} AS {duck_type})")
    if kind not in SHAPES:
        otherwise = f"coalesce({otherwise}, {with_exponent(value, duck_type)})"
    return f"CASE WHEN {common} THEN {typed} ELSE {otherwise} END"


def filtered_condition(columns, query):
    """True for a row all of whose values have their types and for which the query is not true."""
    castable = " AND ".join(
        f"NOT ({text_column(c['name'])} IS NOT NULL AND {quoted(c['name'])} IS NULL)"
        for c in columns
    )
    return f"({castable} AND ({query}\n) IS NOT TRUE)"


# -- writing ---------------------------------------------------------------------------------------


def write_rows(connection, path, source, columns, query):
    """Write the rows that the query keeps; answers how many, and how many it leaves out."""
    names = [column["name"] for column in columns]
    texts = ", ".join(f"{text_column(name)} AS {quoted(name)}" for name in names)
    none = source.touched
    if source.malformed:
        none = f'"json-line" IS NULL OR ({source.malformed})'
    filtered = "false"
    keeping, passing = source.keeping, source.passing
    if query:
        typed = ", ".join(f"{cast_column(c)} AS {quoted(c['name'])}" for c in columns)
        keeping = f"(SELECT *, {typed} FROM {keeping})"
        passing = f"(SELECT *, {typed} FROM {passing})"
        filtered = filtered_condition(columns, query)
    try:
        kept = connection.execute(
            f"COPY (SELECT {texts} FROM {keeping} WHERE CASE WHEN {none} THEN false"
            f" WHEN {filtered} THEN false ELSE true END) TO {text(path)}"
            " (FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR '')"
        ).fetchone()[0]
        if not query:
            return kept, 0
        left_out = f"CASE WHEN {none} THEN false ELSE {filtered} END"
        count = f"SELECT count(*) FROM {passing} WHERE {left_out}"
        return kept, connection.execute(count).fetchone()[0]
    except duckdb.Error as error:
        if has_mixed_line_ends(error):
            raise MixedLineEnds(first_line(error)) from error
        if query and not isinstance(error, duckdb.InvalidInputException):
            raise JobError(f"the query {query!r} fails: {first_line(error)}") from error
        raise JobError(f"the object cannot be read: {first_line(error)}") from error


def reason_of(kind, message, encoding):
    count = COLUMN_COUNT.search(message)
    if count:
        return f"{count.group(2)} columns instead of {count.group(1)}"
    if kind == "UNQUOTED VALUE":
        return "a quote is not closed, or text follows a closing quote"
    if kind == "INVALID ENCODING":
        return f"not {encoding.upper()}"
    if kind == "LINE SIZE OVER MAXIMUM":
        return f"longer than {LONGEST_RECORD:,} bytes; is a quote not closed?"
    return message


def unread_rows(connection, path, compression, encoding):
    """Line, column, reason and text of the records that could not be read, in their order."""
    rows = connection.execute(
        "SELECT position, line, kind, message, column_name, raw FROM malformed"
        " ORDER BY position, line"
    ).fetchall()
    at, line_at = 0, 1
    with open(path, "rb") as file:
        for position, line, kind, message, column, raw in rows:
            if compression != "zstd":  # there, it is the number among the records
                while at < position:
                    piece = file.read(min(MEGABYTE, position - at))
                    if not piece:
                        break
                    at += len(piece)
                    line_at += piece.count(b"\n")
                line = line_at
            yield line, column, reason_of(kind, message, encoding), raw.strip("\r\n")


def no_objects(connection, source, unread_lines):
    """The same of JSON that is no object; lines that could not be read lie between these."""
    if not source.malformed:
        return
    rows = connection.cursor().execute(
        'SELECT number, "json-line" FROM (SELECT *, row_number() OVER () AS number'
        f" FROM {source.passing}) WHERE {source.malformed}"
    )
    between = 0
    while True:
        batch = rows.fetchmany(1000)
        if not batch:
            return
        for number, raw in batch:
            while between < len(unread_lines) and unread_lines[between] <= number + between:
                between += 1
            yield number + between, None, "not a JSON object", raw


def write_rejects(connection, path, fetched, form, source, url):
    """Write the malformed rows with their lines; answers how many."""
    collect_malformed(connection, source.header)
    unread = list(unread_rows(connection, *fetched, form.get("encoding", "utf-8")))
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        for rows in (unread, no_objects(connection, source, [row[0] for row in unread])):
            for line, column, reason, raw in rows:
                about = {"source": url, "line": line, "rule": "malformed"}
                if column is not None:
                    about["column"] = column
                about.update(reason=reason, raw=raw)
                file.write(json.dumps(about, ensure_ascii=False) + "\n")
                count += 1
    return count


def check_lines(connection, fetched, form, source, readable, unread, url):
    """Hold the records against the file's lines, which DuckDB may pass over without a word."""
    path, compression = fetched
    if compression == "zstd" or form["type"] not in ("csv", "jsonl"):
        return
    lines = empty = 0
    with open(path, "rb") as file:
        for line in file:
            lines += 1
            empty += line in (b"\n", b"\r\n")
    is_csv = form["type"] == "csv"
    lines = max(0, lines - (1 if is_csv and form["header"] else 0))
    least = readable + unread
    if is_csv:
        heights = "strlen(told) - strlen(replace(told, chr(10), ''))"
        within = connection.execute(
            f"SELECT coalesce(sum({heights}), 0)"
            " FROM (SELECT trim(raw, chr(10) || chr(13)) AS told FROM malformed)"
        ).fetchone()[0]
        least += within
    if is_csv and least != lines:
        breaks = " + ".join(
            f"(strlen(coalesce({field}, '')) - strlen(replace(coalesce({field}, ''), chr(10), '')))"
            for field in source.fields
        )
        query = f"SELECT coalesce(sum({breaks}), 0) FROM {source.passing}"
        least += connection.execute(query).fetchone()[0]
    if not least <= lines <= least + empty:
        wrong = least - lines if least > lines else lines - least - empty
        raise JobError(
            f"{url}: {wrong:,} of its {lines:,} lines are"
            f" {'there twice' if least > lines else 'lost'} when it is read as this dataset's"
            " format says: a quote is not closed, or a record is longer than"
            f" {LONGEST_RECORD:,} bytes; mend the object"
        )


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
    connection.execute("SET enable_progress_bar = false")  # it would go to standard output
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET allowed_directories = [{text(directory + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def refuse_large(size, dataset, url):
    limit = (dataset.get("limits") or {}).get("objectMegabytes", 2048)
    if size > limit * MEGABYTE:
        raise JobError(
            f"{url} is larger than the contract's limit of {limit} MB (limits.objectMegabytes);"
            " split it, raise the limit, or take a Spark job instead"
        )


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
    refuse_large(source["ContentLength"], dataset, options.INPUT_URL)
    form = {**CSV, **(dataset.get("format") or {})}
    fetched = fetch(source["Body"], key, form, directory, options.INPUT_URL)
    log("read", job_id=options.JOB_ID, input=options.INPUT_URL, bytes=source["ContentLength"])

    connection = connect(directory)
    data, rejected = os.path.join(directory, "data.csv"), os.path.join(directory, "rejected.jsonl")

    def write(file):
        rows = open_source(connection, *file, dataset, options.INPUT_URL)
        return rows, write_rows(connection, data, rows, dataset["columns"], options.QUERY)

    try:
        rows, (kept, filtered) = write(fetched)
    except MixedLineEnds:
        connection.execute("DROP TABLE IF EXISTS unread")
        connection.execute("DROP TABLE IF EXISTS unread_scan")
        fetched = (with_equal_line_ends(fetched[0]), "none")
        rows, (kept, filtered) = write(fetched)
    bad = write_rejects(connection, rejected, fetched, form, rows, options.INPUT_URL)
    check_lines(connection, fetched, form, rows, kept + filtered, bad, options.INPUT_URL)
    connection.close()
    report = {
        "jobId": options.JOB_ID,
        "runId": options.RUN_ID,
        "rowsIn": kept + filtered + bad,
        "rowsOut": kept,
        "rowsFiltered": filtered,
        "rowsBad": bad,
        "format": "csv",
        "files": ["data/part-00000.csv"],
        "ignoredColumns": list(rows.ignored),
        "seconds": round(time.monotonic() - started, 3),
    }
    s3.upload_file(data, out_bucket, prefix + "data/part-00000.csv")
    s3.upload_file(rejected, out_bucket, prefix + "rejected.jsonl")
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
    failure = main()
    if failure:  # Glue takes even sys.exit(0) for a failure in some versions
        sys.exit(failure)
