"""pyarrow: its streaming CSV reader, batch by batch."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.data.orders_file import COLUMNS, COUNTRIES, CURRENCIES, STATES
from benchmarks.data.store import Store

_MONEY: Final = pa.decimal128(12, 2)
_SHAPES: Final = {"items": r"^[+-]?\d+$", "amount": r"^[+-]?\d+(\.\d{1,2})?$"}


class ArrowWay:
    def __init__(self, store: Store, source_key: str, scratch: Path) -> None:
        self._store, self._source, self._scratch = store, source_key, scratch

    def clean(self) -> None:
        source = self._store.fetch(self._source, self._scratch / "source.csv")
        valid, rejected = self._scratch / "valid.parquet", self._scratch / "rejected.jsonl"
        writer = None
        with rejected.open("w", encoding="utf-8") as rejects:

            def malformed(row: Any) -> str:
                rejects.write(json.dumps({"line": row.number, "raw": row.text}) + "\n")
                return "skip"

            for batch in _reader(source, malformed):
                typed, good = _checked(pa.Table.from_batches([batch]))
                for row in batch.filter(pc.invert(good)).to_pylist():
                    rejects.write(json.dumps(row) + "\n")
                good_rows = typed.filter(good)
                writer = writer or pq.ParquetWriter(valid, good_rows.schema)
                writer.write_table(good_rows)
        if writer is not None:
            writer.close()
        self._store.keep(valid, "pyarrow/valid/part-0.parquet")
        self._store.keep(rejected, "pyarrow/rejected/part-0.jsonl")
        source.unlink()

    def transform(self) -> None:
        path = self._store.fetch("pyarrow/valid/part-0.parquet", self._scratch / "valid.parquet")
        keys = pq.read_table(path, columns=["order_id"])["order_id"]
        assert pc.count_distinct(keys).as_py() == len(keys), "the key is not unique"
        del keys
        output, writer = self._scratch / "output.parquet", None
        for batch in pq.ParquetFile(path).iter_batches(batch_size=122_880):
            table = _transformed(pa.Table.from_batches([batch]))
            writer = writer or pq.ParquetWriter(output, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
        self._store.keep(output, "pyarrow/output/part-0.parquet")


def _reader(source: Path, malformed: Any) -> Any:
    return pyarrow.csv.open_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(block_size=8 * 1024 * 1024, use_threads=True),
        parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=malformed),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(COLUMNS, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        ),
    )


def _checked(rows: pa.Table) -> tuple[pa.Table, pa.ChunkedArray]:
    """The typed rows, and which of them are valid."""
    typed = {name: rows[name] for name in COLUMNS}
    typed["ordered_at"] = pc.strptime(
        rows["ordered_at"], format="%Y-%m-%dT%H:%M:%SZ", unit="us", error_is_null=True
    )
    day = pc.strptime(rows["shipped_on"], format="%Y-%m-%d", unit="s", error_is_null=True)
    # strptime takes 2026-02-30 for the 2nd of March: what a day is written as must be what it was.
    same = pc.equal(pc.strftime(day, format="%Y-%m-%d"), rows["shipped_on"])
    typed["shipped_on"] = pc.if_else(same, day, None).cast(pa.date32())
    for name, kind in (("items", pa.int64()), ("amount", _MONEY)):
        shaped = pc.match_substring_regex(rows[name], _SHAPES[name])
        typed[name] = pc.if_else(shaped, rows[name], None).cast(kind)
    is_true, is_false = pc.equal(rows["gift"], "true"), pc.equal(rows["gift"], "false")
    typed["gift"] = pc.if_else(pc.or_(is_true, is_false), is_true, None)
    return pa.table(typed), _good(rows, typed)


def _good(rows: pa.Table, typed: dict[str, Any]) -> pa.ChunkedArray:
    shipped, ordered = typed["shipped_on"], typed["ordered_at"]
    late = pc.greater_equal(shipped, ordered.cast(pa.date32()))
    needs_day = pc.is_in(rows["status"], value_set=pa.array(["shipped", "delivered"]))
    conditions = [
        pc.match_substring_regex(rows["order_id"], r"^ORD-[0-9]{8}$"),
        pc.match_substring_regex(rows["customer_id"], r"^C[0-9]{6}$"),
        pc.greater_equal(ordered, pa.scalar("2020-01-01").cast(pa.timestamp("us"))),
        pc.is_in(rows["status"], value_set=pa.array(STATES)),
        pc.is_in(rows["country"], value_set=pa.array(COUNTRIES)),
        pc.is_in(rows["currency"], value_set=pa.array(CURRENCIES)),
        pc.and_(pc.greater_equal(typed["items"], 1), pc.less_equal(typed["items"], 500)),
        pc.greater_equal(typed["amount"], pa.scalar(Decimal(0), _MONEY)),
        pc.fill_null(late, fill_value=True),
        pc.or_(pc.invert(needs_day), pc.is_valid(shipped)),
        *(
            pc.or_(pc.is_null(rows[name]), pc.is_valid(typed[name]))
            for name in ("shipped_on", "gift")
        ),
    ]
    good = pc.fill_null(conditions[0], fill_value=False)
    for condition in conditions[1:]:
        good = pc.and_(good, pc.fill_null(condition, fill_value=False))
    return good


def _transformed(valid: pa.Table) -> pa.Table:
    columns = {name: valid[name] for name in COLUMNS}
    each = pc.round(pc.divide(columns["amount"].cast(pa.float64()), columns["items"]), ndigits=2)
    day = columns["ordered_at"].cast(pa.date32())
    columns["amount_per_item"] = each.cast(_MONEY, safe=False)
    columns["gift"] = pc.fill_null(columns["gift"], fill_value=False)
    columns["note"] = pc.utf8_upper(pc.utf8_trim_whitespace(columns["note"]))
    return pa.table({**columns, "order_date": day})
