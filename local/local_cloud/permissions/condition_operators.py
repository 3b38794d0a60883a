"""The operators of a policy's `Condition`.

Source of all rules here: IAM User Guide, "IAM JSON policy elements: Condition operators" and
"Set operators for multivalued context keys".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from local.local_cloud.permissions.patterns import Context, arn_matches, matches, substituted

# Whether one value of the request fits one value of the policy.
Compare = Callable[[str, str, Context | None], bool]
_IF_EXISTS: Final = "IfExists"
_SETS: Final = ("ForAllValues", "ForAnyValue")
_NULL: Final = "Null"


@dataclass(frozen=True)
class Condition:
    """One operator with one key.

    Attributes:
        key: lower case.
        values: of the policy; one of them has to fit, or none if the operator is negated.
        set_operator: `ForAllValues`, `ForAnyValue` or empty.
    """

    operator: str
    key: str
    values: tuple[str, ...]
    set_operator: str = ""
    if_exists: bool = False

    @classmethod
    def parse(cls, written: str, key: str, values: Sequence[str]) -> Condition:
        """Read an operator as policies write it, e.g. `ForAnyValue:StringLikeIfExists`.

        Raises:
            ValueError: there is no such operator, or a value is not of its type.
        """
        prefix, _, rest = written.rpartition(":")
        operator = rest.removesuffix(_IF_EXISTS)
        if prefix not in ("", *_SETS) or (operator not in _OPERATORS and operator != _NULL):
            raise ValueError(f"unknown condition operator {written}")
        if operator == _NULL:
            if rest != _NULL or prefix:
                raise ValueError(f"unknown condition operator {written}")
        elif check := _CHECKS.get(_OPERATORS[operator][0]):
            for value in values:
                if "${" not in value:
                    check(value)
        return cls(operator, key.lower(), tuple(values), prefix, rest != operator)

    def holds(self, context: Context, versioned: bool) -> bool:
        """Whether a request fulfils it.

        Args:
            context: the request's keys, lower case.
            versioned: whether the policy's version knows variables.
        """
        given = context.get(self.key, ())
        if self.operator == _NULL:
            return any((value.lower() == "true") == (not given) for value in self.values)
        compare, negated = _OPERATORS[self.operator]
        names = context if versioned else None

        def fits(value: str) -> bool:
            found = any(compare(wanted, value, names) for wanted in self.values)
            return found is not negated

        if not given:
            return (
                self.if_exists
                or self.set_operator == _SETS[0]
                or (negated and not self.set_operator)
            )
        if self.set_operator == _SETS[1]:
            return any(fits(value) for value in given)
        if self.set_operator or negated:
            return all(fits(value) for value in given)
        return any(fits(value) for value in given)


def _equal(wanted: str, given: str, context: Context | None) -> bool:
    return substituted(wanted, context) == given


def _equal_any_case(wanted: str, given: str, context: Context | None) -> bool:
    expected = substituted(wanted, context)
    return expected is not None and expected.lower() == given.lower()


def _like(wanted: str, given: str, context: Context | None) -> bool:
    return matches(wanted, given, context)


def _bool(wanted: str, given: str, context: Context | None) -> bool:
    return _equal_any_case(wanted, given, context)


def _address(wanted: str, given: str, context: Context | None) -> bool:
    network = substituted(wanted, context)
    try:
        address = ipaddress.ip_address(given)
        return network is not None and address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _ordered(parse: Callable[[str], float], holds: Callable[[float, float], bool]) -> Compare:
    def compare(wanted: str, given: str, context: Context | None) -> bool:
        expected = substituted(wanted, context)
        try:
            return expected is not None and holds(parse(given), parse(expected))
        except ValueError:
            return False

    return compare


def _moment(text: str) -> float:
    """ISO 8601 or epoch seconds."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _truth(text: str) -> None:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")


def _orders(prefix: str, parse: Callable[[str], float]) -> dict[str, tuple[Compare, bool]]:
    equals = _ordered(parse, lambda given, wanted: given == wanted)
    return {
        f"{prefix}Equals": (equals, False),
        f"{prefix}NotEquals": (equals, True),
        f"{prefix}LessThan": (_ordered(parse, lambda given, wanted: given < wanted), False),
        f"{prefix}LessThanEquals": (_ordered(parse, lambda given, wanted: given <= wanted), False),
        f"{prefix}GreaterThan": (_ordered(parse, lambda given, wanted: given > wanted), False),
        f"{prefix}GreaterThanEquals": (
            _ordered(parse, lambda given, wanted: given >= wanted),
            False,
        ),
    }


# By name: how values compare, and whether none of the policy's values may fit.
_OPERATORS: Final[dict[str, tuple[Compare, bool]]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringEqualsIgnoreCase": (_equal_any_case, False),
    "StringNotEqualsIgnoreCase": (_equal_any_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "Bool": (_bool, False),
    "BinaryEquals": (_equal, False),
    "IpAddress": (_address, False),
    "NotIpAddress": (_address, True),
    # Both pairs do the same.
    "ArnEquals": (arn_matches, False),
    "ArnLike": (arn_matches, False),
    "ArnNotEquals": (arn_matches, True),
    "ArnNotLike": (arn_matches, True),
    **_orders("Numeric", float),
    **_orders("Date", _moment),
}
# What raises a ValueError for a value that is not of the operator's type.
_CHECKS: Final[dict[Compare, Callable[[str], object]]] = {
    _bool: _truth,
    _address: lambda text: ipaddress.ip_network(text, strict=False),
    **{
        compare: parse
        for prefix, parse in (("Numeric", float), ("Date", _moment))
        for name, (compare, _) in _OPERATORS.items()
        if name.startswith(prefix)
    },
}
