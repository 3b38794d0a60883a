"""How many files a local cloud may have open."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from local.local_cloud.processes import OPEN_FILES

ASK = """
import resource, sys
from local.local_cloud.processes import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
allow_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("before", "most", "after"),
    [
        (256, OPEN_FILES * 2, OPEN_FILES),
        (256, 1024, 1024),
        (OPEN_FILES + 1, OPEN_FILES * 2, OPEN_FILES + 1),
    ],
)
def test_more_are_allowed_where_the_system_permits_it(before: int, most: int, after: int) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < most:
        pytest.skip(f"this system permits no {most} open files")
    said = subprocess.run(  # noqa: S603
        [sys.executable, "-c", ASK, str(before), str(most)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said.split() == [str(after), str(most)]
