"""Times of a zone as instants, as SQL: also those that its clocks leave out, or show twice."""

from __future__ import annotations

from reading_rules.sql import sql_literal

# A day before and after, the zone's offset is what it is on either side of a change of its clocks.
_AROUND = ("INTERVAL '-1 day'", "INTERVAL '1 day'")
# On the first and last day an offset may carry a time out of the calendar.
_FIRST_LOCAL = "TIMESTAMP '0001-01-03 00:00:00'"
_LAST_LOCAL = "TIMESTAMP '9999-12-29 23:59:59.999999'"


def instants_in(zone: str, local: str) -> str:
    """The instants (UTC, TIMESTAMP[]) at which clocks of the zone show this time.

    There is one; none, where the clocks are put forward past it; or two, where they are put back.

    Args:
        local: SQL of a TIMESTAMP.
    """
    candidates = ", ".join(
        f"moment - ({_clock_ahead(zone, f'moment + {step}')})" for step in _AROUND
    )
    shows = f"{_clock(zone, 'found')} = moment"
    checked = f"list_filter(list_distinct([{candidates}]), lambda found: {shows})"
    inside = f"{local} BETWEEN {_FIRST_LOCAL} AND {_LAST_LOCAL}"
    return f"list_transform([{local}], lambda moment: CASE WHEN {inside} THEN {checked} END)[1]"


def _clock(zone: str, instant: str) -> str:
    return f"timezone({sql_literal(zone)}, timezone('UTC', {instant}))"


def _clock_ahead(zone: str, instant: str) -> str:
    return f"{_clock(zone, instant)} - ({instant})"
