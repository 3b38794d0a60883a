"""Let a database of the local Redshift be used again by the next test, emptied.

To open one and to write it out in the end costs 40 ms of processor time, a fifth of what the tests
of the warehouse cost.
"""

from __future__ import annotations

import atexit
import itertools
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Final

import duckdb

from local.local_cloud.redshift.database import Database
from local.local_cloud.redshift.ddl import CATALOG_SCHEMA

_HERE: Final = "database_name = current_database()"
_SCHEMAS: Final = f"""
    SELECT schema_name FROM duckdb_schemas()
    WHERE {_HERE} AND NOT internal AND schema_name NOT IN ('public', '{CATALOG_SCHEMA}')"""
_OF_MAIN: Final = f"""
    SELECT table_name FROM duckdb_tables() WHERE {_HERE} AND schema_name = 'main'
    UNION ALL SELECT view_name FROM duckdb_views()
    WHERE {_HERE} AND schema_name = 'main' AND NOT internal"""
_IDENTITIES: Final = f"""
    SELECT sequence_name FROM duckdb_sequences()
    WHERE {_HERE} AND schema_name = '{CATALOG_SCHEMA}'"""

_root: Final = tempfile.TemporaryDirectory(prefix="redshifts-")
_numbers: Final = itertools.count(1)
_idle: Final[dict[str, list[ReusedDatabase]]] = defaultdict(list)


class ReusedDatabase(Database):
    def close(self) -> None:
        try:
            is_empty = self._empty()
        except duckdb.Error:  # a session is still open, or has broken the database
            is_empty = False
        if is_empty:
            _idle[self.name].append(self)
        else:
            super().close()

    def close_for_good(self) -> None:
        super().close()

    @property
    def name(self) -> str:
        row = self._connection.execute("SELECT current_database()").fetchone()
        return str(row[0]) if row else ""

    def _empty(self) -> bool:
        """Drop what the tests have made; False where something is left that stands in no schema."""
        run = self._connection.execute
        for (schema,) in run(_SCHEMAS).fetchall():
            run(f'DROP SCHEMA "{schema}" CASCADE')
        run("DROP SCHEMA public CASCADE")
        run("CREATE SCHEMA public")
        for (sequence,) in run(_IDENTITIES).fetchall():
            run(f'DROP SEQUENCE {CATALOG_SCHEMA}."{sequence}"')
        run(f"DELETE FROM {CATALOG_SCHEMA}.load_errors")
        return not run(_OF_MAIN).fetchall()


def reused(path: Path) -> Database:
    """The database of this name, wherever its file is."""
    idle = _idle[path.stem]
    return idle.pop() if idle else ReusedDatabase(Path(_root.name, str(next(_numbers)), path.name))


def _close() -> None:
    """DuckDB's binding complains of what is left when Python ends."""
    for database in itertools.chain.from_iterable(_idle.values()):
        database.close_for_good()
    _root.cleanup()


atexit.register(_close)
