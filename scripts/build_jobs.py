"""Build the scripts that Glue runs as single files: `python scripts/build_jobs.py`, or `make jobs`.

A built script is its modules one after another, each behind those that it imports, with all outside
imports at the top. So a module of them takes names only (`from module import name`), and no two of
them define the same one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = (ROOT / "jobs" / "src", ROOT / "src")
SCRIPTS: Final = {ROOT / "jobs" / "clean_csv.py": "clean_csv_job.main"}
_HEAD: Final = '''\
# Built by `make jobs` from jobs/src/ and src/reading_rules/: change those, not this file.
"""{docstring}"""

from __future__ import annotations

{imports}
'''
_WIDTH: Final = 100


class Refused(Exception):
    """A module cannot become part of a script; says which, where and why."""


@dataclass(frozen=True)
class Module:
    name: str
    text: str
    tree: ast.Module

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree, clean=False) or ""

    def imports(self) -> Iterator[ast.Import | ast.ImportFrom]:
        for node in self.tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield node

    def defined(self) -> Iterator[str]:
        for node in self.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield node.name
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    every = target.elts if isinstance(target, ast.Tuple) else [target]
                    yield from (one.id for one in every if isinstance(one, ast.Name))

    def body(self) -> str:
        """The text without docstring and imports."""
        lines = self.text.splitlines()
        left_out = [*self.imports(), *self.tree.body[: bool(self.docstring)]]
        for node in left_out:
            end = node.end_lineno or node.lineno
            lines[node.lineno - 1 : end] = [""] * (end - node.lineno + 1)
        return "\n".join(lines).strip()


def module_named(name: str) -> Module | None:
    """One of ours; None for any other."""
    for folder in SOURCES:
        path = (folder / Path(*name.split("."))).with_suffix(".py")
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            return Module(name, text, ast.parse(text, filename=str(path)))
    return None


def ordered(name: str) -> list[Module]:
    """A module behind all that it imports of ours."""
    found: dict[str, Module] = {}

    def visit(module: Module) -> None:
        for node in module.imports():
            inner = module_named(node.module or "") if isinstance(node, ast.ImportFrom) else None
            if inner is None:
                _refuse_whole_modules(module, node)
            elif inner.name not in found:
                visit(inner)
        found[module.name] = module

    main = module_named(name)
    if main is None:
        raise Refused(f"there is no module {name} in {', '.join(map(str, SOURCES))}")
    visit(main)
    return list(found.values())


def _refuse_whole_modules(module: Module, node: ast.Import | ast.ImportFrom) -> None:
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{name}" for name in names]
    ours = [name for name in names if any((s / name.partition(".")[0]).is_dir() for s in SOURCES)]
    if ours:
        raise Refused(
            f"{module.name}, line {node.lineno}: {', '.join(ours)} is imported as a module; in a"
            " single file only names can be taken: from module import name"
        )


def built(name: str) -> str:
    """The script of a main module.

    Raises:
        Refused: two modules define the same name, or one is imported in another way.
    """
    modules = ordered(name)
    _refuse_same_names(modules)
    parts = [_HEAD.format(docstring=modules[-1].docstring, imports=_outside_imports(modules))]
    for module in modules:
        rule = f"# -- {module.name} "
        parts.append(f"\n{rule}{'-' * (_WIDTH - len(rule))}\n\n\n{module.body()}\n\n")
    return "".join(parts).rstrip() + "\n"


def _refuse_same_names(modules: list[Module]) -> None:
    owners: dict[str, str] = {}
    for module in modules:
        for name in module.defined():
            if name in owners:
                raise Refused(f"{owners[name]} and {module.name} both define {name}: rename one")
            owners[name] = module.name
        for node in module.imports():
            renamed = [alias for alias in node.names if alias.asname]
            if renamed:
                raise Refused(f"{module.name}, line {node.lineno}: imports under another name")


def _outside_imports(modules: list[Module]) -> str:
    whole: set[str] = set()
    names: dict[str, set[str]] = {}
    for module in modules:
        for node in module.imports():
            if isinstance(node, ast.Import):
                whole.update(alias.name for alias in node.names)
            elif node.module and node.module != "__future__" and not module_named(node.module):
                names.setdefault(node.module, set()).update(alias.name for alias in node.names)
    lines = [f"import {name}" for name in sorted(whole)]
    lines += [f"from {name} import {', '.join(sorted(names[name]))}" for name in sorted(names)]
    return "\n".join(lines)


def main() -> None:
    for path, name in SCRIPTS.items():
        path.write_text(built(name), encoding="utf-8")


if __name__ == "__main__":
    main()
