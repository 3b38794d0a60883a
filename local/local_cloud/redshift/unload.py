"""UNLOAD: the rows of a query as files in S3."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any, TextIO

import duckdb

from local.local_cloud.redshift.copy import Format, Unload
from local.local_cloud.redshift.objects import Objects
from local.local_cloud.redshift.results import fetch
from local.local_cloud.redshift.tokens import SqlError, quote, quote_name


def unload(
    cursor: duckdb.DuckDBPyConnection, command: Unload, objects: Objects, directory: Path
) -> int:
    """Run an UNLOAD and return how many rows were written.

    Everything goes into one file, named as Redshift names the first slice's.

    Raises:
        SqlError: there are objects already and ALLOWOVERWRITE is missing, or S3 refuses.
    """
    if not command.allow_overwrite and objects.any_under(command.url):
        raise SqlError(
            "Specified unload destination on S3 is not empty. Consider using a different bucket / "
            "prefix, manually removing the target files in S3, or using the ALLOWOVERWRITE option."
        )
    file = directory / "unload"
    columnar = command.format is Format.PARQUET
    rows = (_parquet if columnar else _text)(cursor, command, file)
    part = "0000_part_00" if command.parallel else "000"
    target = f"{command.url}{part}{'.parquet' if columnar else ''}{'.gz' if command.gzip else ''}"
    objects.upload(file, target)
    if command.manifest:
        manifest = directory / "manifest"
        entry = {"url": target, "meta": {"content_length": file.stat().st_size}}
        manifest.write_text(json.dumps({"entries": [entry]}))
        objects.upload(manifest, f"{command.url}manifest")
    return rows


def _parquet(cursor: duckdb.DuckDBPyConnection, command: Unload, file: Path) -> int:
    if command.gzip:
        raise SqlError("UNLOAD takes no GZIP with PARQUET")
    query = command.query
    if command.names:
        names = ", ".join(quote_name(name) for name in command.names)
        query = f"SELECT * FROM ({query}) AS result ({names})"  # noqa: S608
    done = cursor.execute(f"COPY ({query}) TO {quote(str(file))} (FORMAT parquet)").fetchone()
    return int(done[0]) if done else 0


def _text(cursor: duckdb.DuckDBPyConnection, command: Unload, file: Path) -> int:
    result = fetch(cursor, command.query, command.names)
    names = [str(column["name"]) for column in result.columns]
    rows = [[_value(field) for field in record] for record in result.records]
    with file.open("w", encoding="utf-8", newline="") as stream:
        if command.format is Format.JSON:
            for row in rows:
                stream.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")
        else:
            _delimited(stream, command, ([names] if command.header else []) + rows)
    if command.gzip:
        file.write_bytes(gzip.compress(file.read_bytes()))
    return len(rows)


def _delimited(stream: TextIO, command: Unload, rows: list[list[Any]]) -> None:
    """CSV quotes where it must; plain text never quotes."""
    shown = [[command.null_as if v is None else _shown(v) for v in row] for row in rows]
    if command.format is Format.CSV:
        csv.writer(stream, delimiter=command.delimiter, lineterminator="\n").writerows(shown)
    else:
        stream.writelines(command.delimiter.join(row) + "\n" for row in shown)


def _value(field: dict[str, Any]) -> Any:
    return None if field.get("isNull") else next(iter(field.values()))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)
