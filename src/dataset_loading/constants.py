"""Binding SQL whose constants the engine computes while it binds, in bounded time and memory.

`length(lpad('x', 2000000000, 'y'))` is computed at once, in one call that no interrupt ends and in
memory that `memory_limit` does not count. A process of its own has both limited by the operating
system. One that calls nothing with constants alone needs none, so most contracts start none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dataset_loading.catalogue import Node, nodes_of
from tabular.sql import sql_literal
from tabular.workspace import MEGABYTE

CPU_SECONDS: Final = 5  # of all statements of one contract together
MEGABYTES: Final = 768  # of address space, some 300 of which are the engine's code
_WALL_SECONDS: Final = 50  # below the function's timeout; only where the machine is busy
_CONTAINERS: Final = frozenset({"list_value", "struct_pack", "row"})
_MORE: Final = f"more than {CPU_SECONDS} seconds or {MEGABYTES} MB"
EXCEEDED: Final = f"computes constants that take {_MORE}; write their result, or smaller ones"
TOO_LARGE: Final = f"takes {_MORE} to check; name the columns instead of *, or use fewer relations"


class BoundExceeded(Exception):
    """The statement reached a limit, or one before it did."""


class EngineError(Exception):
    """The engine's message about a statement."""


def constant_calls(tree: Node) -> list[Node]:
    """The outermost calls of functions that the engine can compute without a row."""
    lambdas = {
        str(name)
        for node in nodes_of(tree)
        if node.get("class") == "LAMBDA"
        for column in nodes_of(node.get("lhs"))
        for name in column.get("column_names", [])
    }
    found: list[Node] = []
    waiting: list[object] = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict) and _is_constant(part, lambdas):
            found.append(part)
        elif isinstance(part, dict):
            # A relation's function makes its rows when it is read; its arguments are constants.
            rows = part.get("function") if part.get("type") == "TABLE_FUNCTION" else None
            waiting += [rows.get("arguments")] if isinstance(rows, dict) else list(part.values())
        elif isinstance(part, list):
            waiting += part
    return found


def multiplies_columns(tree: Node) -> bool:
    """Whether the SQL may have far more columns than its relations, as `SELECT *, *` has."""
    kinds = [node.get("type") for node in nodes_of(tree)]
    return kinds.count("STAR") > 1 or ("STAR" in kinds and kinds.count("BASE_TABLE") > 2)


def _is_constant(node: Node, lambdas: set[str]) -> bool:
    if node.get("class") != "FUNCTION" or not node.get("arguments"):
        return False
    if node.get("is_operator") or node["function_name"] in _CONTAINERS:
        return False
    reads = (part for part in nodes_of(node) if part.get("class") in ("COLUMN_REF", "STAR"))
    return all(set(part.get("column_names", ["*"])) <= lambdas for part in reads)


class ConstantsEngine:
    """Runs statements in a process that is started at the first one."""

    def __init__(self, config: Mapping[str, object], statements: Sequence[str]) -> None:
        self._config, self._statements = config, statements
        self._process: subprocess.Popen[str] | None = None

    def run(self, sql: str) -> list[tuple[object, ...]]:
        """The statement's rows.

        Raises:
            BoundExceeded: it takes more time or memory than there is.
            EngineError: the engine refuses it.
        """
        if self._process is None:
            self._process = self._started()
        process = self._process
        deadline = threading.Timer(_WALL_SECONDS, process.kill)
        deadline.start()
        try:
            line = self._exchange(process, sql)
        finally:
            deadline.cancel()
        if not line:
            raise BoundExceeded(EXCEEDED)
        result = json.loads(line)
        if "exceeded" in result:
            raise BoundExceeded(EXCEEDED)
        if "error" in result:
            raise EngineError(result["error"])
        return [tuple(row) for row in result["rows"]]

    def compute(self, call: Node) -> None:
        """Compute a constant call, to see that it can be.

        Raises:
            BoundExceeded: it takes more time or memory than there is.
        """
        select = {"type": "SELECT_NODE", "cte_map": {}, "select_list": [call]}
        select |= {"from_table": {"type": "EMPTY"}, "aggregate_handling": "STANDARD_HANDLING"}
        tree = json.dumps({"error": False, "statements": [{"node": select}]})
        try:
            text = self.run(f"SELECT json_deserialize_sql({sql_literal(tree)}::JSON)")[0][0]
            self.run(f"SELECT count(hash(value)) FROM ({text}) AS constants(value)")
        except EngineError:
            return  # binding the whole says what is wrong, in its own words

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _started(self) -> subprocess.Popen[str]:
        script = Path(__file__).with_name("constants_process.py")
        process = subprocess.Popen(  # noqa: S603  (this interpreter, a file of this package)
            [sys.executable, "-P", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        setup = {
            "path": sys.path,
            "seconds": CPU_SECONDS,
            "bytes": MEGABYTES * MEGABYTE,
            "config": self._config,
            "statements": self._statements,
        }
        self._send(process, setup)
        return process

    def _exchange(self, process: subprocess.Popen[str], sql: str) -> str:
        """The process's line about a statement; empty when it has ended."""
        if process.stdout is None or not self._send(process, sql):
            return ""
        return process.stdout.readline()

    @staticmethod
    def _send(process: subprocess.Popen[str], value: object) -> bool:
        if process.stdin is None:
            return False
        try:
            process.stdin.write(json.dumps(value) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return False
        return True
