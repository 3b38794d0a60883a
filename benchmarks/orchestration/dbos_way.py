"""DBOS with SQLite: each stage is a step in the process of its workflow."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def launched() -> Iterator[Callable[[int], float]]:
    """What runs a workflow of so many steps, and returns the seconds that it took."""
    from dbos import DBOS, DBOSConfig
    from sqlalchemy import Engine, event

    if sqlite3.sqlite_version_info < (3, 42):  # DBOS asks it for fractions of a second
        event.listen(Engine, "connect", _add_subseconds)
    with tempfile.TemporaryDirectory() as folder:
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": f"sqlite:///{Path(folder) / 'dbos.sqlite'}",
            "log_level": "ERROR",
            "run_admin_server": False,
        }
        DBOS(config=config)

        @DBOS.step()
        def stage(number: int) -> int:
            return number + 1

        @DBOS.workflow()
        def chain(stages: int) -> int:
            number = 0
            for _ in range(stages):
                number = stage(number)
            return number

        DBOS.launch()

        def run(stages: int) -> float:
            began = time.perf_counter()
            if chain(stages) != stages:
                raise AssertionError("the workflow lost a step")
            return time.perf_counter() - began

        try:
            yield run
        finally:
            DBOS.destroy()


def _add_subseconds(connection: Any, _: object) -> None:
    connection.create_function("unixepoch", 1, lambda _: time.time())
