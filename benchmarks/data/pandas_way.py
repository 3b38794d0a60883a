"""pandas, in chunks, as a whole frame of texts would take several times the file's size."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks.data.orders_file import COLUMNS, COUNTRIES, CURRENCIES, STATES
from benchmarks.data.store import Store

_CHUNK: Final = 200_000


class PandasWay:
    def __init__(self, store: Store, source_key: str, scratch: Path) -> None:
        self._store, self._source, self._scratch = store, source_key, scratch

    def clean(self) -> None:
        source = self._store.fetch(self._source, self._scratch / "source.csv")
        # The twelfth column is for rows that are too long; short ones are filled up with nulls.
        chunks = pd.read_csv(
            source,
            names=[*COLUMNS, "surplus"],
            header=None,
            skiprows=1,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            chunksize=_CHUNK,
        )
        with (self._scratch / "rejected.jsonl").open("w", encoding="utf-8") as rejects:
            for number, rows in enumerate(chunks):
                typed = _typed(rows)
                good = _good(rows, typed)
                rejects.write(rows[~good].to_json(orient="records", lines=True))
                part = self._scratch / "part.parquet"
                typed[good].to_parquet(part, index=False)
                self._store.keep(part, f"pandas/valid/part-{number:05d}.parquet")
        self._store.keep(self._scratch / "rejected.jsonl", "pandas/rejected/part-0.jsonl")
        source.unlink()

    def transform(self) -> None:
        parts = sorted(self._store.path("pandas/valid").iterdir())
        keys: set[str] = set()
        rows = 0
        for part in parts:
            valid = pd.read_parquet(
                self._store.fetch(f"pandas/valid/{part.name}", self._scratch / "part.parquet")
            )
            keys.update(valid["order_id"])
            rows += len(valid)
            _transformed(valid).to_parquet(self._scratch / "output.parquet", index=False)
            self._store.keep(self._scratch / "output.parquet", f"pandas/output/{part.name}")
        assert len(keys) == rows, "the key is not unique"


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    typed = rows[COLUMNS].copy()
    ordered_at = pd.to_datetime(rows["ordered_at"], format="%Y-%m-%dT%H:%M:%SZ", errors="coerce")
    typed["ordered_at"] = ordered_at.astype("datetime64[us]")
    shipped_on = pd.to_datetime(rows["shipped_on"], format="%Y-%m-%d", errors="coerce")
    typed["shipped_on"] = shipped_on.dt.date
    whole = rows["items"].where(rows["items"].str.fullmatch(r"[+-]?\d+").fillna(False))
    typed["items"] = pd.to_numeric(whole, errors="coerce").astype("Int64")
    # Cents, as pandas has no decimals of its own; two digits at most are taken.
    money = rows["amount"].where(
        rows["amount"].str.fullmatch(r"[+-]?\d+(\.\d{1,2})?").fillna(False)
    )
    typed["amount"] = pd.to_numeric(money, errors="coerce")
    typed["gift"] = rows["gift"].map({"true": True, "false": False}).astype("boolean")
    return typed


def _good(rows: pd.DataFrame, typed: pd.DataFrame) -> pd.Series:
    shipped = pd.to_datetime(rows["shipped_on"], format="%Y-%m-%d", errors="coerce")
    good = (
        rows["surplus"].isna()
        & rows["order_id"].str.fullmatch("ORD-[0-9]{8}").fillna(False)
        & rows["customer_id"].str.fullmatch("C[0-9]{6}").fillna(False)
        & (typed["ordered_at"] >= "2020-01-01")
        & rows["status"].isin(STATES)
        & rows["country"].isin(COUNTRIES)
        & rows["currency"].isin(CURRENCIES)
        & typed["items"].between(1, 500).fillna(False)
        & (typed["amount"] >= 0)
        & (shipped.isna() | (shipped >= typed["ordered_at"].dt.normalize()))
        & (~rows["status"].isin(["shipped", "delivered"]) | shipped.notna())
        & (rows["shipped_on"].isna() | shipped.notna())
        & (rows["gift"].isna() | typed["gift"].notna())
    )
    return good.astype(bool)


def _transformed(valid: pd.DataFrame) -> pd.DataFrame:
    return valid.assign(
        order_date=valid["ordered_at"].dt.date,
        amount_per_item=(valid["amount"] / valid["items"].astype("float64")).round(2),
        gift=valid["gift"].fillna(False),
        note=valid["note"].str.strip().str.upper(),
    )
