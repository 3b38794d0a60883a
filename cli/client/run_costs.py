"""What runs have used by the ledger, priced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cli.client.ledger import Run, UnitRow
from cli.documents.costs import CostLine, RunCostDocument, ServiceTotal
from cli.exit_codes import NOT_FOUND, REFUSED, CommandFailed
from contracts.costs.usage import added
from contracts.errors import InvalidInput
from contracts.run import UnitState
from costs.model import cost_of, lines_of
from costs.prices import Prices, parse_prices, shipped_prices


def prices_from(file: Path | None) -> Prices:
    """The table of this file, or the one that ships.

    Raises:
        CommandFailed: there is no such file, or it is no table of prices.
    """
    if file is None:
        return shipped_prices()
    try:
        return parse_prices(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}", NOT_FOUND) from error
    except InvalidInput as error:
        hint = "src/costs/prices.yaml is such a table; docs/cost.md describes it"
        raise CommandFailed(str(error), REFUSED, hint) from error


def cost_of_run(
    run: Run, prices: Prices, units: Iterable[UnitRow] | None = None, *, lines: bool = False
) -> RunCostDocument:
    """What a run has used.

    Args:
        units: those of a run whose record does not say what it used, to count what they did.
        lines: with the bill.
    """
    item, usage = run.item, run.item.usage
    ended, unmetered, so_far = run.units.total, 0, False
    if item.cost is not None:
        unmetered = item.cost.unmetered_units
    if usage is None and units is not None:
        so_far = not run.status.ended
        counted = [unit for unit in units if unit.status is not UnitState.RUNNING]
        ended = len(counted)
        unmetered = sum(unit.item.usage is None and not unit.item.not_started for unit in counted)
        usage = added(unit.item.total_usage for unit in counted) or None
    known = dict(
        run_id=run.run_id,
        dataset_name=run.dataset_name,
        status=run.status,
        started_at=item.claimed_at,
        so_far=so_far,
        units=ended,
        unmetered_units=unmetered,
        estimated_usd=item.cost.estimated_usd if item.cost else None,
    )
    if usage is None:
        return RunCostDocument.model_validate(known)
    return RunCostDocument.model_validate(
        {**known, **_priced(usage, prices, ended - unmetered, lines=lines)}
    )


def _priced(
    usage: Mapping[str, int], prices: Prices, units: int, *, lines: bool
) -> dict[str, object]:
    cost = cost_of(usage, prices)
    return dict(
        usd=cost.usd,
        usd_per_unit=round(cost.usd / units, 10) if units > 0 else None,
        by_service=tuple(
            ServiceTotal(service=each.service, usd=each.usd) for each in cost.by_service
        ),
        not_priced=cost.not_priced,
        lines=tuple(
            CostLine(service=line.service, meter=line.meter, amount=line.amount, usd=line.usd)
            for line in (lines_of(usage, prices) if lines else ())
        ),
    )
