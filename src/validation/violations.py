"""How many rows of a unit broke which rule: the findings document that validate writes.

`{"rules": [{"rule", "column", "severity", "reason", "rows", "examples": [{"line", "value"}]}]}`,
the rules with the most rows first. Of a rule about the whole object (`row-count`, `freshness`,
`missing-key`), `rows` are all of the object's rows. Examples of a unit that holds several objects
have the object's URL as `source`, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from contracts.dataset import Severity
from reading_rules.malformed import VALUE_CHARACTERS
from validation.checks import Check

EXAMPLES: Final = 3
MALFORMED: Final = "malformed"
# Reasons that name values or keys of the object, by rule, and what they are without them.
QUOTING: Final = {
    "freshness": "the newest value is older than the contract allows, or later than now",
    "missing-key": "no record has the key; another one is nearly alike",
}


@dataclass
class BrokenRule:
    """One rule, and the first rows that broke it."""

    rule: str
    column: str | None
    severity: Severity
    reason: str
    rows: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.rule} {self.column}" if self.column else self.rule

    def add_example(self, line: int | None, value: str | None) -> None:
        if len(self.examples) < EXAMPLES:
            shown = None if value is None else value[:VALUE_CHARACTERS]
            self.examples.append({"line": line, "value": shown})


class BrokenRules:
    """All broken rules of a unit."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None], BrokenRule] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def of(self, check: Check) -> BrokenRule:
        # Of a column's check the reason is a template for the value at hand.
        reason = check.reason.format(value="a value") if check.column else check.reason
        return self._entry(check.rule, check.column, check.severity, reason)

    def malformed(self, column: str | None = None) -> BrokenRule:
        reason = "could not be read as a row"
        return self._entry(MALFORMED, column, Severity.QUARANTINE, reason)

    def of_object(self, rule: str, severity: Severity, reason: str, rows: int) -> None:
        self._entry(rule, None, severity, reason).rows = rows

    def of_column(self, rule: str, column: str, severity: Severity, reason: str, rows: int) -> None:
        """Of a column of the whole object."""
        self._entry(rule, column, severity, reason).rows = rows

    def add(self, others: BrokenRules) -> None:
        """Add what further rows of the same object broke."""
        for other in others._found.values():
            found = self._entry(other.rule, other.column, other.severity, other.reason)
            found.rows += other.rows
            found.examples += other.examples[: EXAMPLES - len(found.examples)]

    def add_object(self, others: BrokenRules, url: str) -> None:
        """Add what the rows of one of a unit's objects broke; examples name the object.

        A rule about the object as a whole has its reason, which is its own, as an example.
        """
        for other in others._found.values():
            found = self._entry(other.rule, other.column, other.severity, other.reason)
            found.rows += other.rows
            examples = other.examples or [{"line": None, "value": other.reason}]
            room = EXAMPLES - len(found.examples)
            found.examples += [{"source": url, **example} for example in examples[:room]]

    def most_frequent(self) -> list[BrokenRule]:
        return sorted(self._found.values(), key=lambda found: (-found.rows, found.name))

    def of_severity(self, severity: Severity) -> list[BrokenRule]:
        return [found for found in self.most_frequent() if found.severity is severity]

    def without_values(self) -> BrokenRules:
        """The same without what objects and rows hold: of examples only the lines are left."""
        bare = BrokenRules()
        for key, found in self._found.items():
            examples = [{**example, "value": None} for example in found.examples]
            reason = QUOTING.get(found.rule, found.reason)
            bare._found[key] = replace(found, reason=reason, examples=examples)
        return bare

    def to_json(self) -> dict[str, Any]:
        return {
            "rules": [
                {
                    "rule": found.rule,
                    "column": found.column,
                    "severity": found.severity.value,
                    "reason": found.reason,
                    "rows": found.rows,
                    "examples": found.examples,
                }
                for found in self.most_frequent()
            ]
        }

    def _entry(self, rule: str, column: str | None, severity: Severity, reason: str) -> BrokenRule:
        key = (rule, column)
        if key not in self._found:
            self._found[key] = BrokenRule(rule, column, severity, reason)
        return self._found[key]
