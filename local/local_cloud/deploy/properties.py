"""Properties of a resource, of which none is dropped silently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local.local_cloud.template.intrinsics import TemplateError, text

_MISSING: Final = object()


class Warnings:
    """What of a template has no effect on this machine; one line for each reason."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, list[str]]] = {}

    def add(self, owner: str, what: str, why: str) -> None:
        """Note that `what` (a property or a whole resource) of `owner` has no effect, and why."""
        owners = self._found.setdefault(why, {}).setdefault(what, [])
        if owner not in owners:
            owners.append(owner)

    def lines(self) -> tuple[str, ...]:
        """One sentence for each reason, with all that it holds for."""
        return tuple(
            f"{why}: " + ", ".join(_counted(what, owners) for what, owners in found.items())
            for why, found in self._found.items()
        )


def _counted(what: str, owners: list[str]) -> str:
    return f"{what} ({owners[0] if len(owners) == 1 else len(owners)})"


class Properties:
    """The properties of one resource or of a part of it, taken one by one.

    Whoever reads them calls `finish` at the end, which refuses what is left.
    """

    def __init__(
        self, owner: str, kind: str, values: Any, warnings: Warnings, path: str = ""
    ) -> None:
        """Wrap them.

        Args:
            owner: logical id of the resource.
            kind: its type.
            values: the resolved properties.
            warnings: takes what has no effect.
            path: where in the resource `values` lie, with a dot at the end.
        """
        if not isinstance(values, Mapping):
            raise TemplateError(f"{owner} ({kind}): {path.rstrip('.')} is not a map")
        self.owner = owner
        self.kind = kind
        self._values = dict(values)
        self._warnings = warnings
        self._path = path

    def take(self, name: str, default: Any = _MISSING) -> Any:
        """A property's value as it is.

        Raises:
            TemplateError: it is missing and has no default.
        """
        value = self._values.pop(name, default)
        if value is _MISSING:
            raise self.error(name, "is missing")
        return value

    def text(self, name: str, default: Any = _MISSING) -> str:
        """A scalar as text."""
        value = self.take(name, default)
        if isinstance(value, (Mapping, list)):
            raise self.error(name, "must be a text")
        return text(value)

    def integer(self, name: str, default: Any = _MISSING) -> int:
        """A whole number, which may be written as text."""
        value = self.take(name, default)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise self.error(name, f"must be a whole number, not {value!r}") from None

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false, which may be written as text."""
        value = text(self.take(name, default)).lower()
        if value not in ("true", "false"):
            raise self.error(name, f"must be true or false, not {value!r}")
        return value == "true"

    def items(self, name: str) -> list[Any]:
        """A list; empty if it is missing."""
        value = self.take(name, [])
        if not isinstance(value, list):
            raise self.error(name, "must be a list")
        return value

    def part(self, name: str) -> Properties | None:
        """A nested map to be read the same way; None if it is missing."""
        value = self.take(name, None)
        return None if value is None else self.nested(name, value)

    def parts(self, name: str) -> list[Properties]:
        """A list of nested maps."""
        return [
            self.nested(f"{name}[{index}]", value) for index, value in enumerate(self.items(name))
        ]

    def nested(self, name: str, value: Any) -> Properties:
        """A part of these properties that was taken out by hand."""
        return Properties(self.owner, self.kind, value, self._warnings, f"{self._path}{name}.")

    def present(self, *names: str) -> dict[str, Any]:
        """Those of the named properties that are there, as they are."""
        return {name: self._values.pop(name) for name in names if name in self._values}

    def rest(self) -> dict[str, Any]:
        """All that is left, as it is, for somebody else to read."""
        rest, self._values = self._values, {}
        return rest

    def without_effect(self, why: str, *names: str) -> None:
        """Take properties that change nothing on this machine and say so."""
        for name in names:
            if self._values.pop(name, None) is not None:
                self._warnings.add(self.owner, f"{self.kind} {self._path}{name}", why)

    def resource_without_effect(self, why: str) -> None:
        """Take everything: the resource as a whole changes nothing on this machine."""
        self._values.clear()
        self._warnings.add(self.owner, self.kind, why)

    def error(self, name: str, problem: str) -> TemplateError:
        """The error about one property."""
        return TemplateError(f"{self.owner} ({self.kind}): {self._path}{name} {problem}")

    def finish(self) -> None:
        """Refuse the properties that were not used.

        Raises:
            TemplateError: names them.
        """
        if self._values:
            names = ", ".join(f"{self._path}{name}" for name in sorted(self._values))
            raise TemplateError(f"{self.owner} ({self.kind}): not emulated: {names}")
