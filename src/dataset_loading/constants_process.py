"""The process in which `dataset_loading.constants` binds SQL: it dies at its limits, alone.

Run by its path. The first line of standard input is the setup, each further one a statement; each
gets one line of standard output.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys


def main() -> None:
    setup = json.loads(sys.stdin.readline())
    sys.path[:] = setup["path"]
    seconds, size = setup["seconds"], setup["bytes"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError):  # macOS has no such limit; time bounds memory there
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    import duckdb

    connection = duckdb.connect(config=setup["config"])
    connection.execute("SET enable_progress_bar = false")  # it would go to standard output
    for statement in setup["statements"]:
        connection.execute(statement)
    for line in sys.stdin:
        try:
            result: dict[str, object] = {"rows": connection.execute(json.loads(line)).fetchall()}
        except (MemoryError, duckdb.OutOfMemoryException):
            result = {"exceeded": True}
        except duckdb.Error as error:
            result = {"error": str(error)}
        print(json.dumps(result, default=str), flush=True)


if __name__ == "__main__":
    main()
