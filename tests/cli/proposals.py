"""What `pipeline dataset new` proposes for a file, checked as a contract."""

from __future__ import annotations

from pathlib import Path

import yaml
from cli_world import pipeline

from contracts.dataset import Dataset
from dataset_loading.check import check_dataset


def proposed(path: Path, *options: str) -> tuple[Dataset, str]:
    result = pipeline("dataset", "new", str(path), *options)
    assert result.exit_code == 0, result.output
    name = str(yaml.safe_load(result.output)["name"])
    return check_dataset(result.output, name).dataset, result.output
