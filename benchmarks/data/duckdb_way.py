"""Plain DuckDB: the SQL that somebody would write by hand for just this file.

The fastest of what was tried: two scans of the file (valid rows; broken ones) instead of a table,
which spills, and types given to the reader. Rows keep the file's order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.data.store import Store
from tabular.workspace import connect

_TYPES: Final = {
    **{"order_id": "VARCHAR", "customer_id": "VARCHAR", "ordered_at": "TIMESTAMP"},
    **{"shipped_on": "DATE", "status": "VARCHAR", "country": "VARCHAR", "items": "BIGINT"},
    **{"amount": "DECIMAL(12,2)", "currency": "VARCHAR", "gift": "BOOLEAN", "note": "VARCHAR"},
}
_BROKEN: Final = """CASE
  WHEN order_id IS NULL THEN 'required order_id'
  WHEN NOT regexp_full_match(order_id, 'ORD-[0-9]{8}') THEN 'pattern order_id'
  WHEN customer_id IS NULL THEN 'required customer_id'
  WHEN NOT regexp_full_match(customer_id, 'C[0-9]{6}') THEN 'pattern customer_id'
  WHEN ordered_at IS NULL THEN 'required ordered_at'
  WHEN ordered_at < TIMESTAMP '2020-01-01' THEN 'minimum ordered_at'
  WHEN status IS NULL THEN 'required status'
  WHEN status NOT IN ('placed', 'paid', 'shipped', 'delivered', 'cancelled') THEN 'allowed status'
  WHEN country IS NULL THEN 'required country'
  WHEN country NOT IN ('AT', 'BE', 'CH', 'DE', 'DK', 'ES', 'FI', 'FR', 'GB', 'IT', 'NL', 'NO',
    'PL', 'PT', 'SE') THEN 'allowed country'
  WHEN items IS NULL THEN 'required items'
  WHEN items NOT BETWEEN 1 AND 500 THEN 'range items'
  WHEN amount IS NULL THEN 'required amount'
  WHEN amount < 0 THEN 'minimum amount'
  WHEN currency IS NULL THEN 'required currency'
  WHEN currency NOT IN ('EUR', 'GBP', 'CHF', 'SEK') THEN 'allowed currency'
  WHEN shipped_on < CAST(ordered_at AS DATE) THEN 'shipped-after-ordered'
  WHEN status IN ('shipped', 'delivered') AND shipped_on IS NULL THEN 'shipped-has-a-date'
END"""
_TRANSFORM: Final = """
SELECT order_id, customer_id, ordered_at, CAST(ordered_at AS DATE) AS order_date, shipped_on,
  status, country, items, amount, currency,
  CAST(round(amount / items, 2) AS DECIMAL(12, 2)) AS amount_per_item,
  coalesce(gift, false) AS gift, upper(trim(note)) AS note
FROM valid
"""


class DuckdbWay:
    """Memory and threads as a step function of that size has them."""

    def __init__(self, store: Store, source_key: str, memory_megabytes: int, scratch: Path) -> None:
        self._store, self._source, self._scratch = store, source_key, scratch
        self._connection = connect(
            str(scratch / "work.duckdb"),
            {
                "memory_limit": f"{memory_megabytes * 55 // 100}MiB",
                "threads": max(1, round(memory_megabytes / 1769 + 0.49)),
                "temp_directory": str(scratch / "spill"),
            },
        )

    def clean(self) -> None:
        if not self._source.endswith(".csv"):
            return self._clean_texts()
        source = self._store.fetch(self._source, self._scratch / "source.csv")
        rows = self._reader(source, "store_rejects = true, rejects_limit = 0")
        self._write(f"SELECT * FROM {rows} WHERE ({_BROKEN}) IS NULL", "valid/part-0.parquet")
        self._write(
            "SELECT line, any_value(error_type) AS rule, any_value(error_message) AS reason,"
            " any_value(csv_line) AS raw FROM reject_errors GROUP BY line ORDER BY line",
            "rejected/malformed.json",
        )
        again = self._reader(source, "ignore_errors = true")
        self._write(
            f"SELECT * FROM (SELECT {_BROKEN} AS rule, * FROM {again}) WHERE rule IS NOT NULL",
            "rejected/broken.json",
        )
        source.unlink()
        return None

    def _clean_texts(self) -> None:
        """Parquet or JSON lines, whose values are texts."""
        source = self._store.fetch(self._source, self._scratch / "source")
        names = ", ".join(f"'{name}': 'VARCHAR'" for name in _TYPES)
        rows = (
            f"read_parquet('{source}')"
            if self._source.endswith(".parquet")
            else f"read_json('{source}', format = 'newline_delimited', columns = {{{names}}})"
        )
        values = ", ".join(f"TRY_CAST({name} AS {kind}) AS {name}" for name, kind in _TYPES.items())
        none = " OR ".join(
            f"({name} IS NOT NULL AND TRY_CAST({name} AS {kind}) IS NULL)"
            for name, kind in _TYPES.items()
            if kind != "VARCHAR"
        )
        typed = f"(SELECT {none} AS none, {values} FROM {rows})"
        broken = f"CASE WHEN none THEN 'type' ELSE {_BROKEN} END"
        valid = f"SELECT * EXCLUDE (none) FROM {typed} WHERE ({broken}) IS NULL"
        self._write(valid, "valid/part-0.parquet")
        rejected = f"SELECT {broken} AS rule, * FROM {typed} WHERE ({broken}) IS NOT NULL"
        self._write(rejected, "rejected/broken.json")
        source.unlink()

    def transform(self) -> None:
        valid = self._store.fetch("duckdb/valid/part-0.parquet", self._scratch / "valid.parquet")
        self._connection.execute(f"CREATE VIEW valid AS SELECT * FROM '{valid}'")
        twice = self._connection.execute(
            "SELECT order_id FROM valid GROUP BY order_id HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
        assert twice is None, f"the key {twice} is not unique"
        self._write(_TRANSFORM, "output/part-0.parquet")

    def _reader(self, source: Path, rejects: str) -> str:
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in _TYPES.items())
        return (
            f"read_csv('{source}', auto_detect = false, header = true, delim = ',', quote = '\"',"
            f" escape = '\"', nullstr = '', columns = {{{columns}}}, {rejects})"
        )

    def _write(self, query: str, key: str) -> None:
        path = self._scratch / key.replace("/", "-")
        self._connection.execute(f"COPY ({query}) TO '{path}'")
        self._store.keep(path, f"duckdb/{key}")
        path.unlink()
