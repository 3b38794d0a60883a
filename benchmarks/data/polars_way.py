"""Polars: lazy frames; its streaming engine writes valid and rejected rows in one pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks.data.orders_file import COLUMNS, COUNTRIES, CURRENCIES, STATES
from benchmarks.data.store import Store

_NUMBER: Final = r"^[+-]?\d+(\.\d+)?$"


class PolarsWay:
    def __init__(self, store: Store, source_key: str, scratch: Path) -> None:
        self._store, self._source, self._scratch = store, source_key, scratch

    def clean(self) -> None:
        # A twelfth column, which a good row does not have, marks rows that are too long; a short
        # one is filled up with nulls, and its values then stand in the wrong columns.
        names = [*COLUMNS, "surplus"]
        header = f"{','.join(names)}\n"
        source = self._store.fetch(self._source, self._scratch / "source.csv", header)
        rows = pl.scan_csv(
            source, skip_rows_after_header=1, schema=dict.fromkeys(names, pl.String)
        ).with_row_index()
        typed = _typed()
        checked = rows.with_columns(**typed).with_columns(bad=~_holds(set(typed)))
        valid = checked.filter(~pl.col("bad")).select(
            *(
                pl.col(f"typed_{name}" if f"typed_{name}" in typed else name).alias(name)
                for name in COLUMNS
            )
        )
        rejected = checked.filter(pl.col("bad")).select("index", *COLUMNS, "surplus")
        paths = self._scratch / "valid.parquet", self._scratch / "rejected.jsonl"
        sinks = [
            valid.sink_parquet(paths[0], compression="snappy", lazy=True),
            rejected.sink_ndjson(paths[1], lazy=True),
        ]
        pl.collect_all(sinks, engine="streaming")
        self._store.keep(paths[0], "polars/valid/part-0.parquet")
        self._store.keep(paths[1], "polars/rejected/part-0.jsonl")
        source.unlink()

    def transform(self) -> None:
        path = self._store.fetch("polars/valid/part-0.parquet", self._scratch / "valid.parquet")
        valid = pl.scan_parquet(path)
        counted = (
            valid.select(rows=pl.len(), keys=pl.col("order_id").n_unique())
            .collect(engine="streaming")
            .row(0)
        )
        assert counted[0] == counted[1], "the key is not unique"
        each = (pl.col("amount").cast(pl.Float64) / pl.col("items")).round(2)
        output = valid.select(
            *("order_id", "customer_id", "ordered_at"),
            pl.col("ordered_at").dt.date().alias("order_date"),
            *("shipped_on", "status", "country", "items", "amount", "currency"),
            each.cast(pl.Decimal(12, 2)).alias("amount_per_item"),
            pl.col("gift").fill_null(value=False),
            pl.col("note").str.strip_chars().str.to_uppercase(),
        )
        output.sink_parquet(self._scratch / "output.parquet", compression="snappy")
        self._store.keep(self._scratch / "output.parquet", "polars/output/part-0.parquet")


def _typed() -> dict[str, pl.Expr]:
    """The typed values of columns that are no texts; null where there is none."""
    numbers = {
        name: pl.when(pl.col(name).str.contains(_NUMBER)).then(pl.col(name))
        for name in ("items", "amount")
    }
    return {
        "typed_ordered_at": pl.col("ordered_at").str.to_datetime(
            "%Y-%m-%dT%H:%M:%SZ", time_unit="us", strict=False
        ),
        "typed_shipped_on": pl.col("shipped_on").str.to_date("%Y-%m-%d", strict=False),
        "typed_items": numbers["items"].cast(pl.Int64, strict=False),
        "typed_amount": numbers["amount"].cast(pl.Decimal(12, 2), strict=False),
        "typed_gift": pl.col("gift").replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        ),
    }


def _holds(typed: set[str]) -> pl.Expr:
    conditions: list[Any] = [
        pl.col("surplus").is_null(),
        pl.col("order_id").str.contains(r"^ORD-[0-9]{8}$"),
        pl.col("customer_id").str.contains(r"^C[0-9]{6}$"),
        *(
            pl.col(name).is_not_null()
            for name in ("typed_ordered_at", "typed_items", "typed_amount")
        ),
        pl.col("typed_ordered_at") >= pl.datetime(2020, 1, 1),
        *(
            pl.col(name.removeprefix("typed_")).is_null() | pl.col(name).is_not_null()
            for name in sorted(typed)
        ),
        pl.col("status").is_in(STATES),
        pl.col("country").is_in(COUNTRIES),
        pl.col("currency").is_in(CURRENCIES),
        pl.col("typed_items").is_between(1, 500),
        pl.col("typed_amount") >= 0,
        (pl.col("typed_shipped_on") >= pl.col("typed_ordered_at").dt.date()).fill_null(value=True),
        ~pl.col("status").is_in(["shipped", "delivered"])
        | pl.col("typed_shipped_on").is_not_null(),
    ]
    return pl.all_horizontal(*(condition.fill_null(value=False) for condition in conditions))
