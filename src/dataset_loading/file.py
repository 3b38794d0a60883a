"""A contract file's text as a `Dataset`: every problem at once, with its line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts import dataset as contract
from contracts.dataset import Dataset
from contracts.errors import InvalidDataset, Problem

PROBLEMS_AT_MOST: Final = 100
VALUES_AT_MOST: Final = 100_000
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_BOOL: Final = "tag:yaml.org,2002:bool"
_TRUE_OR_FALSE: Final = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_ENUM_MEMBER: Final = re.compile(r"<\w+\.\w+: ('[^']*')>")  # as Python shows one
_EMPTY: Final = "is empty: give it a value, or leave the field out"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NO_TEXT: Final = "holds half of a surrogate pair, which is no character; write the whole one"
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


def parse_dataset(text: str, file: str) -> tuple[Dataset, ContractFile]:
    """Parse and validate a contract file.

    Args:
        file: its name in messages, such as `datasets/orders.yaml`.

    Raises:
        InvalidDataset: with every problem, each with its line.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        _refuse_large(root, file)
        nodes = ContractFile(root)
        value = None if root is None else loader.construct_document(root)
        nulls = list(_nulls(value))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
        raise InvalidDataset(file, [Problem(place, f"is not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidDataset(file, [Problem("file", f"is not YAML: {error}")]) from error
    if not isinstance(value, dict):
        problem = Problem("line 1", "must be a mapping of fields, beginning with name:")
        raise InvalidDataset(file, [problem])
    empty = [Problem(located(place, nodes), _EMPTY) for place in nulls]
    empty += [Problem(located(place, nodes), _NO_TEXT) for place in _surrogates(value)]
    try:
        # By the fields' names as they are written here, not as Python has them.
        dataset = Dataset.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        known = {problem.path for problem in empty}
        others = [p for p in _problems(error.errors(), nodes) if p.path not in known]
        raise refusal(file, empty + others) from error
    if empty:
        raise refusal(file, empty)
    return dataset, nodes


def _refuse_large(root: yaml.Node | None, file: str) -> None:
    """Aliases of aliases make billions of values out of a few lines: counted, not expanded.

    Raises:
        InvalidDataset: more values than any contract has.
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
        raise InvalidDataset(file, [Problem("file", problem)])


def _nulls(value: Any, place: Place = ()) -> Iterator[Place]:
    """Where nothing stands behind a field's name, or in a list."""
    if value is None:
        yield place
    named = value if isinstance(value, dict) else {}
    listed = value if isinstance(value, list) else []
    for name, member in (*named.items(), *enumerate(listed)):
        yield from _nulls(member, (*place, name))


def _surrogates(value: Any, place: Place = ()) -> Iterator[Place]:
    """Where a text, or a field's name, holds half of a surrogate pair."""
    if isinstance(value, str) and _SURROGATE.search(value):
        yield place
    named = value if isinstance(value, dict) else {}
    listed = value if isinstance(value, list) else []
    for name, member in (*named.items(), *enumerate(listed)):
        if isinstance(name, str) and _SURROGATE.search(name):
            yield (*place, name)
        yield from _surrogates(member, (*place, name))


def refusal(file: str, problems: Sequence[Problem]) -> InvalidDataset:
    """The error with every problem, or the first hundred: it has to fit into a step's result."""
    reported = [
        Problem(_printable(one.path), _printable(one.message), one.value and _printable(one.value))
        for one in problems[:PROBLEMS_AT_MOST]
    ]
    if len(problems) > len(reported):
        reported.append(Problem("file", f"has {len(problems) - len(reported)} more problems"))
    return InvalidDataset(file, reported)


def _printable(text: str) -> str:
    """A lone surrogate, which YAML can spell and no encoding has, by its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def located(place: Place, nodes: ContractFile) -> str:
    """`columns[2].type (line 14)`."""
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return f"{path or 'file'} (line {nodes.line(place)})"


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: dates stay text (a bound of a date column is written so), so does the
    country NO, and a field given twice is an error."""

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
        for key, _ in node.value:
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


def _problems(errors: Sequence[ErrorDetails], nodes: ContractFile) -> list[Problem]:
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
        message, value = _message(error, place), None if missing else _shown(error["input"])
        if path in found and message not in found[path].message:
            message = f"{found[path].message}, or {message}"
        found[path] = Problem(path, message, value)
    return list(found.values())


def _message(error: ErrorDetails, place: Place) -> str:
    if error["type"] == "missing":
        return "is required"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), _field_names(), n=1)
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


def _field_names() -> list[str]:
    """Every field that a contract file may have, as it is written there."""
    return sorted(
        {
            field.alias or name
            for model in vars(contract).values()
            if isinstance(model, type) and issubclass(model, contract.StrictContract)
            for name, field in model.model_fields.items()
        }
    )


def _shown(value: Any) -> str | None:
    if isinstance(value, (dict, list)):
        return None  # the line says where to look
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else text[:200] + "…"
