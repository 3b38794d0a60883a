"""Propose the contract by which validation takes the most of a sample."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.exit_codes import REFUSED, CommandFailed
from cli.proposal.contract import REJECTED_AT_MOST, Origin, proposed_contract
from cli.proposal.profile import Profile, profile
from cli.proposal.sample import SAMPLE_BYTES, SampleObject, look_at
from cli.proposal.trial import Trial, try_out
from contracts.errors import InvalidDataset
from dataset_loading.check import check_dataset

_IN_QUOTES: Final = re.compile(r'(?:^|[,;\t|])"[^"\r\n]+"(?=[,;\t|\r]|$)', re.MULTILINE)
_HEADER_ENDS_IN_DELIMITER: Final = re.compile(r"[^\r\n]*[,;\t|] *[\r\n]")
_SHORT_ROWS_AT_LEAST: Final = 2
_NO_QUOTE: Final = "\x01"  # a contract has a quote: one that no text holds


@dataclass(frozen=True)
class _Proposal:
    profile: Profile
    text: str
    trial: Trial


def propose(
    name: str,
    origin: Origin,
    file: Path,
    scratch: Path,
    *,
    files: bool,
    report: Callable[[str], None] = lambda _: None,
) -> str:
    """The YAML of a contract that takes the sample.

    Args:
        report: gets what is being done, as a large sample takes a while.
        scratch: a directory for readable copies.
        files: results go into files of the sample's kind, not into DynamoDB.

    Raises:
        CommandFailed: none takes as much of it as a contract must by default; says why not.
    """
    sample = look_at(file, scratch)
    best: _Proposal | None = None
    report("looking at its columns")
    for found in _readings(sample):
        text = proposed_contract(name, origin, sample, found, files=files)
        try:
            checked = check_dataset(text, name)
        except InvalidDataset as error:
            raise CommandFailed(f"no contract can be proposed: {error}", REFUSED) from None
        report("trying the proposal on it")
        trial = try_out(checked.dataset, file, SAMPLE_BYTES)
        if best is None or trial.lost < best.trial.lost:
            best = _Proposal(found, text, trial)
        if not trial.lost:
            break
    assert best is not None  # noqa: S101 - without a reading, they have raised
    _refuse_losses(best.trial)
    if best.trial.lost * 100 <= REJECTED_AT_MOST:
        return best.text
    needed = math.ceil(best.trial.lost * 100)
    return proposed_contract(
        name, origin, sample, best.profile, files=files, rejected_percentage=needed
    )


def _readings(sample: SampleObject) -> Iterator[Profile]:
    """The sample as it is probably meant, then in other ways.

    Raises:
        CommandFailed: it can be read in none.
    """
    ways: list[dict[str, Any]] = [{}]
    text = sample.path.read_text(encoding="utf-8") if sample.kind == "csv" else ""
    if '\\"' in text:
        ways.append({"quote": '"', "escape": "\\"})  # as Spark and MySQL write
    if '"' in text and not _IN_QUOTES.search(text):
        ways.append({"quote": _NO_QUOTE})  # as PostgreSQL's COPY writes
    if _HEADER_ENDS_IN_DELIMITER.match(text):
        ways.append({"padShortRows": True})  # rows may not, and lack no column that has a name
    failures: list[CommandFailed] = []
    for known in ways:
        try:
            found = profile(sample, known)
        except CommandFailed as failed:
            failures.append(failed)
            continue
        yield found
        if not known and (padded := _padded(sample, found)):
            yield padded
    if len(failures) == len(ways):
        raise failures[0]


def _padded(sample: SampleObject, found: Profile) -> Profile | None:
    """Short rows filled up, where several are and their values have the types of the others.

    A single one is rather a line that is no row, and a value of another type is in a wrong column.
    """
    if sample.kind != "csv" or found.unreadable < _SHORT_ROWS_AT_LEAST:
        return None
    try:
        padded = profile(sample, {"padShortRows": True})
    except CommandFailed:  # the proposal stays the one without
        return None
    types = [
        [(each.name, each.type, each.misfits) for each in one.columns] for one in (found, padded)
    ]
    filled = found.unreadable - padded.unreadable
    return padded if filled >= _SHORT_ROWS_AT_LEAST and types[0] == types[1] else None


def _refuse_losses(trial: Trial) -> None:
    if trial.refused:
        raise CommandFailed(f"no contract can be proposed: {trial.refused}", REFUSED)
    is_one_of_few = trial.rejected == 1 < trial.rows
    if trial.lost * 100 > REJECTED_AT_MOST and not is_one_of_few:
        reasons = "".join(f"\n  {reason}" for reason in trial.reasons)
        raise CommandFailed(
            f"no contract is proposed, as {trial.rejected} of the sample's {trial.rows} rows would"
            f" be rejected ({trial.lost:.0%}; a contract allows {REJECTED_AT_MOST:g} %):{reasons}",
            REFUSED,
            "fix the sample, or write the contract by hand (docs/datasets.md)",
        )
