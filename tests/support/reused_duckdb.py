"""Let a DuckDB be used again by the next who opens one with the same settings.

To open a database costs 17 ms of processor time, most of it to register some thousand functions,
and the tests open two thousand. A used one differs from a new one by its tables, views and
sequences, which are dropped, and its log, which is emptied; after any statement that may leave more
it is closed. The directory that a sealed one may use is one for all of this process: nothing else
lies there.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import re
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import duckdb
import pytest

import dataset_loading.sql
from tabular import workspace
from tabular.sql import sql_identifier

_SETTING: Final = re.compile(r"(?:SET|PRAGMA|CALL enable_logging)\b")
_LOCK: Final = "SET lock_configuration = true"
_LEAVES_NO_MORE: Final = re.compile(
    r"\s*(?:SELECT|WITH|FROM|COPY|DESCRIBE|EXPLAIN|INSERT|UPDATE|DELETE|CALL truncate_duckdb_logs"
    r"|(?:CREATE|CREATE OR REPLACE)(?: TEMP)? (?:TABLE|VIEW|SEQUENCE)|DROP (?:TABLE|VIEW))\b"
)
_OBJECTS: Final = """
    SELECT 'VIEW', database_name, view_name FROM duckdb_views() WHERE NOT internal
    UNION ALL SELECT 'TABLE', database_name, table_name FROM duckdb_tables()
    UNION ALL SELECT 'SEQUENCE', database_name, sequence_name FROM duckdb_sequences()"""

_open: Final = workspace.connect
_root: Final = tempfile.TemporaryDirectory(prefix="duckdbs-")
_numbers: Final = itertools.count(1)
_idle: Final[dict[Any, list[duckdb.DuckDBPyConnection]]] = defaultdict(list)


class _Connection:
    """What `workspace.connect` returns: a database that is opened, or used again, when needed."""

    def __init__(self, database: str = ":memory:", config: Mapping[str, Any] | None = None) -> None:
        self._database, self._config = database, dict(config or {})
        self._settings: list[str] = []
        self._real: duckdb.DuckDBPyConnection | None = None
        self._key: Any = None  # of one that may be used again
        self._is_closed = False

    def execute(self, sql: Any, *arguments: Any, **named: Any) -> Any:
        is_setting = bool(_SETTING.match(str(sql)))
        if is_setting and self._real is None and not self._is_closed:
            self._settings.append(sql)
            if sql == _LOCK:  # what is set from here on is refused at once
                self._opened()
            return self
        return self._checked(sql).execute(sql, *arguments, **named)

    def sql(self, sql: Any, **named: Any) -> Any:
        return self._checked(sql).sql(sql, **named)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """One of its own, with temporary tables of its own."""
        real = self._opened()
        if _LOCK not in self._settings:
            self._key = None  # it could change what is set for all
        return real.cursor()

    def close(self) -> None:
        real, self._real, self._is_closed = self._real, None, True
        has_log = any("enable_logging" in each for each in self._settings)
        if real is not None and self._key is not None and _emptied(real, has_log):
            _idle[self._key].append(real)
        elif real is not None:
            real.close()

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._opened(), name)
        if name not in ("fetchall", "fetchone", "interrupt"):
            self._key = None
        return found

    def _checked(self, sql: Any) -> duckdb.DuckDBPyConnection:
        real = self._opened()
        if not _LEAVES_NO_MORE.match(str(sql)):
            self._key = None
        return real

    def _opened(self) -> duckdb.DuckDBPyConnection:
        if self._is_closed:
            raise duckdb.ConnectionException("Connection already closed!")
        if self._real is None:
            self._real = self._taken()
        return self._real

    def _taken(self) -> duckdb.DuckDBPyConnection:
        """A database with these settings; the directory of its own becomes that of all."""
        number, database = next(_numbers), self._database
        if "temp_directory" in self._config:
            directory = str(Path(self._config["temp_directory"]).parent)
            self._config["temp_directory"] = str(ROOT / "spill-{}")
            database = database.replace(directory, str(ROOT)).replace("work.", "{}.")
            settings = [each.replace(directory, str(ROOT)) for each in self._settings]
        elif database == ":memory:":
            settings = self._settings
        else:
            return _set_up(database, self._config, self._settings)
        self._key = database, str(self._config), *settings
        if idle := _idle[self._key]:
            return idle.pop()
        config = {
            name: value.format(number) if name == "temp_directory" else value
            for name, value in self._config.items()
        }
        return _set_up(database.format(number), config, settings)


def _set_up(
    database: str, config: Mapping[str, Any], settings: Sequence[str]
) -> duckdb.DuckDBPyConnection:
    real = _open(database, config)
    for setting in settings:
        real.execute(setting)
    return real


def _emptied(real: duckdb.DuckDBPyConnection, has_log: bool) -> bool:
    """Whether nothing is left of its last use."""
    try:
        for kind, *name in real.execute(_OBJECTS).fetchall():
            quoted = ".".join(map(sql_identifier, name))
            real.execute(f"DROP {kind} {quoted}")
        if has_log:
            real.execute("CALL truncate_duckdb_logs()")
    except duckdb.Error:
        return False
    return True


def _close() -> None:
    """DuckDB's binding complains of what is left when Python ends."""
    for real in itertools.chain.from_iterable(_idle.values()):
        real.close()
    _root.cleanup()


@pytest.fixture
def new_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is left out here."""
    monkeypatch.setattr(workspace, "connect", _open)
    monkeypatch.setattr(workspace, "tempfile", tempfile)


ROOT: Final = Path(_root.name).resolve()
vars(workspace)["connect"] = vars(dataset_loading.sql)["connect"] = _Connection
vars(workspace)["tempfile"] = SimpleNamespace(
    TemporaryDirectory=functools.partial(tempfile.TemporaryDirectory, dir=ROOT)
)
atexit.register(_close)
