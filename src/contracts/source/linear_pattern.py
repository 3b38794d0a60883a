"""Regular expressions of contracts, matched in time linear in the text.

Python's `re` tries every way to divide a text among a pattern's repeats: `(a+)+b` takes 2**n steps
for n times `a`. Here a pattern that `re` can match in few ways is left to it. Any other becomes a
program whose every instruction runs at most once at each position of the text (the method of RE2's
bit-state matcher, https://swtch.com/~rsc/regexp/regexp2.html): what failed there once fails again.
The result is the one that `re` finds. What needs more than that, such as a backreference beside an
unbounded repeat, is refused.

The parser and compiler are those of `re`, in its private modules; the tests compare both on each
Python that the code supports.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

_parser: Final[Any] = importlib.import_module("re._parser")
_compiler: Final[Any] = importlib.import_module("re._compiler")
_WAYS_AT_MOST: Final = 64  # to match a pattern at one position; more than that, and `re` is avoided
_SIZE_AT_MOST: Final = 2_000  # parts of a pattern, repeated ones as often as they are
_PARTS: Final = 10  # a repeat of more ways than one, as often as this, has too many of them
_REPEATS: Final = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_LOOKS: Final = ("ASSERT", "ASSERT_NOT")
_REFUSED: Final = {
    "GROUPREF": "a backreference",
    "GROUPREF_EXISTS": "a conditional group",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repeat",
    **dict.fromkeys(_LOOKS, "a look-ahead or look-behind with choices or groups of its own"),
}
_Saved = tuple[int, int, Any] | None  # slot, position, what was saved before


class NotLinear(ValueError):
    """A pattern that cannot be matched in linear time."""


Search = Callable[[str], dict[str, str | None] | None]


class LinearPattern:
    """A regular expression whose search takes time linear in the text.

    Raises:
        re.error: it is none.
        NotLinear: it cannot be matched so; says what stands in the way.
    """

    def __init__(self, pattern: str, *, or_by_re: bool = False) -> None:
        """Read the pattern.

        Args:
            or_by_re: match by `re` what cannot be matched in linear time, instead of refusing it.
        """
        self.groups: Mapping[str, int] = re.compile(pattern).groupindex
        self._search: Search
        try:
            self._search = self._linear(pattern)
        except NotLinear:
            if not or_by_re:
                raise
            self._search = _by_re(pattern)

    @staticmethod
    def _linear(pattern: str) -> Search:
        tree = _parser.parse(pattern)
        if _size(tree) > _SIZE_AT_MOST:
            raise NotLinear(f"its repeats come to more than {_SIZE_AT_MOST:,} parts")
        few = _ways(tree) <= _WAYS_AT_MOST
        return _by_re(pattern) if few else _Program(tree).search

    def search(self, text: str) -> dict[str, str | None] | None:
        """The named groups of the first match, None for those that took no part; None: no match."""
        return self._search(text)


def _by_re(pattern: str) -> Search:
    compiled = re.compile(pattern)

    def search(text: str) -> dict[str, str | None] | None:
        match = compiled.search(text)
        return None if match is None else match.groupdict()

    return search


class _Program:
    """Instructions `(operation, argument, other)`; see the module."""

    def __init__(self, tree: Any) -> None:
        self._state = tree.state
        self._code: list[tuple[str, Any, int]] = []
        self._emit(tree)
        self._code.append(("match", None, 0))

    def search(self, text: str) -> dict[str, str | None] | None:
        """See `LinearPattern.search`."""
        seen = bytearray(len(self._code) * (len(text) + 1))
        for start in range(len(text) + 1):
            found, saved = self._match(text, start, seen)
            if found:
                return self._groups(text, saved)
        return None

    def _match(self, text: str, start: int, seen: bytearray) -> tuple[bool, _Saved]:
        code, width = self._code, len(text) + 1
        waiting: list[tuple[int, int, _Saved]] = [(0, start, None)]
        while waiting:
            at, position, saved = waiting.pop()
            while not seen[at * width + position]:
                seen[at * width + position] = 1
                operation, argument, other = code[at]
                at += 1
                if operation == "text":
                    match = argument(text, position)
                    if match is None:
                        break
                    position = match.end()
                elif operation == "split":
                    waiting.append((other, position, saved))
                    at = argument
                elif operation == "jump":
                    at = argument
                elif operation == "save":
                    saved = (argument, position, saved)
                else:
                    return True, saved
        return False, None

    def _groups(self, text: str, saved: _Saved) -> dict[str, str | None]:
        places: dict[int, int] = {}
        while saved is not None:
            slot, position, saved = saved
            places.setdefault(slot, position)  # the last one counts, which comes first
        return {
            name: text[places[2 * group] : places[2 * group + 1]] if 2 * group in places else None
            for name, group in self._state.groupdict.items()
        }

    def _emit(self, nodes: Iterable[Any]) -> None:
        plain: list[Any] = []  # what matches in one way is left to `re`, as far as it goes
        for node in nodes:
            if _is_plain(node):
                plain.append(node)
                continue
            self._emit_plain(plain)
            plain = []
            self._emit_node(*node)
        self._emit_plain(plain)

    def _emit_plain(self, nodes: list[Any]) -> None:
        if nodes:
            compiled = _compiler.compile(_parser.SubPattern(self._state, nodes))
            self._code.append(("text", compiled.match, 0))

    def _emit_node(self, kind: Any, argument: Any) -> None:
        name = str(kind)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            self._emit_repeat(*argument, greedy=name == "MAX_REPEAT")
        elif name == "BRANCH":
            self._emit_branches(argument[1])
        elif name == "SUBPATTERN":
            group, added, taken, body = argument
            if added or taken:
                raise NotLinear("it has flags for a part of it, beside a repeat")
            if group is None:
                self._emit(body)
                return
            self._code.append(("save", 2 * group, 0))
            self._emit(body)
            self._code.append(("save", 2 * group + 1, 0))
        else:
            raise NotLinear(f"it has {_REFUSED.get(name, name)}, beside a repeat")

    def _emit_repeat(self, least: int, most: int, body: Any, *, greedy: bool) -> None:
        for _ in range(least):
            self._emit(body)
        endless = most is _parser.MAXREPEAT
        splits = []
        for _ in range(1 if endless else most - least):
            splits.append(len(self._code))
            self._code.append(("split", 0, 0))
            self._emit(body)
        if endless:
            self._code.append(("jump", splits[0], 0))
        end = len(self._code)
        for split in splits:
            first, second = (split + 1, end) if greedy else (end, split + 1)
            self._code[split] = ("split", first, second)

    def _emit_branches(self, branches: list[Any]) -> None:
        jumps = []
        for branch in branches[:-1]:
            split = len(self._code)
            self._code.append(("split", 0, 0))
            self._emit(branch)
            jumps.append(len(self._code))
            self._code.append(("jump", 0, 0))
            self._code[split] = ("split", split + 1, len(self._code))
        self._emit(branches[-1])
        for jump in jumps:
            self._code[jump] = ("jump", len(self._code), 0)


def _is_plain(node: Any) -> bool:
    """Whether `re` matches it in one way, and it holds no group."""
    kind, argument = node
    if any(_has_group(part) for part in _bodies(kind, argument)) or _has_group_itself(node):
        return False
    if str(kind) in _LOOKS:  # only whether it matches counts
        return _ways(argument[1]) <= _WAYS_AT_MOST
    return str(kind) != "GROUPREF" and _ways([node]) == 1


def _has_group(nodes: Iterable[Any]) -> bool:
    return any(
        _has_group_itself(node) or any(_has_group(part) for part in _bodies(*node))
        for node in nodes
    )


def _has_group_itself(node: Any) -> bool:
    """A group, or a reference to one."""
    kind, argument = str(node[0]), node[1]
    return kind in ("GROUPREF", "GROUPREF_EXISTS") or (
        kind == "SUBPATTERN" and argument[0] is not None
    )


def _bodies(kind: Any, argument: Any) -> list[Any]:
    """The patterns that a node is made of."""
    name = str(kind)
    if name in _REPEATS:
        return [argument[2]]
    if name in _LOOKS:
        return [argument[1]]
    if name == "SUBPATTERN":
        return [argument[3]]
    if name == "ATOMIC_GROUP":
        return [argument]
    if name == "BRANCH":
        return list(argument[1])
    if name == "GROUPREF_EXISTS":
        return [part for part in argument[1:] if part is not None]
    return []


def _ways(nodes: Iterable[Any]) -> float:
    """In how many ways a pattern can match at one position, at most."""
    return math.prod(_ways_of(*node) for node in nodes)


def _ways_of(kind: Any, argument: Any) -> float:
    bodies = [_ways(part) for part in _bodies(kind, argument)]
    if str(kind) not in _REPEATS:
        return max(1, sum(bodies) + (str(kind) == "GROUPREF_EXISTS"))
    least, most, _ = argument
    if most is _parser.MAXREPEAT:
        return math.inf
    if bodies[0] == 1:
        return float(most - least + 1)
    return math.inf if most > _PARTS else sum(bodies[0] ** n for n in range(least, most + 1))


def _size(nodes: Iterable[Any]) -> int:
    """Parts of a pattern, each repeated one as often as a program holds it."""
    total = 0
    for kind, argument in nodes:
        times = 1
        if str(kind) in _REPEATS:
            least, most, _ = argument
            times = int(least) + 1 if most is _parser.MAXREPEAT else int(most)
        total += 1 + times * sum(_size(part) for part in _bodies(kind, argument))
    return total
