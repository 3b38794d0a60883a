"""From usage to money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contracts.costs.figures import RunCost, ServiceCost
from contracts.costs.usage import Amounts, Meter, added
from costs.prices import Prices, shipped_prices


@dataclass(frozen=True)
class Line:
    """What one meter comes to.

    Attributes:
        meter: with the function, where it is of one.
        usd: None: the table has no price of it.
    """

    service: str
    meter: str
    amount: int
    usd: float | None


def lines_of(usage: Mapping[str, int], prices: Prices) -> tuple[Line, ...]:
    """The bill: a line for every meter, by service, the dearest service and meter first."""
    found = list(_lines(_with_failed_time(usage), prices))
    totals: dict[str, float] = {}
    for line in found:
        totals[line.service] = totals.get(line.service, 0.0) + (line.usd or 0.0)
    found.sort(key=lambda line: (-totals[line.service], line.service, -(line.usd or 0), line.meter))
    return tuple(found)


def cost_of(
    usage: Mapping[str, int],
    prices: Prices | None = None,
    *,
    estimated_usd: float | None = None,
    unmetered_units: int = 0,
) -> RunCost:
    """What this usage costs."""
    prices = prices or shipped_prices()
    by_service: dict[str, float] = {}
    not_priced: dict[str, None] = {}
    for line in lines_of(usage, prices):
        if line.usd is None:
            not_priced[f"{line.amount} {line.meter}"] = None
        else:
            by_service[line.service] = by_service.get(line.service, 0.0) + line.usd
    return RunCost(
        usd=_rounded(sum(by_service.values())),
        estimated_usd=estimated_usd,
        by_service=tuple(
            ServiceCost(service=name, usd=_rounded(usd)) for name, usd in by_service.items() if usd
        ),
        not_priced=tuple(not_priced),
        unmetered_units=unmetered_units,
        prices_of=prices.label,
    )


def _lines(usage: Mapping[str, int], prices: Prices) -> Iterator[Line]:
    for meter, amount in usage.items():
        if not amount:
            continue
        kind = meter.partition(":")[0]
        if kind == Meter.FAILED:
            continue  # their requests are among the others
        if kind == Meter.THROTTLED:
            yield Line("Lambda", meter, amount, 0.0)
            continue
        known = prices.of_meter(kind)
        if not known:
            yield Line("not priced", meter, amount, None)
            continue
        yield Line(known[0].service, meter, amount, sum(prices.usd(p, amount) for p in known))


def _with_failed_time(usage: Mapping[str, int]) -> Amounts:
    """With the time of calls that failed, which nobody reports: that of the others, on average."""
    more: Amounts = {}
    for meter, failed in usage.items():
        kind, _, function = meter.partition(":")
        if kind != Meter.FAILED:
            continue
        succeeded = usage.get(Meter.REQUESTS.of(function), 0) - failed
        if succeeded > 0:
            time = Meter.MB_MS.of(function)
            more[time] = usage.get(time, 0) * failed // succeeded
    return added((usage, more))


def _rounded(usd: float) -> float:
    """To a millionth of a cent: less says nothing, and makes long numbers."""
    return round(usd, 8)
