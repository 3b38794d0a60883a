"""How the objects of a run are grouped into units: by its contract and its request."""

from __future__ import annotations

from contracts.dataset import Dataset, DatasetSnapshot, Group
from contracts.run_request import RunRequest


def group_of(request: RunRequest, dataset: Dataset) -> Group | None:
    """The group that units of a run are; None: each is one object."""
    if request.input_url is not None or request.objects_per_unit == 1:
        return None
    declared = dataset.source.group
    if request.objects_per_unit is None:
        return declared
    return (declared or Group()).model_copy(update={"objects": request.objects_per_unit})


def halves(snapshot: DatasetSnapshot) -> bool:
    """Whether jobs of halves of a unit show which of its objects are bad."""
    group = snapshot.group
    return bool(group and group.bad_object == "reject" and snapshot.dataset.jobs)
