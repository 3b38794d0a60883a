"""Run the benchmark and print its table."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.data import orders_file
from benchmarks.data.one_way import WAYS, available
from tabular.workspace import connect

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = "landing/orders.csv"
FUNCTION_MEGABYTES: Final = 2048
FORMATS: Final = {
    "csv": (orders_file.convert, ".csv"),
    "parquet": (orders_file.convert, ".parquet"),
    "jsonl": (orders_file.convert, ".jsonl"),
    "short": (orders_file.shorten, "-short.csv"),
    "warned": (orders_file.repeat, "-warned.csv"),
}
LABELS: Final = {
    "pipeline": "**this project**",
    "duckdb": "plain DuckDB",
    "polars": "Polars",
    "pyarrow": "pyarrow",
    "pandas": "pandas, in chunks",
    "csv": "csv module (writes CSV)",
}
# What was stored, whoever wrote it: the rows' number, and one number that depends on all of them.
# A sum, as an exclusive or would cancel what many rows have alike.
# The amount per item is left out: half a cent is rounded up or down by who computes with floats.
_DIGEST: Final = """
SELECT count(*), sum(hash(order_id, customer_id, ordered_at::TIMESTAMP, order_date::DATE,
  shipped_on::DATE, status, country, items::BIGINT, amount::DECIMAL(12, 2), currency,
  gift::BOOLEAN, note)) FROM {}
"""


@dataclass(frozen=True)
class Measured:
    """What one way took for one file.

    Attributes:
        clean, transform: seconds of the two stages, the copying of objects included.
        clean_processor: seconds of all processors in the first stage.
        processor: seconds of all processors together, both stages; unlike the others hardly longer
            on a machine that does something else, too.
        clean_peak, peak: most memory in MB, after the first stage and after both.
        rows, digest: what came out.
        rejected: rows in its quarantine.
    """

    way: str
    megabytes: float
    clean: float
    transform: float
    clean_processor: float
    processor: float
    clean_peak: float
    peak: float
    rows: int
    digest: int
    rejected: int

    @property
    def speed(self) -> float:
        """MB of source per second, both stages."""
        return self.megabytes / (self.clean + self.transform)

    @property
    def clean_speed(self) -> float:
        return self.megabytes / self.clean


def measure(
    way: str, store: Path, memory_megabytes: int = FUNCTION_MEGABYTES, source: str = SOURCE
) -> Measured:
    """Let one way work on the store's file, in a process of its own.

    Raises:
        RuntimeError: it failed; the message has the end of what it wrote.
    """
    _forget(way, store)
    command = [*(sys.executable, "-m", "benchmarks.data.one_way"), str(store), source, way]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "POWERTOOLS_METRICS_DISABLED": "true",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "TMPDIR": str(store),
    }
    done = subprocess.run(  # noqa: S603 -- our own module
        [*command, str(memory_megabytes)], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{way} failed ({done.returncode}):\n{done.stderr[-3000:]}")
    stages = json.loads(done.stdout.splitlines()[-1])
    rows, digest = _stored(way, store)
    return Measured(
        way=way,
        megabytes=(store / source).stat().st_size / 1024 / 1024,
        clean=stages["clean"]["seconds"],
        transform=stages["transform"]["seconds"],
        clean_processor=stages["clean"]["processor"],
        processor=sum(stage["processor"] for stage in stages.values()),
        clean_peak=stages["clean"]["peak"],
        peak=stages["transform"]["peak"],
        rows=rows,
        digest=digest,
        rejected=_rejected(way, store),
    )


def median(tries: Iterable[Measured]) -> Measured:
    """The median of several, number by number, with the highest peak of all.

    Not the best: one lucky try of either side would make the ratio.
    """
    measured = list(tries)
    names = ("clean", "transform", "clean_processor", "processor")
    middle = {name: statistics.median(getattr(one, name) for one in measured) for name in names}
    most = {name: max(getattr(one, name) for one in measured) for name in ("peak", "clean_peak")}
    return Measured(**{**vars(measured[0]), **middle, **most})


def check_same(measured: list[Measured], rows_in: int) -> None:
    """Every way stored the same rows, and lost none.

    Raises:
        RuntimeError: one did not.
    """
    first = measured[0]
    for one in measured:
        if (one.rows, one.digest) != (first.rows, first.digest):
            raise RuntimeError(f"{one.way} stored other rows than {first.way}: {one} {first}")
        if one.rows + one.rejected != rows_in:
            raise RuntimeError(f"{one.way}: {one.rows} + {one.rejected} of {rows_in} rows")


def table(measured: list[Measured]) -> str:
    """Markdown, a row per way; ratios are to plain DuckDB's throughput on the same file."""
    lines = [
        "| file | way | read, clean, write: MB/s | to DuckDB | processor s | to DuckDB"
        " | with transform: MB/s | to DuckDB | processor s | to DuckDB | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    plain = {round(one.megabytes): one for one in measured if one.way == "duckdb"}
    for one in measured:
        base = plain.get(round(one.megabytes), one)
        cells = [
            *(f"{one.megabytes:,.0f} MB", LABELS[one.way]),
            *(f"{one.clean_speed:.1f}", f"{one.clean_speed / base.clean_speed:.2f}"),
            f"{one.clean_processor:.1f}",
            f"{one.clean_processor / base.clean_processor:.2f}",
            *(f"{one.speed:.1f}", f"{one.speed / base.speed:.2f}"),
            *(f"{one.processor:.1f}", f"{one.processor / base.processor:.2f}"),
            f"{one.peak:,.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _stored(way: str, store: Path) -> tuple[int, int]:
    folder = store / ("runs/bench/units/00000-000/output" if way == "pipeline" else f"{way}/output")
    relation = (
        f"read_csv('{folder}/*.csv', all_varchar = true, header = true)"
        if way == "csv"
        else f"read_parquet('{folder}/*.parquet')"
    )
    with connect() as connection:
        row: Any = connection.execute(_DIGEST.format(relation)).fetchone()
    return int(row[0]), int(row[1])


def _rejected(way: str, store: Path) -> int:
    folder = store / ("quarantine" if way == "pipeline" else f"{way}/rejected")
    count = 0
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            count += sum(1 for _ in file)
    return count


def _forget(way: str, store: Path) -> None:
    for name in ("runs", "quarantine") if way == "pipeline" else (way,):
        shutil.rmtree(store / name, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.data")
    parser.add_argument(
        "--megabytes", type=float, nargs="+", default=[50, 200], help="sizes of the file"
    )
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="only these")
    parser.add_argument(
        "--format",
        default="csv",
        choices=FORMATS,
        help="of the file; short: CSV, most rows lack most columns; warned: CSV, and the contract"
        " warns of every row",
    )
    parser.add_argument("--repeat", type=int, default=5, help="the median of so many tries counts")
    parser.add_argument(
        "--memory", type=int, default=FUNCTION_MEGABYTES, help="MB of the function (this, DuckDB)"
    )
    parser.add_argument("--scratch", type=Path, help="where files go; 5 times the file's size")
    parser.add_argument("--json", action="store_true", help="numbers instead of the table")
    return parser.parse_args()


def _measured(options: argparse.Namespace, store: Path) -> list[Measured]:
    measured: list[Measured] = []
    for megabytes in options.megabytes:
        (store / SOURCE).parent.mkdir(exist_ok=True)
        rows = orders_file.write(store / SOURCE, megabytes)
        source = SOURCE
        if options.format != "csv":
            change, ending = FORMATS[options.format]
            source = SOURCE.replace(".csv", ending)
            rows = change(store / SOURCE, store / source)
        tries: dict[str, list[Measured]] = {way: [] for way in options.ways if available(way)}
        for _ in range(options.repeat):  # in turn, so that a busy minute does not hit one alone
            for way, found in tries.items():
                found.append(measure(way, store, options.memory, source))
                seconds = found[-1].clean + found[-1].transform
                print(f"{megabytes:g} MB, {way}: {seconds:.1f} s", file=sys.stderr, flush=True)
                _forget(way, store)
        of_this_size = [median(found) for found in tries.values()]
        check_same(of_this_size, rows)
        measured += of_this_size
    return measured


def main() -> None:
    options = _arguments()
    if options.format != "csv":
        # Of short rows plain DuckDB stores so many rejects that it takes minutes.
        able = ("pipeline",) if options.format == "short" else ("pipeline", "duckdb")
        options.ways = [way for way in options.ways if way in able]
    missing = [way for way in options.ways if not available(way)]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="bench-data-") as folder:
        measured = _measured(options, Path(folder))
    if options.json:
        print(json.dumps([vars(one) for one in measured], indent=1))
    else:
        print(table(measured))


if __name__ == "__main__":
    main()
