"""COPY and UNLOAD as Redshift writes them: what they ask for. An unknown option is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from local.local_cloud.redshift.expressions import not_emulated
from local.local_cloud.redshift.tokens import Reader, SqlError


class Format(Enum):
    """How files are written. TEXT is Redshift's default: delimited, without quotes."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Copy:
    """A COPY from S3.

    Attributes:
        columns: None: all of the table's, identity columns left out.
        url: prefix of objects, or the manifest.
        delimiter: of TEXT and CSV.
        null_as: the text that represents NULL.
        header_lines: to skip at the begin of each file.
        time_format: `auto`, `epochsecs` or `epochmillisecs`.
        ignore_case: JSON 'auto ignorecase'.
        serialize_to_json: nested Parquet columns go into SUPER columns.
    """

    table: tuple[str, ...]
    columns: tuple[str, ...] | None
    url: str
    format: Format = Format.TEXT
    delimiter: str = "|"
    quote: str = '"'
    null_as: str = "\\N"
    header_lines: int = 0
    time_format: str = "auto"
    gzip: bool = False
    manifest: bool = False
    empty_as_null: bool = False
    blanks_as_null: bool = False
    trim_blanks: bool = False
    ignore_case: bool = False
    serialize_to_json: bool = False


@dataclass(frozen=True)
class Unload:
    """An UNLOAD to S3.

    Attributes:
        query: Redshift's SQL, and DuckDB's after `with_query`.
        names: of the columns, None: as DuckDB names them.
        parallel: file names end in `0000_part_00`, otherwise in `000`.
    """

    query: str
    url: str
    names: tuple[str, ...] | None = None
    format: Format = Format.TEXT
    delimiter: str = "|"
    null_as: str = ""
    header: bool = False
    gzip: bool = False
    parallel: bool = True
    manifest: bool = False
    allow_overwrite: bool = False

    def with_query(self, query: str, names: tuple[str, ...] | None) -> Unload:
        return replace(self, query=query, names=names)


Options = dict[str, Any]
Handler = Callable[[Reader, Options], None]


def parse_copy(reader: Reader) -> Copy:
    """Read a COPY; the reader is positioned after that word.

    Raises:
        SqlError: an error, or an option that is not emulated.
    """
    table = reader.name()
    token = reader.peek()
    columns = reader.names() if token is not None and token.is_symbol("(") else None
    reader.expect("FROM")
    url = _s3_url(reader, "COPY")
    options = _options(reader, _COPY, "COPY")
    if not options.pop("authorized", False):
        raise SqlError("COPY needs an authorization parameter, such as IAM_ROLE default")
    if options.get("format") is Format.CSV:
        options.setdefault("delimiter", ",")
    return Copy(table, columns, url, **options)


def parse_unload(reader: Reader) -> Unload:
    """Read an UNLOAD; the reader is positioned after that word.

    Raises:
        SqlError: an error, or an option that is not emulated.
    """
    reader.expect_symbol("(")
    query = reader.string()
    reader.expect_symbol(")")
    reader.expect("TO")
    url = _s3_url(reader, "UNLOAD")
    options = _options(reader, _UNLOAD, "UNLOAD")
    if not options.pop("authorized", False):
        raise SqlError("UNLOAD needs an authorization parameter, such as IAM_ROLE default")
    if options.get("format") is Format.CSV:
        options.setdefault("delimiter", ",")
    return Unload(query, url, **options)


def _s3_url(reader: Reader, statement: str) -> str:
    url = reader.string()
    if not url.startswith("s3://"):
        raise not_emulated(f"{statement} with {url!r} (only s3:// URLs)")
    return url


def _options(reader: Reader, handlers: dict[str, Handler], statement: str) -> Options:
    options: Options = {}
    while not reader.done:
        word = reader.next().text.upper()
        if word not in handlers:
            raise not_emulated(f"the {statement} option {word}")
        handlers[word](reader, options)
    return options


def _flag(name: str) -> Handler:
    def handle(_: Reader, options: Options) -> None:
        options[name] = True

    return handle


def _string(name: str) -> Handler:
    def handle(reader: Reader, options: Options) -> None:
        reader.skip("AS")
        options[name] = reader.string()

    return handle


def _authorization(reader: Reader, options: Options) -> None:
    """`IAM_ROLE default`, a role, or keys: accepted and ignored."""
    reader.skip("AS")
    if not reader.accept("DEFAULT"):
        reader.string()
    options["authorized"] = True


def _format(reader: Reader, options: Options) -> None:
    reader.skip("AS")
    word = reader.next().text.upper()
    handler = {"CSV": _csv, "JSON": _json, "PARQUET": _parquet}.get(word)
    if handler is None:
        raise not_emulated(f"FORMAT {word}")
    handler(reader, options)


def _csv(reader: Reader, options: Options) -> None:
    options["format"] = Format.CSV
    if reader.accept("QUOTE"):
        _string("quote")(reader, options)


def _parquet(_: Reader, options: Options) -> None:
    options["format"] = Format.PARQUET


def _json(reader: Reader, options: Options) -> None:
    options["format"] = Format.JSON
    explicit = reader.accept("AS")
    token = reader.peek()
    if not explicit and (token is None or not token.text.startswith("'")):
        return  # UNLOAD … FORMAT JSON
    how = reader.string()
    if how not in ("auto", "auto ignorecase"):
        raise not_emulated(f"JSON {how!r} (only 'auto' and 'auto ignorecase')")
    if how == "auto ignorecase":
        options["ignore_case"] = True


def _ignore_header(reader: Reader, options: Options) -> None:
    reader.skip("AS")
    options["header_lines"] = reader.integer()


def _time_format(reader: Reader, options: Options) -> None:
    reader.skip("AS")
    how = reader.string()
    if how not in ("auto", "epochsecs", "epochmillisecs"):
        raise not_emulated(f"TIMEFORMAT {how!r} (only 'auto', 'epochsecs' and 'epochmillisecs')")
    options["time_format"] = how


def _date_format(reader: Reader, _: Options) -> None:
    reader.skip("AS")
    how = reader.string()
    if how.upper() not in ("AUTO", "YYYY-MM-DD"):
        raise not_emulated(f"DATEFORMAT {how!r} (only 'auto' and 'YYYY-MM-DD')")


def _encoding(reader: Reader, _: Options) -> None:
    reader.skip("AS")
    word = reader.next().text.upper()
    if word != "UTF8":
        raise not_emulated(f"ENCODING {word}")


def _max_error(reader: Reader, _: Options) -> None:
    reader.skip("AS")
    if reader.integer() != 0:
        raise not_emulated("MAXERROR above 0")


def _on_off(reader: Reader, _: Options) -> None:
    """COMPUPDATE and STATUPDATE: how rows are stored, not which."""
    reader.skip("ON", "OFF", "TRUE", "FALSE", "PRESET")


def _region(reader: Reader, _: Options) -> None:
    reader.skip("AS")
    reader.string()


def _parallel(reader: Reader, options: Options) -> None:
    off = reader.accept("OFF") or reader.accept("FALSE")
    if not off:
        reader.skip("ON", "TRUE")
    options["parallel"] = not off


def _null(reader: Reader, options: Options) -> None:
    _string("null_as")(reader, options)


_SHARED: Final[dict[str, Handler]] = {
    "IAM_ROLE": _authorization,
    "CREDENTIALS": _authorization,
    "ACCESS_KEY_ID": _authorization,
    "SECRET_ACCESS_KEY": _authorization,
    "SESSION_TOKEN": _authorization,
    "WITH": lambda _reader, _options: None,
    "REGION": _region,
    "FORMAT": _format,
    "CSV": _csv,
    "PARQUET": _parquet,
    "JSON": _json,
    "DELIMITER": _string("delimiter"),
    "NULL": _null,
    "GZIP": _flag("gzip"),
    "MANIFEST": _flag("manifest"),
}
_COPY: Final[dict[str, Handler]] = _SHARED | {
    "QUOTE": _string("quote"),
    "IGNOREHEADER": _ignore_header,
    "TIMEFORMAT": _time_format,
    "DATEFORMAT": _date_format,
    "EMPTYASNULL": _flag("empty_as_null"),
    "BLANKSASNULL": _flag("blanks_as_null"),
    "TRIMBLANKS": _flag("trim_blanks"),
    "SERIALIZETOJSON": _flag("serialize_to_json"),
    "ENCODING": _encoding,
    "MAXERROR": _max_error,
    "COMPUPDATE": _on_off,
    "STATUPDATE": _on_off,
}
_UNLOAD: Final[dict[str, Handler]] = _SHARED | {
    "HEADER": _flag("header"),
    "ALLOWOVERWRITE": _flag("allow_overwrite"),
    "PARALLEL": _parallel,
}
