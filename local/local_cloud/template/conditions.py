"""What a template decides before any resource exists: parameters, conditions, rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from local.local_cloud.template.intrinsics import Scope, TemplateError, intrinsic, resolve, text

_PARAMETER_KEYS: Final = frozenset(
    [
        "Type",
        "Default",
        "Description",
        "AllowedValues",
        "AllowedPattern",
        "ConstraintDescription",
        "NoEcho",
        "MinLength",
        "MaxLength",
        "MinValue",
        "MaxValue",
    ]
)
_PARAMETER_TYPES: Final = frozenset(
    {"String", "Number", "CommaDelimitedList", "List<Number>", "List<String>"}
)


def parameter_values(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The value of every parameter: the one given, else its default.

    Numbers become int or float, lists become lists.

    Raises:
        TemplateError: names every parameter that is unknown, missing or not allowed.
    """
    problems = [
        f"the template has no parameter {name}" for name in sorted(set(given) - set(declared))
    ]
    values: dict[str, Any] = {}
    for name, declaration in declared.items():
        try:
            values[name] = _parameter_value(name, declaration, given.get(name))
        except TemplateError as error:
            problems.append(str(error))
    if problems:
        raise TemplateError("\n".join(problems))
    return values


def _parameter_value(name: str, declaration: Mapping[str, Any], given: str | None) -> Any:
    unknown = set(declaration) - _PARAMETER_KEYS
    if unknown:
        raise TemplateError(f"Parameters.{name}: unknown keys {', '.join(sorted(unknown))}")
    kind = declaration.get("Type")
    if kind not in _PARAMETER_TYPES:
        raise TemplateError(f"Parameters.{name}: type {kind} is not emulated")
    if given is None and "Default" not in declaration:
        raise TemplateError(f"parameter {name} has no default: give it a value")
    value = text(declaration["Default"] if given is None else given)
    problem = _constraint_broken(kind, declaration, value)
    if problem:
        hint = declaration.get("ConstraintDescription", problem)
        raise TemplateError(f"parameter {name} = {value!r}: {hint}")
    if kind == "Number":
        return _number(value)
    if kind == "List<Number>":
        return [_number(part) for part in value.split(",")]
    if kind in ("CommaDelimitedList", "List<String>"):
        return [part.strip() for part in value.split(",")] if value else []
    return value


def as_given(value: Any) -> str:
    """A parameter's value as one gives it: a list with commas between."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(value: str) -> int | float:
    return int(value) if re.fullmatch(r"[+-]?\d+", value.strip()) else float(value)


def _constraint_broken(kind: str, declaration: Mapping[str, Any], value: str) -> str | None:
    allowed = declaration.get("AllowedValues")
    if allowed is not None and value not in [text(item) for item in allowed]:
        return f"must be one of {', '.join(text(item) for item in allowed)}"
    pattern = declaration.get("AllowedPattern")
    # Of a list each value (CloudFormation User Guide, "Parameters", AllowedPattern).
    parts = re.split(r"\s*,\s*", value) if kind == "CommaDelimitedList" else [value]
    if pattern is not None and not all(re.fullmatch(pattern, part) for part in parts):
        return f"must match {pattern}"
    if kind == "Number":
        try:
            number = _number(value)
        except ValueError:
            return "must be a number"
        if not float(declaration.get("MinValue", number)) <= number:
            return f"must be at least {declaration['MinValue']}"
        if not number <= float(declaration.get("MaxValue", number)):
            return f"must be at most {declaration['MaxValue']}"
    length = len(value)
    if (
        not int(declaration.get("MinLength", 0))
        <= length
        <= int(declaration.get("MaxLength", length))
    ):
        return "is too short or too long"
    return None


class Conditions:
    """The template's conditions, each decided when it is first asked for."""

    def __init__(self, declared: Mapping[str, Any], scope: Scope) -> None:
        self._declared = declared
        self._scope = scope
        self._known: dict[str, bool] = {}
        self._open: list[str] = []

    def __call__(self, name: str) -> bool:
        """Whether a condition holds.

        Raises:
            TemplateError: it is not declared, refers to itself, or uses what is not emulated.
        """
        if name not in self._known:
            if name not in self._declared:
                raise TemplateError(f"there is no condition {name}")
            if name in self._open:
                raise TemplateError(f"condition {name} refers to itself")
            self._open.append(name)
            self._known[name] = self.holds(self._declared[name], f"Conditions.{name}")
            self._open.pop()
        return self._known[name]

    def holds(self, expression: Any, where: str) -> bool:
        """Whether a condition's expression is true."""
        if not isinstance(expression, Mapping) or len(expression) != 1:
            raise TemplateError(f"{where}: not a condition function: {expression!r}")
        name, argument = next(iter(expression.items()))
        if name == "Condition":
            return self(argument)
        if name == "Fn::Equals":
            left, right = (self._value(item, where) for item in argument)
            return text(left) == text(right)
        if name == "Fn::Not":
            return not self.holds(argument[0], where)
        if name == "Fn::And":
            return all([self.holds(item, where) for item in argument])
        if name == "Fn::Or":
            return any([self.holds(item, where) for item in argument])
        if name == "Fn::Contains":
            members, sought = (self._value(item, where) for item in argument)
            return text(sought) in [text(member) for member in members]
        raise TemplateError(f"{where}: {name} is not emulated")

    def _value(self, item: Any, where: str) -> Any:
        call = intrinsic(item)
        if call and call[0] == "Fn::If":
            name, yes, no = call[1]
            return self._value(yes if self(name) else no, where)
        return resolve(item, self._scope, where)


def check_rules(rules: Mapping[str, Any], conditions: Conditions) -> None:
    """Check the template's `Rules`, which constrain parameters together.

    Raises:
        TemplateError: names every assertion that does not hold.
    """
    broken = []
    for name, rule in rules.items():
        where = f"Rules.{name}"
        if "RuleCondition" in rule and not conditions.holds(rule["RuleCondition"], where):
            continue
        broken += [
            f"{where}: {assertion.get('AssertDescription', assertion['Assert'])}"
            for assertion in rule.get("Assertions", [])
            if not conditions.holds(assertion["Assert"], where)
        ]
    if broken:
        raise TemplateError("\n".join(broken))
