"""The rooms of `src/`, and who may import whom: upper layers import lower ones only."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import deployed_code
import pytest

# Top to bottom. Packages of one layer do not import each other.
LAYERS: Final = (
    {"steps"},
    {"publishing"},
    {"runs", "transformation"},
    {"validation", "stores", "dataset_loading"},
    {"reading", "remote_jobs"},
    {"sources"},
    {"tabular", "ledger"},
    {"runtime", "costs"},
    {"contracts"},
    {"reading_rules"},  # also part of the Glue job: nothing but the standard library
)
RANKS: Final = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}
MODULES: Final = sorted(deployed_code.modules())
LARGEST_FOLDER: Final = 21  # but for steps, which has a handler for every function
LONGEST_HANDLER: Final = 120  # lines: decode, build what is needed, one call, encode


def _package(module: str) -> str:
    return module.partition(".")[0]


def test_every_package_has_its_layer() -> None:
    packages = {_package(module) for module in MODULES}
    assert packages == RANKS.keys() | {"durable_pipeline"}


def test_a_module_imports_its_own_package_and_lower_layers_only() -> None:
    found = {module: _upwards(module) for module in MODULES if _package(module) in RANKS}
    assert {module: names for module, names in found.items() if names} == {}


def _upwards(module: str) -> set[str]:
    """What a module imports of other packages that are not of a lower layer."""
    own = _package(module)
    imported = {_package(name): name for name in deployed_code.imports(module) if name in MODULES}
    return {
        name
        for package, name in imported.items()
        if package != own and (package not in RANKS or RANKS[package] <= RANKS[own])
    }


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("steps.")])
def test_a_handler_imports_no_handler(module: str) -> None:
    others = {n for n in deployed_code.imports(module) if n in MODULES and n.startswith("steps.")}
    assert not others


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("steps.")])
def test_a_handler_is_short(module: str) -> None:
    lines = len(deployed_code.modules()[module].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_HANDLER


def test_folders_stay_small_enough_to_look_through() -> None:
    sizes: dict[str, int] = {}
    for module in MODULES:
        folder, _, name = module.rpartition(".")
        if folder != "steps" and name != "__init__":
            sizes[folder] = sizes.get(folder, 0) + 1
    assert {folder: n for folder, n in sizes.items() if n > LARGEST_FOLDER} == {}


def test_modules_of_tests_have_names_of_their_own() -> None:
    """pytest imports them by name alone: of two with one, it leaves one out as an error."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
