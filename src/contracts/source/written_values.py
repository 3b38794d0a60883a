"""How the values of a column are written in the source, where not as its type has them."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict, JsonValue
from pydantic_core import PydanticCustomError

from contracts.source.strict import StrictContract, Truth
from reading_rules.values.times import EPOCHS, refuse_form, time_form

FORMS_AT_MOST: Final = 10
_ZONE_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+)*$"
_Texts = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1, max_length=100)
]
_Separator = Literal[".", ",", "'", " ", "\u2019", "\u00a0", "\u202f", "_"]
_Form = Annotated[str, Field(min_length=1, max_length=100)]


def _only_with(types: str, *fields: str) -> list[JsonDict]:
    """For editors: these fields go with columns whose type the expression matches."""
    right: JsonDict = {"required": ["type"], "properties": {"type": {"pattern": f"^({types})$"}}}
    asked: list[JsonDict] = [
        {"required": [field], "properties": {field: {"not": {"const": False}}}} for field in fields
    ]
    return [{"if": each, "then": right} for each in asked]


# For editors.
CONDITIONS: Final[list[JsonValue]] = [
    *_only_with("date|timestamp", "format"),
    *_only_with("timestamp", "zone"),
    *_only_with(r"double|decimal\(.*\)", "decimal", "percent"),
    *_only_with(r"integer|double|decimal\(.*\)", "thousands"),
    *_only_with("boolean", "trueValues", "falseValues"),
]
DEPENDENCIES: Final[JsonDict] = {
    "trueValues": ["falseValues"],
    "falseValues": ["trueValues"],
}


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Several = Annotated[tuple[_Form, ...], Field(min_length=1, max_length=FORMS_AT_MOST)]
_Forms = Annotated[_Several, BeforeValidator(_listed, json_schema_input_type=_Form | _Several)]


class WrittenValues(StrictContract):
    """How a column's texts are to be read.

    Attributes:
        format: of a date or timestamp, where it is not ISO 8601: strftime's directives, such as
            `%d.%m.%Y`, or `epoch-seconds`, `epoch-millis`. Of a list a text may have any; one that
            two of them read differently is rejected.
        zone: of a timestamp without an offset, such as `Europe/Berlin`; absent: UTC. Times that
            its clocks leave out or show twice are rejected.
        decimal: of a decimal or double: what stands before its fraction, `.` or `,`.
        thousands: of a number: what stands between groups of three digits. A space is also a
            no-break space.
        percent: of a decimal or double: values such as `12.5%`, which is 0.125.
        true_values, false_values: of a boolean: the only texts that are true, and false.
        trim: white space around a text is no part of it.
        nulls: texts that mean that there is no value, as they are written.
    """

    format: _Forms | None = None
    zone: str | None = Field(default=None, pattern=_ZONE_PATTERN, max_length=64)
    decimal: Literal[".", ","] | None = None
    thousands: _Separator | None = None
    percent: Truth = False
    true_values: _Texts | None = None
    false_values: _Texts | None = Field(default=None, validate_default=True)
    trim: Truth = False
    nulls: _Texts | None = None

    @field_validator("format")
    @classmethod
    def _is_a_form(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> object:
        kind = _type(info)
        if value is None or kind is None:
            return value
        if kind not in ("date", "timestamp"):
            raise _refused("is for columns of type date or timestamp, not {kind}", kind)
        for form in value:
            try:
                refuse_form(form, kind)
            except ValueError as error:
                raise PydanticCustomError("form", "{why}", {"why": str(error)}) from error
        if len(set(value)) < len(value):
            raise PydanticCustomError("form", "names a form twice")
        epochs = [form for form in value if form in EPOCHS]
        digits = [form for form in value if form not in EPOCHS and time_form(form).is_digits]
        if epochs and len(epochs) + len(digits) > 1:
            both = " and ".join((epochs + digits)[:2])
            raise _refused("reads the same digits as {kind}; keep one of them", both)
        return value

    @field_validator("zone")
    @classmethod
    def _is_of_a_time(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind = _type(info)
        if value is None or kind is None:
            return value
        if kind != "timestamp":
            raise _refused("is for columns of type timestamp, not {kind}", kind)
        forms = info.data.get("format") or ()
        if forms and all(form in EPOCHS or time_form(form).has_offset for form in forms):
            raise _refused(
                "has no effect: each time is already UTC or has its offset by {kind}",
                ", ".join(forms),
            )
        return value

    @field_validator("decimal")
    @classmethod
    def _has_a_fraction(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind = _type(info)
        if value is not None and kind is not None and not _is_fractional(kind):
            raise _refused("is for columns of type decimal(p,s) or double, not {kind}", kind)
        return value

    @field_validator("thousands")
    @classmethod
    def _is_of_numbers(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind = _type(info)
        if value is None or kind is None:
            return value
        if kind != "integer" and not _is_fractional(kind):
            raise _refused(
                "is for columns of type integer, decimal(p,s) or double, not {kind}", kind
            )
        point = info.data.get("decimal") or "."
        if value == point and kind != "integer":
            other = "," if value == "." else "."
            raise _refused(
                "is what stands before the fraction, too; say decimal: {kind}", f'"{other}"'
            )
        return value

    @field_validator("percent")
    @classmethod
    def _has_hundredths(cls, value: bool, info: ValidationInfo) -> bool:
        kind = _type(info)
        if not value or kind is None:
            return value
        if not _is_fractional(kind):
            raise _refused("is for columns of type decimal(p,s) or double, not {kind}", kind)
        scale = re.search(r",(\d+)\)", kind)
        if scale and int(scale[1]) < 2:
            raise _refused("needs a scale of 2 at least, as 1% is 0.01; {kind} has less", kind)
        return value

    @field_validator("true_values", "false_values")
    @classmethod
    def _are_of_booleans(
        cls, value: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        kind = _type(info)
        if kind is None:
            return value
        if value is not None and kind != "boolean":
            raise _refused("is for columns of type boolean, not {kind}", kind)
        if value is not None and any(text != text.strip() for text in value):
            raise PydanticCustomError("boolean", "has spaces around a text; leave them out")
        if info.field_name == "false_values" and "true_values" in info.data:
            _refuse_halves(info.data["true_values"], value)
        return value

    @field_validator("nulls")
    @classmethod
    def _mean_nothing_else(
        cls, value: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        meant = {*(info.data.get("true_values") or ()), *(info.data.get("false_values") or ())}
        both = [text for text in value or () if text in meant]
        if both:
            raise _refused("{kind} is true or false, too; leave it out of one", repr(both[0]))
        if info.data.get("trim") and any(text != text.strip() for text in value or ()):
            raise PydanticCustomError(
                "nulls", "has spaces around a text, which trim takes away before; leave them out"
            )
        return value


def _refuse_halves(true: tuple[str, ...] | None, false: tuple[str, ...] | None) -> None:
    if (true is None) != (false is None):
        there, lacking = ("trueValues", "falseValues") if true else ("falseValues", "trueValues")
        raise _refused("{kind}; name both", f"{lacking} is missing beside {there}")
    both = sorted(set(true or ()) & set(false or ()))
    if both:
        raise _refused("{kind} is among trueValues, too", repr(both[0]))


def _type(info: ValidationInfo) -> str | None:
    """The column's type; None where that is wrong itself."""
    return info.data.get("type")


def _is_fractional(kind: str) -> bool:
    return kind == "double" or kind.startswith("decimal")


def _refused(message: str, kind: str) -> PydanticCustomError:
    return PydanticCustomError("written", message, {"kind": kind})
