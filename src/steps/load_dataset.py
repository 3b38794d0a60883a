"""load_dataset: read a dataset's contract, check it against SQL and deployment, freeze it."""

from __future__ import annotations

from contracts.messages import LoadDataset, LoadedDataset
from dataset_loading.deployment import Settings
from dataset_loading.load import load_dataset
from runtime.handler import settings_from_environment, step_handler, utc_now


@step_handler(LoadDataset)
def handler(message: LoadDataset) -> LoadedDataset:
    return load_dataset(message.request, settings_from_environment(Settings), utc_now())
