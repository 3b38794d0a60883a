"""CloudFormation's intrinsic functions: which resources a value refers to, and what it comes to."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

_SUB_VARIABLE: Final = re.compile(r"\$\{([^!${}][^${}]*)\}")
_SUB_LITERAL: Final = re.compile(r"\$\{!([^{}]*)\}")
_DYNAMIC_REFERENCE: Final = "{{resolve:"


class TemplateError(Exception):
    """The template says something wrong, or something that the local cloud does not emulate."""


class _NoValue:
    """What `AWS::NoValue` comes to: the property or list member that holds it is left out."""


_NO_VALUE: Final = _NoValue()


class Scope(Protocol):
    """What names mean while a value is resolved. The methods raise KeyError for unknown names."""

    def ref(self, name: str) -> Any:
        """The value of `Ref: name`: a parameter, pseudo parameter or resource."""
        ...

    def attribute(self, logical_id: str, attribute: str) -> Any:
        """The value of `Fn::GetAtt: [logical_id, attribute]`."""
        ...

    def mapping(self, name: str, first: str, second: str) -> Any:
        """The value of `Fn::FindInMap: [name, first, second]`."""
        ...


def intrinsic(value: Any) -> tuple[str, Any] | None:
    """The function's name and argument if `value` is a call of an intrinsic function."""
    if isinstance(value, Mapping) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" or str(name).startswith("Fn::"):
            return str(name), argument
    return None


def text(value: Any) -> str:
    """A scalar as CloudFormation writes it into a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def prune(value: Any, condition: Callable[[str], bool]) -> Any:
    """`value` with every `Fn::If` replaced by the branch that is taken."""
    call = intrinsic(value)
    if call and call[0] == "Fn::If":
        name, yes, no = _arguments(call[1], 3, "Fn::If")
        return prune(yes if condition(name) else no, condition)
    if isinstance(value, Mapping):
        return {key: prune(item, condition) for key, item in value.items()}
    if isinstance(value, list):
        return [prune(item, condition) for item in value]
    return value


def references(value: Any) -> Iterator[str]:
    """Every name that `value` refers to by Ref, Fn::GetAtt (the owner) or Fn::Sub."""
    call = intrinsic(value)
    if call:
        name, argument = call
        if name == "Ref":
            yield str(argument)
            return
        if name == "Fn::GetAtt":
            yield attribute_path(argument)[0]
            return
        if name == "Fn::Sub":
            template, variables = _sub_parts(argument)
            used = {match[1].split(".")[0] for match in _SUB_VARIABLE.finditer(template)}
            yield from used - set(variables)
            yield from references(variables)
            return
    if isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolve(value: Any, scope: Scope, where: str) -> Any:
    """`value` without intrinsic functions.

    Args:
        value: any part of a template in which `prune` has been done.
        scope: what the names mean.
        where: path of the value in the template, for errors.

    Raises:
        TemplateError: an unknown name, an intrinsic function that is not emulated or used wrongly.
    """
    result = _resolve(value, scope, where)
    return None if result is _NO_VALUE else result


def attribute_path(argument: Any) -> tuple[str, str]:
    """Logical id and attribute of a Fn::GetAtt argument: `[A, B]` or `A.B`."""
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(p, str) for p in parts):
        raise TemplateError(f"Fn::GetAtt wants a resource and an attribute, not {argument!r}")
    return parts[0], parts[1]


def _resolve(value: Any, scope: Scope, where: str) -> Any:
    call = intrinsic(value)
    if call:
        return _call(call[0], call[1], scope, where)
    if isinstance(value, Mapping):
        items = {key: _resolve(item, scope, f"{where}.{key}") for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not _NO_VALUE}
    if isinstance(value, list):
        members = [_resolve(item, scope, f"{where}[{i}]") for i, item in enumerate(value)]
        return [member for member in members if member is not _NO_VALUE]
    if isinstance(value, str) and _DYNAMIC_REFERENCE in value:
        raise TemplateError(f"{where}: dynamic references ({value}) are not emulated")
    return value


def _call(name: str, argument: Any, scope: Scope, where: str) -> Any:
    if name == "Ref":
        if argument == "AWS::NoValue":
            return _NO_VALUE
        return _lookup(lambda: scope.ref(argument), f"Ref {argument}", where)
    if name == "Fn::GetAtt":
        owner, attribute = attribute_path(argument)
        return _lookup(
            lambda: scope.attribute(owner, attribute), f"Fn::GetAtt {owner}.{attribute}", where
        )
    if name == "Fn::Sub":
        return _sub(argument, scope, where)
    function = _FUNCTIONS.get(name)
    if function is None:
        raise TemplateError(f"{where}: {name} is not emulated")
    resolved = _resolve(argument, scope, where)
    try:
        return function(resolved, scope)
    except (TemplateError, KeyError, IndexError, TypeError, ValueError) as error:
        raise TemplateError(f"{where}: {name} {json.dumps(argument)}: {error}") from error


def _lookup(get: Callable[[], Any], what: str, where: str) -> Any:
    try:
        return get()
    except KeyError as error:
        reason = error.args[0] if error.args else "unknown"
        raise TemplateError(f"{where}: {what}: {reason}") from error


def _sub_parts(argument: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(argument, str):
        return argument, {}
    template, variables = _arguments(argument, 2, "Fn::Sub")
    return str(template), variables


def _sub(argument: Any, scope: Scope, where: str) -> str:
    template, variables = _sub_parts(argument)
    values = _resolve(variables, scope, where)

    def replaced(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name in values:
            return text(values[name])
        if "." in name:
            owner, attribute = name.split(".", 1)
            found = _lookup(
                lambda: scope.attribute(owner, attribute), f"Fn::Sub ${{{name}}}", where
            )
        else:
            found = _lookup(lambda: scope.ref(name), f"Fn::Sub ${{{name}}}", where)
        return text(found)

    return _SUB_LITERAL.sub(r"${\1}", _SUB_VARIABLE.sub(replaced, template))


def _arguments(argument: Any, count: int, name: str) -> list[Any]:
    if not isinstance(argument, list) or len(argument) != count:
        raise TemplateError(f"{name} wants a list of {count}, not {json.dumps(argument)}")
    return argument


def _join(argument: Any, _scope: Scope) -> str:
    delimiter, members = _arguments(argument, 2, "Fn::Join")
    return str(delimiter).join(text(member) for member in members)


def _select(argument: Any, _scope: Scope) -> Any:
    index, members = _arguments(argument, 2, "Fn::Select")
    if not 0 <= int(index) < len(members):
        raise TemplateError(f"there is no member {index}")
    return members[int(index)]


def _split(argument: Any, _scope: Scope) -> list[str]:
    delimiter, whole = _arguments(argument, 2, "Fn::Split")
    return text(whole).split(str(delimiter))


def _find_in_map(argument: Any, scope: Scope) -> Any:
    name, first, second = _arguments(argument, 3, "Fn::FindInMap")
    return scope.mapping(name, text(first), text(second))


def _base64(argument: Any, _scope: Scope) -> str:
    return base64.b64encode(text(argument).encode()).decode()


_FUNCTIONS: Final[Mapping[str, Callable[[Any, Scope], Any]]] = {
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::Base64": _base64,
}
