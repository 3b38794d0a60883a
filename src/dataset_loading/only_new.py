"""Where `onlyNew` does not fit a contract: a run of it would take away what others have stored."""

from __future__ import annotations

from typing import Final

from contracts.base import canonical_json
from contracts.dataset import Dataset
from contracts.errors import Problem
from contracts.run_request import RunRequest
from contracts.source.only_new import NewObjects

FIELD: Final = "onlyNew"


def mismatch(only_new: NewObjects | None, dataset: Dataset) -> str | None:
    """What is wrong with it, and what would be right; None: it fits."""
    target = dataset.targets.files
    if only_new is None or target is None or target.replace != "partition":
        return None
    return (
        f"does not go with targets.files.replace: partition of dataset {dataset.name}: rows of the"
        " objects that are left out would be removed with the partitions' earlier files. Leave"
        " onlyNew out, so that partitions are written whole, or take replace: none"
    )


def problems_of(request: RunRequest, dataset: Dataset) -> list[Problem]:
    """Those of a request under this contract."""
    why = mismatch(request.only_new, dataset)
    return [Problem(FIELD, why, shown(request.only_new))] if why and request.only_new else []


def shown(only_new: NewObjects) -> str:
    """As it is written."""
    return canonical_json(only_new.to_json()) if only_new.per_version else "true"
