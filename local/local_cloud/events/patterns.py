"""Event patterns of EventBridge: which events a rule is for."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Matcher = Callable[[Any], bool]
_ABSENT: Final = object()
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}


class PatternError(ValueError):
    """A pattern is wrong, or says something that is not emulated."""


def compile_pattern(pattern: Any) -> Callable[[Mapping[str, Any]], bool]:
    """Compile a pattern into a predicate over events.

    Emulated: values, `prefix`, `suffix`, `anything-but` (values, `prefix`, `suffix`), `exists`,
    `equals-ignore-case`, `numeric`, `wildcard` and `$or`.

    Raises:
        PatternError: names the part that is wrong or not emulated.
    """
    matcher = _compile_fields(pattern, "")
    return lambda event: matcher(event)


def _compile_fields(pattern: Any, path: str) -> Matcher:
    if not isinstance(pattern, Mapping) or not pattern:
        raise PatternError(f"{path or 'the pattern'} must be a map that is not empty")
    checks: list[tuple[str, Matcher]] = []
    alternatives: list[list[Matcher]] = []
    for name, value in pattern.items():
        where = f"{path}.{name}" if path else str(name)
        if name == "$or":
            if not isinstance(value, list) or len(value) < 2:
                raise PatternError(f"{where} must be a list of at least two patterns")
            alternatives.append([_compile_fields(part, where) for part in value])
        elif isinstance(value, Mapping):
            checks.append((name, _compile_fields(value, where)))
        elif isinstance(value, list) and value:
            checks.append((name, _compile_values(value, where)))
        else:
            raise PatternError(f"{where} must be a list of values that is not empty, or a map")

    def matches(event: Any) -> bool:
        fields = event if isinstance(event, Mapping) else {}
        return all(check(fields.get(name, _ABSENT)) for name, check in checks) and all(
            any(option(event) for option in options) for options in alternatives
        )

    return matches


def _compile_values(values: list[Any], where: str) -> Matcher:
    matchers = [_compile_value(value, where) for value in values]

    def matches(actual: Any) -> bool:
        candidates = actual if isinstance(actual, list) else [actual]
        return any(matcher(candidate) for matcher in matchers for candidate in candidates)

    return matches


def _compile_value(value: Any, where: str) -> Matcher:
    if isinstance(value, list):
        raise PatternError(f"{where}: a list in a list is not allowed")
    if not isinstance(value, Mapping):
        return lambda actual: _same(actual, value)
    if len(value) != 1:
        raise PatternError(f"{where}: {value} must have one key")
    name, operand = next(iter(value.items()))
    compiler = _OPERATORS.get(name)
    if compiler is None:
        raise PatternError(f"{where}: {name} is not emulated")
    return compiler(operand, where)


def _same(actual: Any, expected: Any) -> bool:
    if isinstance(actual, bool) or isinstance(expected, bool):
        return actual is expected
    return bool(actual == expected)


def _text_operand(operand: Any, where: str) -> str:
    if not isinstance(operand, str):
        raise PatternError(f"{where}: {operand!r} must be a text")
    return operand


def _prefix(operand: Any, where: str) -> Matcher:
    start = _text_operand(operand, where)
    return lambda actual: isinstance(actual, str) and actual.startswith(start)


def _suffix(operand: Any, where: str) -> Matcher:
    end = _text_operand(operand, where)
    return lambda actual: isinstance(actual, str) and actual.endswith(end)


def _ignore_case(operand: Any, where: str) -> Matcher:
    same = _text_operand(operand, where).casefold()
    return lambda actual: isinstance(actual, str) and actual.casefold() == same


def _wildcard(operand: Any, where: str) -> Matcher:
    parts = _text_operand(operand, where).split("*")
    expression = re.compile(".*".join(re.escape(part) for part in parts), re.DOTALL)
    return lambda actual: isinstance(actual, str) and bool(expression.fullmatch(actual))


def _exists(operand: Any, where: str) -> Matcher:
    if not isinstance(operand, bool):
        raise PatternError(f"{where}: exists must be true or false")
    return lambda actual: (actual is not _ABSENT) is operand


def _numeric(operand: Any, where: str) -> Matcher:
    if not isinstance(operand, list) or not operand or len(operand) % 2:
        raise PatternError(f"{where}: numeric must be a list of comparisons and numbers")
    pairs = list(zip(operand[::2], operand[1::2], strict=True))
    for name, bound in pairs:
        if name not in _COMPARISONS or not _is_number(bound):
            raise PatternError(f"{where}: numeric {name} {bound} is not a comparison")
    return lambda actual: (
        _is_number(actual) and all(_COMPARISONS[name](actual, bound) for name, bound in pairs)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _anything_but(operand: Any, where: str) -> Matcher:
    if isinstance(operand, Mapping):
        if set(operand) - {"prefix", "suffix", "wildcard", "equals-ignore-case"}:
            raise PatternError(f"{where}: anything-but {sorted(operand)} is not emulated")
        refused = [_compile_value(operand, where)]
    else:
        values = operand if isinstance(operand, list) else [operand]
        refused = [_compile_value(value, where) for value in values]
    return lambda actual: actual is not _ABSENT and not any(match(actual) for match in refused)


_OPERATORS: Final[Mapping[str, Callable[[Any, str], Matcher]]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignore_case,
    "wildcard": _wildcard,
    "exists": _exists,
    "numeric": _numeric,
    "anything-but": _anything_but,
}
