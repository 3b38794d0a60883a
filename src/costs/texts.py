"""Money, for people."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal
from typing import Final

from contracts.costs.figures import RunCost

ESTIMATED: Final = "is below what the run is estimated to cost: $"
_AMOUNT: Final = re.compile(re.escape(ESTIMATED) + r"([0-9]+(?:\.[0-9]+)?)")


def money(usd: float) -> str:
    """With as many digits as say something: `$12.30`, `$0.0042`, `$0.00000086`."""
    if usd == 0 or usd >= 1:
        return f"${usd:,.2f}"
    text = f"{usd:.2g}" if usd >= 1e-4 else f"{usd:.8f}".rstrip("0")
    return f"${text}"


def enough(usd: float) -> str:
    """The amount, rounded up to two digits or a cent: `0.00034` of 0.000334, `12.35` of 12.341.

    Who allows it as `maxCost` is not refused for what rounding took away.
    """
    exact = Decimal(repr(usd))
    if exact >= 1:
        return f"{exact.quantize(Decimal('0.01'), rounding=ROUND_UP):f}"
    return f"{Context(prec=2, rounding=ROUND_UP).plus(exact):f}"


def estimate_in(reason: str | None) -> float | None:
    """US dollars of the estimate for which `maxCost` was too low; None of another reason."""
    found = _AMOUNT.search(reason or "")
    return float(found[1]) if found else None


def cost_text(cost: RunCost) -> str:
    """`Cost: $1.23 at list prices, estimated $1.10; not priced: 60000 emr-ms`."""
    text = f"Cost: {money(cost.usd)} at list prices"
    if cost.estimated_usd is not None:
        text += f", estimated {money(cost.estimated_usd)}"
    if cost.not_priced:
        text += f"; not priced: {', '.join(cost.not_priced)}"
    return text
