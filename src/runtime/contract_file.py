"""A YAML file that people write, as a contract: every problem at once, with its line.

Bounded: what a few lines of aliases would expand to is counted, not expanded.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.errors import InvalidInput, Problem
from contracts.source import StrictContract

Model = TypeVar("Model", bound=StrictContract)
Refusal = TypeVar("Refusal", bound=InvalidInput)

PROBLEMS_AT_MOST: Final = 100
VALUES_AT_MOST: Final = 100_000
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_BOOL: Final = "tag:yaml.org,2002:bool"
_TRUE_OR_FALSE: Final = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_ENUM_MEMBER: Final = re.compile(r"<\w+\.\w+: ('[^']*')>")  # as Python shows one
_EMPTY: Final = "is empty: give it a value, or leave the field out"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NO_TEXT: Final = "holds half of a surrogate pair, which is no character; write the whole one"
_NUL: Final = "holds a NUL character, which no text in a table or file may have; take it out"
Place = tuple[str | int, ...]


class ContractFile:
    """The parsed YAML, which still knows the lines."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root

    def line(self, place: Place) -> int:
        """The line, from 1, of the deepest part of the place that is in the file."""
        line = 1
        for node in self._nodes(place):
            line = node.start_mark.line + 1
        return line

    def known(self, place: Place) -> Place:
        """The place without what pydantic adds (`csv` of a union, say) and the file lacks."""
        found: list[str | int] = []
        for part in place:
            if len(list(self._nodes((*found, part)))) == len(found) + 2:
                found.append(part)
        return tuple(found)

    def _nodes(self, place: Place) -> Iterator[yaml.Node]:
        node = self._root
        if node is not None:
            yield node
        for part in place:
            node = _child(node, part)
            if node is None:
                return
            yield node


def parse_contract(
    text: str,
    file: str,
    model: type[Model],
    refused: type[InvalidInput],
    *,
    first_field: str,
    fields: Callable[[], Iterable[str]],
) -> tuple[Model, ContractFile]:
    """Parse and validate a contract file.

    Args:
        file: its name in messages, such as `datasets/orders.yaml`.
        model: what it is to be.
        refused: the error that is raised.
        first_field: what such a file begins with.
        fields: names that may have been meant by one that is not known.

    Raises:
        InvalidInput: as `refused`, with every problem, each with its line.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        _refuse_large(root, file, refused)
        nodes = ContractFile(root)
        value = None if root is None else loader.construct_document(root)
        nulls = list(_nulls(value))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
        raise refused(file, [Problem(place, f"is not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise refused(file, [Problem("file", f"is not YAML: {error}")]) from error
    if not isinstance(value, dict):
        problem = Problem("line 1", f"must be a mapping of fields, beginning with {first_field}:")
        raise refused(file, [problem])
    empty = [Problem(located(place, nodes), _EMPTY) for place in nulls]
    empty += [Problem(located(place, nodes), why) for place, why in _unusable(value)]
    try:
        # By the fields' names as they are written here, not as Python has them.
        parsed = model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        known = {problem.path for problem in empty}
        others = [p for p in _problems(error.errors(), nodes, fields) if p.path not in known]
        raise refusal(refused, file, empty + others) from error
    if empty:
        raise refusal(refused, file, empty)
    return parsed, nodes


def _refuse_large(root: yaml.Node | None, file: str, refused: type[InvalidInput]) -> None:
    """Aliases of aliases make billions of values out of a few lines: counted, not expanded.

    Raises:
        InvalidInput: more values than any contract has.
        RecursionError: a value holds itself, or is nested too deeply.
    """
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            members = node.value if isinstance(node, yaml.CollectionNode) else ()
            pairs = (member if isinstance(member, tuple) else (member,) for member in members)
            parts = sum(size(part) for pair in pairs for part in pair)
            sizes[id(node)] = min(1 + parts, VALUES_AT_MOST + 1)  # else it may have any length
        return sizes[id(node)]

    if root is not None and size(root) > VALUES_AT_MOST:
        problem = f"has more than {VALUES_AT_MOST:,} values, aliases written out"
        raise refused(file, [Problem("file", problem)])


def _nulls(value: Any, place: Place = ()) -> Iterator[Place]:
    """Where nothing stands behind a field's name, or in a list."""
    if value is None:
        yield place
    named = value if isinstance(value, dict) else {}
    listed = value if isinstance(value, list) else []
    for name, member in (*named.items(), *enumerate(listed)):
        yield from _nulls(member, (*place, name))


def _unusable(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Where a text, or a field's name, holds what no file or table can, and why."""
    why = _no_text(value)
    if why is not None:
        yield place, why
    named = value if isinstance(value, dict) else {}
    listed = value if isinstance(value, list) else []
    for name, member in (*named.items(), *enumerate(listed)):
        why = _no_text(name)
        if why is not None:
            yield (*place, name), why
        yield from _unusable(member, (*place, name))


def _no_text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if _SURROGATE.search(value):
        return _NO_TEXT
    return _NUL if "\0" in value else None


def refusal(refused: type[Refusal], file: str, problems: Sequence[Problem]) -> Refusal:
    """The error with every problem, or the first hundred: it has to fit into a step's result."""
    reported = [
        Problem(_printable(one.path), _printable(one.message), one.value and _printable(one.value))
        for one in problems[:PROBLEMS_AT_MOST]
    ]
    if len(problems) > len(reported):
        reported.append(Problem("file", f"has {len(problems) - len(reported)} more problems"))
    return refused(file, reported)


def _printable(text: str) -> str:
    """A lone surrogate, which YAML can spell and no encoding has, by its escape; so is NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def located(place: Place, nodes: ContractFile) -> str:
    """`columns[2].type (line 14)`."""
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return f"{path or 'file'} (line {nodes.line(place)})"


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: dates stay text (a bound of a date column is written so), so does the
    country NO, and a field given twice is an error. What yaml raises without a place gets one."""

    def scan_flow_scalar_non_spaces(self, double: bool, start_mark: yaml.Mark) -> list[str]:
        try:
            return super().scan_flow_scalar_non_spaces(double, start_mark)
        except (ValueError, OverflowError) as error:  # of chr(), at the escape's digits
            problem = f"\\U{self.prefix(8)} is no character; the last one is \\U0010FFFF"
            raise yaml.scanner.ScannerError(None, None, problem, self.get_mark()) from error

    def scan_yaml_directive_number(self, start_mark: yaml.Mark) -> int:
        try:
            return super().scan_yaml_directive_number(start_mark)
        except ValueError as error:  # of int(): more digits than Python reads
            problem = "the version has too many digits; leave the line %YAML out"
            raise yaml.scanner.ScannerError(None, None, problem, self.get_mark()) from error

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, int):
                str(value)  # in base 16 or 60 a number may have more digits than Python writes
            return value
        except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
            kind = node.tag.rpartition(":")[2]
            problem = f"{_printable(str(node.value))[:100]!r} cannot be read as !!{kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():  # it may be tagged
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name} is given twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, _TRUE_OR_FALSE if tag == _BOOL else pattern)
        for tag, pattern in resolvers
        if tag != _TIMESTAMP
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _child(node: yaml.Node | None, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    return None


def _problems(
    errors: Sequence[ErrorDetails], nodes: ContractFile, fields: Callable[[], Iterable[str]]
) -> list[Problem]:
    """One problem per place: a value that fits no member of a union is reported once."""
    found: dict[str, Problem] = {}
    for error in errors:
        if error["type"] == "too_short" and error["input"]:
            continue  # only because its members are wrong, which is reported anyway
        place = nodes.known(error["loc"])
        missing = error["type"] == "missing"
        if missing:
            place = (*place, error["loc"][-1])
        path = located(place, nodes)
        message = _message(error, place, fields)
        value = None if missing else _shown(error["input"])
        if path in found and message not in found[path].message:
            message = f"{found[path].message}, or {message}"
        found[path] = Problem(path, message, value)
    return list(found.values())


def _message(error: ErrorDetails, place: Place, fields: Callable[[], Iterable[str]]) -> str:
    if error["type"] == "missing":
        return "is required"
    if error["type"] == "extra_forbidden":
        name, known = str(place[-1]), list(fields())
        near = [] if name in known else difflib.get_close_matches(name, known, n=1)
        return "is not a field here" + (f"; did you mean {near[0]}?" if near else "")
    message = _ENUM_MEMBER.sub(r"\1", error["msg"])
    for theirs, ours in (
        ("Input should", "should"),
        ("String should", "should"),
        ("Value", "value"),
    ):
        if message.startswith(theirs):
            return ours + message[len(theirs) :]
    return message


def _shown(value: Any) -> str | None:
    if isinstance(value, (dict, list)):
        return None  # the line says where to look
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else text[:200] + "…"
