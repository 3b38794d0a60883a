"""Money, for people."""

from __future__ import annotations

from contracts.costs.figures import RunCost


def money(usd: float) -> str:
    """With as many digits as say something: `$12.30`, `$0.0042`, `$0.00000086`."""
    if usd == 0 or usd >= 1:
        return f"${usd:,.2f}"
    text = f"{usd:.2g}" if usd >= 1e-4 else f"{usd:.8f}".rstrip("0")
    return f"${text}"


def cost_text(cost: RunCost) -> str:
    """`Cost: $1.23 at list prices, estimated $1.10; not priced: 60000 emr-ms`."""
    text = f"Cost: {money(cost.usd)} at list prices"
    if cost.estimated_usd is not None:
        text += f", estimated {money(cost.estimated_usd)}"
    if cost.not_priced:
        text += f"; not priced: {', '.join(cost.not_priced)}"
    return text
