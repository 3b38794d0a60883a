"""What functions of the same directories share: the code that their handlers import.

Loaded by the processes of `sandbox_process.py` from its file, never imported by the local cloud.
Importing it takes longer than all else of a cold start, so a template process does it once, and
every sandbox is forked from there. That must not make a difference: the code is imported with the
environment of a function, what it reads of that is noted, and only functions for which the same is
there share it.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

# The packages of the pipeline's functions. Of others nothing is imported before the fork: handlers
# of users may open connections or start threads while they are imported, these may not (a test
# imports them all). A handler's own module is imported in its sandbox, as on AWS.
SHARED_PACKAGES = (
    "contracts",
    "costs",
    "dataset_loading",
    "durable_pipeline",
    "ledger",
    "publishing",
    "reading",
    "reading_rules",
    "remote_jobs",
    "runs",
    "runtime",
    "sources",
    "stores",
    "tabular",
    "transformation",
    "validation",
)
EVERYTHING = "*"  # instead of a variable's name: all of the environment was read


class Environment(type(os.environ)):  # type: ignore[misc]  # os._Environ
    """`os.environ` while shared code is imported: notes what is read."""

    reads: dict[str, str | None]

    def __getitem__(self, name: str) -> str:
        try:
            value: str = super().__getitem__(name)
        except KeyError:
            self.reads[name] = None
            raise
        self.reads[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        self.reads[EVERYTHING] = None
        iterator: Iterator[str] = super().__iter__()
        return iterator


class SharedCode:
    """The shared code of some directories, in the process that imports it.

    Attributes:
        path: the directories, first entries of `sys.path`.
        reads: of the environment, what the code has read: values by name, None where there was
            none.
        root_filters: what the code has set for the handlers of the root logger. Lambda's own is
            there when a function's code is imported; here it comes after the fork.
    """

    def __init__(self, path: list[str]) -> None:
        self.path = path
        self.reads: dict[str, str | None] = {}
        self.root_filters: list[Any] = []
        self._states: dict[str, tuple[int, int] | None] = {}
        self._loaded: set[str] = set()

    def is_current(self) -> bool:
        """Whether its files are as they were when they were imported."""
        return all(file_state(name) == state for name, state in self._states.items())

    def is_for(self, environment: Mapping[str, str]) -> bool:
        """Whether the code would have read the same in this environment."""
        if EVERYTHING in self.reads:
            return False
        return all(environment.get(name) == value for name, value in self.reads.items())

    def load(self, handler: str, environment: Mapping[str, str]) -> bool:
        """Import what a handler imports of the shared packages.

        What cannot be imported is left to the function, which reports it.

        Args:
            handler: `package.module.function`.
            environment: of the function; one that the code `is_for`.

        Returns:
            Whether anything was to be imported.
        """
        module = handler.rpartition(".")[0].replace("/", ".")
        names = [] if module in self._loaded else self._shared_imports(module)
        if not names:
            return False
        others = set(sys.modules)
        importlib.invalidate_caches()
        with self._as_in_a_function(environment):
            imported = [_imports(name) for name in names]
            with contextlib.suppress(Exception):
                # Which every function has; a third of what its first client takes.
                boto3 = importlib.import_module("boto3")
                if boto3.DEFAULT_SESSION is None:
                    boto3.setup_default_session()
            _make_adapters()
        if all(imported):
            self._loaded.add(module)
        inside = tuple(os.path.join(directory, "") for directory in self.path)
        for name in sys.modules.keys() - others:
            file = getattr(sys.modules[name], "__file__", None)
            if file and file.startswith(inside):
                self._states[file] = file_state(file)
        return True

    @contextlib.contextmanager
    def _as_in_a_function(self, environment: Mapping[str, str]) -> Iterator[None]:
        """With the path and environment of a function, and a root logger that has a handler."""
        before, kind = dict(os.environ), os.environ.__class__
        root_handler = logging.NullHandler()
        logging.root.addHandler(root_handler)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:0] = self.path
        Environment.reads = self.reads
        os.environ.__class__ = Environment
        try:
            yield
        finally:
            os.environ.__class__ = kind
            os.environ.clear()
            os.environ.update(before)
            del sys.path[: len(self.path)]
            logging.root.removeHandler(root_handler)
            self.root_filters += root_handler.filters

    def _shared_imports(self, module: str) -> list[str]:
        """The modules of shared packages that a module's statements name, in their order."""
        file = self._file(module)
        if file is None:
            return []
        try:
            with open(file, "rb") as source:
                tree = ast.parse(source.read())
        except (OSError, SyntaxError, ValueError):
            return []
        names = [name for node in tree.body for name in _named(node)]
        return [name for name in names if name.partition(".")[0] in SHARED_PACKAGES]

    def _file(self, module: str) -> str | None:
        relative = module.replace(".", os.sep) + ".py"
        files = (os.path.join(directory, relative) for directory in self.path)
        return next((file for file in files if os.path.exists(file)), None)


def file_state(file: str) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = os.stat(file)
        return found.st_mtime_ns, found.st_size
    return None


def _make_adapters() -> None:
    """What parses the ledger's items, which is made at the first item of each kind otherwise."""
    base = sys.modules.get("contracts.ledger_items.base")
    classes = [] if base is None else [base.LedgerItem]
    for item_class in classes:
        classes += item_class.__subclasses__()
        with contextlib.suppress(Exception):  # then the function meets it, where it is seen
            base.adapter_of(item_class)  # type: ignore[union-attr]


def _imports(name: str) -> bool:
    """Import a module; whether that worked."""
    try:
        importlib.import_module(name)
    except (Exception, SystemExit):
        return False
    return True


def _named(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
