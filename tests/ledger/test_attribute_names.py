"""Attribute names and keys of ledger items are written down in contracts.ledger_items only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deployed_code import ROOT

from contracts.ledger_items import (
    AdoptedItem,
    BackfillItem,
    DrawnItem,
    EventItem,
    ExpectedDayItem,
    JobItem,
    Key,
    LossesItem,
    NewObjectsItem,
    OperationsItem,
    PastCostsItem,
    PoolItem,
    PoolsFileItem,
    QuotaItem,
    RejectedItem,
    RunItem,
    SpentItem,
    UnitItem,
    WindowsItem,
)

CLASSES: Final = (
    RunItem,
    UnitItem,
    JobItem,
    AdoptedItem,
    RejectedItem,
    DrawnItem,
    EventItem,
    PoolItem,
    PoolsFileItem,
    QuotaItem,
    OperationsItem,
    LossesItem,
    SpentItem,
    PastCostsItem,
    NewObjectsItem,
    BackfillItem,
    WindowsItem,
    ExpectedDayItem,
)
NAMES: Final = frozenset().union(*(each.attributes() for each in CLASSES), Key._fields)
PREFIXES: Final = (
    "UNIT#",
    "JOB#",
    "ADOPTED#",
    "REJECTED#",
    "EVENT#",
    "#quota",
    "LOSSES#",
    "SPENT#",
    "#costs",
    "OPERATION-COUNT",
    "#pools",
    "#pool",
    "POOL#",
    "#new-objects",
    "#backfills",
    "BACKFILL#",
    "WINDOWS#",
    "#expected",
)
# Words that fields of messages, documents, metrics and other tables have, too.
COMMON: Final = frozenset(
    {
        "adopted",
        "already_stored",
        "cost",
        "due",
        "ended_at",
        "engine",
        "error",
        "estimate",
        "execution",
        "expires_at",
        "failure",
        "generation",
        "input_url",
        "item",
        "items",
        "job_id",
        "limit",
        "log_tail",
        "not_started",
        "objects",
        "outcome",
        "pool",
        "priority",
        "problem",
        "reason",
        "request",
        "rows",
        "running",
        "run_id",
        "runs",
        "service_id",
        "set_aside",
        "started_at",
        "state",
        "status",
        "units",
        "usage",
        "version",
        "waiting",
    }
)
# Columns of the warehouse, which are called as the attributes are.
COLUMNS: Final = frozenset({"src/stores/redshift/load.py", "src/stores/redshift/run_rows.py"})
# Not the ledger's items: what these modules take apart has fields of the same names.
OTHER_DOCUMENTS: Final = {
    "cli/client/follow.py": "the response of list-urls",
    "src/steps/notification_consumer.py": "a notification",
    "src/steps/reaper.py": "an event of EventBridge",
}
MODULES: Final = [
    str(path.relative_to(ROOT))
    for root in ("src", "cli")
    for path in sorted((ROOT / root).rglob("*.py"))
    if path.parent.name != "ledger_items"
]


# What a module has in its text that writes a name or a key, or reads items: to parse takes longer.
PERHAPS: Final = re.compile(
    rf"""["'}}](?:{"|".join(sorted(NAMES - COMMON))})["'{{]|{"|".join(PREFIXES)}|\bledger"""
)


def _literals(tree: ast.AST) -> Iterator[str]:
    """String literals, but for what is logged (`extra`) and fields of contracts (`update`)."""
    if isinstance(tree, ast.keyword) and tree.arg in ("extra", "update"):
        return
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    for child in ast.iter_child_nodes(tree):
        yield from _literals(child)


def _looked_up(tree: ast.Module) -> Iterator[str]:
    """Literals by which a mapping is read: `x["name"]`, `x.get("name")`, `Attr("name")`."""
    for node in ast.walk(tree):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript):
            key = node.slice
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            key = node.args[0] if called in ("get", "pop", "Attr") else None
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value


def _handles_items(tree: ast.Module) -> bool:
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(name.startswith(("ledger", "contracts.ledger_items")) for name in modules)


def test_no_module_but_the_owner_writes_an_attribute_name_or_a_key() -> None:
    written = {module: _written(module) for module in MODULES}
    assert {module: names for module, names in written.items() if names} == {}


def _written(module: str) -> set[str]:
    text = Path(ROOT / module).read_text(encoding="utf-8")
    if not PERHAPS.search(text):
        return set()
    tree = ast.parse(text)
    literals = set(_literals(tree))
    own = literals & (NAMES - COMMON) if module not in COLUMNS else set()
    keys = {text for text in literals if text.startswith(PREFIXES)}
    looked_up = set(_looked_up(tree)) & NAMES if _handles_items(tree) else set()
    if module in OTHER_DOCUMENTS:
        assert looked_up, f"{module} needs no exception any more"
        looked_up = set()
    return own | keys | looked_up


def test_every_word_that_is_called_common_is_an_attribute() -> None:
    assert COMMON <= NAMES
