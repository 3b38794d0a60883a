"""For any history of loads: what the table holds is what the newest row of each key says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_warehouse import LocalWarehouse
from pipeline_run import fewer
from scratch_duckdb import connect

from contracts import layout
from contracts.dataset import Dataset, DatasetSnapshot
from stores.redshift.load import Load, copy_manifest, load_statements
from stores.redshift.schema import parse_table, target_table
from tabular.parts import Part

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "data-bucket"
KEYS = "abcd"
DATASET = Dataset.from_json(
    {
        "name": "drawn",
        "source": {"prefix": "landing/drawn/"},
        "columns": [{"name": "k"}, {"name": "n", "type": "integer"}],
        "targets": {"redshift": {"table": "drawn", "key": ["k"]}},
    }
)
TARGET = DATASET.targets.redshift
Unit = tuple[int, int]  # which run, and which unit of it
_numbers = itertools.count()


def frozen(index: str, run: int) -> DatasetSnapshot:
    return DatasetSnapshot(
        dataset=DATASET,
        version="v",
        index=index,
        run_id=f"{index}-{run}",
        run_started_at=f"2026-11-20T08:00:0{run}Z",
        output_columns=(("k", "string"), ("n", "integer")),
    )


@pytest.fixture
def warehouse(cloud: Any, tmp_path: Path) -> Iterator[LocalWarehouse]:
    local = LocalWarehouse(tmp_path, cloud.client)
    own = [parse_table(file.read_text(), file.name) for file in (ROOT / "sql").glob("*.sql")]
    assert TARGET is not None
    local.done([table.create for table in (*own, target_table(TARGET, frozen("none", 0)))])
    yield local
    local.close()


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[Unit, list[str]], list[Unit]]:
    """The keys of each unit of three runs, in which some come twice; loads of them in any order,
    each once at least and some again."""
    units = list(itertools.product(range(3), range(2)))
    keys = {unit: draw(st.lists(st.sampled_from(KEYS), max_size=5)) for unit in units}
    again = draw(st.lists(st.sampled_from(units), max_size=3))
    return keys, draw(st.permutations(units + again))


def prepared(cloud: Any, folder: Path, index: str, keys: dict[Unit, list[str]]) -> dict[Unit, Load]:
    """Every unit's load; its rows are in two files, and say who wrote them."""
    assert TARGET is not None
    loads = {}
    for (run, unit), names in keys.items():
        snapshot, unit_id = frozen(index, run), layout.unit_id(0, unit)
        parts = []
        for number, half in enumerate((names[::2], names[1::2])):
            rows = ", ".join(f"('{name}', {10 * run + unit})" for name in half) or "(NULL, NULL)"
            path = folder / f"part-{number:05d}.parquet"
            with connect() as maker:
                maker.execute(
                    "COPY (SELECT k::VARCHAR AS k, n::BIGINT AS n"
                    f" FROM (VALUES {rows}) AS v(k, n) WHERE k IS NOT NULL)"
                    f" TO '{path}' (FORMAT parquet)"
                )
            key = layout.output_prefix(snapshot.run_id, unit_id) + path.name
            cloud.put(key, path.read_bytes())
            parts.append(Part(key, path.stat().st_size))
        manifest = layout.copy_manifest_key(snapshot.run_id, unit_id, "1")
        cloud.put(manifest, json.dumps(copy_manifest(BUCKET, parts)))
        url = layout.s3_url(BUCKET, manifest)
        loads[run, unit] = Load(snapshot, TARGET, unit_id, None, url, len(names))
    return loads


@fewer(6)
@given(drawn=histories())
def test_any_history_of_loads_leaves_the_newest_row_of_each_key(
    cloud: Any,
    warehouse: LocalWarehouse,
    tmp_path: Path,
    drawn: tuple[dict[Unit, list[str]], list[Unit]],
) -> None:
    keys, history = drawn
    index = f"x{next(_numbers)}"
    loads = prepared(cloud, tmp_path, index, keys)

    for unit in history:
        warehouse.done(load_statements(loads[unit]))

    newest = {
        name: 10 * run + unit for (run, unit), names in sorted(keys.items()) for name in names
    }
    rows = warehouse.rows(f"SELECT k, n FROM drawn WHERE \"index\" = '{index}'")
    assert sorted(rows) == sorted([name, number] for name, number in newest.items())
    reported = warehouse.rows(
        "SELECT COUNT(*), SUM(rows_copied), SUM(rows_duplicate + rows_older + rows_merged)"
        f" FROM pipeline_loads WHERE run_id LIKE '{index}-%'"
    )
    total = sum(map(len, keys.values()))
    assert reported == [[len(keys), str(total), str(total)]]
