"""Pools as people read them."""

from __future__ import annotations

from rich.console import Console

from cli.documents.pools import PoolDocument, PoolsDocument
from cli.views.ages import age
from cli.views.tables import records_table

_COLUMNS = ("pool", "limit", "from", "running", "waiting", "of runs", "oldest", "note")


def print_pools(console: Console, document: PoolsDocument) -> None:
    """The pools as a table, and what is wrong with `pools.yaml`."""
    if document.pools:
        console.print(records_table(_COLUMNS, (_row(pool) for pool in document.pools)))
    else:
        console.print("no pool has been used yet, and pools.yaml has none")
    file = document.pools_file
    if file.problem is not None:
        in_force = "no other one" if file.version is None else f"version {file.version}"
        console.print(
            f"pools.yaml in the code bucket is not used since {file.problem_at}; in force is"
            f" {in_force}. Correct it, then: pipeline upload\n  {file.problem}",
            style="bold red",
            soft_wrap=True,
        )


def _row(pool: PoolDocument) -> tuple[object, ...]:
    return (
        pool.name,
        pool.limit,
        pool.limit_from,
        pool.running,
        pool.waiting,
        pool.runs_waiting,
        None if pool.oldest_seconds is None else age(pool.oldest_seconds),
        pool.refused_until and f"the engine refuses jobs; next try after {pool.refused_until}",
    )
