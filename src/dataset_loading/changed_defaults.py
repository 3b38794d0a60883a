"""What a contract leaves to a default that is another one than in the release before."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.dataset import Dataset


def notes_on_defaults(dataset: Dataset) -> Iterator[str]:
    """A sentence for each, with how to restore the old default.

    Args:
        dataset: as parsed from its file, so that it is known what the file says.
    """
    if dataset.transform and "on_transform_error" not in dataset.model_fields_set:
        yield (
            "a row that the transform cannot compute is rejected, where it failed its unit before;"
            " for that, write onTransformError: fail"
        )
