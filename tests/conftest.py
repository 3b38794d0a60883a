"""What all tests share."""

from __future__ import annotations

import functools

import botocore.loaders
import pytest
from spark_here import missing

# moto gives every test a new default session, and every session parses the descriptions of its
# services anew, tens of milliseconds each. They never change: once per process will do.
botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Spark where there is none, and say why."""
    marked = [item for item in items if item.get_closest_marker("spark")]
    lacking = missing() if marked else None
    for item in marked:
        item.add_marker(pytest.mark.slow)
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))  # Java starts slowly on a busy machine
        item.add_marker(pytest.mark.xdist_group("spark"))  # one Java, not one per worker
        if lacking:
            item.add_marker(pytest.mark.skip(reason=lacking))
