"""The table of prices, read and checked."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from contracts.errors import InvalidInput, Problem

SHIPPED: Final = Path(__file__).with_name("prices.yaml")
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Divisor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Price(_Part):
    """What an amount of a meter costs.

    Attributes:
        service: whom it is paid to; the word that costs are shown by.
        usd: for every `per` of the meter.
        times: names of assumed values that it is multiplied by.
        source: where it was found, and when that was read.
    """

    service: str = Field(min_length=1)
    meter: str = Field(min_length=1)
    usd: _Amount
    per: _Divisor
    source: str = Field(min_length=1)
    times: tuple[str, ...] = Field(default=(), strict=False)


class Prices(_Part):
    """A table of prices.

    Attributes:
        date: when it was made, as text.
        assumed: values that no service reports, by name.
    """

    region: str = Field(min_length=1)
    date: str = Field(min_length=1)
    assumed: dict[str, _Amount] = {}
    prices: tuple[Price, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _assumed_values_are_there(self) -> Prices:
        named = {name for price in self.prices for name in price.times}
        if missing := sorted(named - self.assumed.keys()):
            raise PydanticCustomError(
                "not_assumed",
                "prices: `times` names what `assumed` lacks: {names}",
                {"names": ", ".join(missing)},
            )
        return self

    @property
    def label(self) -> str:
        return f"{self.region}, {self.date}"

    def of_meter(self, meter: str) -> tuple[Price, ...]:
        return tuple(price for price in self.prices if price.meter == meter)

    def usd(self, price: Price, amount: float) -> float:
        """What this amount costs by this price."""
        cost = amount * price.usd / price.per
        for name in price.times:
            cost *= self.assumed[name]
        return cost


def parse_prices(text: str, name: str) -> Prices:
    """Parse a table of prices.

    Raises:
        InvalidInput: lists every problem, with field and value.
    """
    try:
        found: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise InvalidInput(name, [Problem("file", f"is not YAML: {why}")]) from error
    try:
        return Prices.model_validate(found)
    except ValidationError as error:
        problems = [
            Problem(
                ".".join(map(str, item["loc"])) or "file",
                item["msg"],
                repr(item["input"])[:120] if item["loc"] else None,
            )
            for item in error.errors()
        ]
        raise InvalidInput(name, problems) from error


@functools.cache
def shipped_prices() -> Prices:
    """The table of this release."""
    return parse_prices(SHIPPED.read_text(encoding="utf-8"), SHIPPED.name)
