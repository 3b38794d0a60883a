"""How the objects of a run are grouped into units: by its contract and its request."""

from __future__ import annotations

from typing import Final

from contracts.dataset import Dataset, Group
from contracts.errors import Problem
from contracts.run_request import RunRequest

FIELD: Final = "objectsPerUnit"


def group_of(request: RunRequest, dataset: Dataset) -> Group | None:
    """The group that units of a run are; None: each is one object."""
    if request.input_url is not None or request.objects_per_unit == 1:
        return None
    declared = dataset.source.group
    if request.objects_per_unit is None:
        return declared
    return (declared or Group()).model_copy(update={"objects": request.objects_per_unit})


def mismatch(dataset: Dataset) -> str | None:
    """Why the dataset's objects cannot be grouped; None: they can."""
    if not dataset.jobs:
        return None
    stages = ", ".join(job.stage for job in dataset.jobs)
    return (
        f"units of several objects have no jobs yet, and dataset {dataset.name} has jobs"
        f" ({stages}); leave one of them out"
    )


def problems_of(request: RunRequest, dataset: Dataset) -> list[Problem]:
    """Those of a request under this contract."""
    why = mismatch(dataset) if (request.objects_per_unit or 1) > 1 else None
    return [Problem(FIELD, why, str(request.objects_per_unit))] if why else []
