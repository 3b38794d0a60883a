"""The directory of a running local cloud: one at a time, emptied at the start, with a log."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

CLOUD_FILE: Final = "cloud.json"
CALLS_FILE: Final = "calls.json"
LOG_FILE: Final = "local-cloud.log"
LOCK_FILE: Final = "lock"
_LOGGER: Final = logging.getLogger("local.local_cloud")
_STATE: Final = ("tmp", "glue", "emr", "emr-serverless", "ssm", "warehouse", "logs")


class CloudError(Exception):
    """The local cloud cannot start; the message says why."""


@contextlib.contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Hold a directory for one local cloud, without what an earlier one left in it.

    Raises:
        CloudError: it is in use, or holds something else.
    """
    directory.mkdir(parents=True, exist_ok=True)
    earlier = [name for name in _STATE if (directory / name).exists()]
    if earlier and not (directory / LOCK_FILE).exists():
        raise CloudError(
            f"{directory} is no directory of a local cloud, but holds {', '.join(earlier)}:"
            " take another directory"
        )
    with (directory / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloudError(
                f"another local cloud uses {directory}: stop it, or take another directory"
            ) from None
        for name in earlier:
            shutil.rmtree(directory / name, ignore_errors=True)
        (directory / CLOUD_FILE).unlink(missing_ok=True)
        with _logging_to(directory / LOG_FILE):
            yield


@contextlib.contextmanager
def described_by(directory: Path, content: Mapping[str, Any]) -> Iterator[None]:
    """Say in `cloud.json` where the local cloud is, as long as it runs."""
    path = directory / CLOUD_FILE
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
        handler.close()
