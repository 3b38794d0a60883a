"""The lock files: complete, with hashes, from no particular registry, and in step."""

from __future__ import annotations

import re
import tomllib

import pinned_job
import pytest
from deployed_code import ROOT

from cli.client.wheel import Pin

LOCKS = [
    "requirements/run.txt",
    "requirements/test.txt",
    "requirements/substrate.txt",
    "requirements/spark.txt",
    "requirements/bench.txt",
    "requirements/samples.txt",
    "requirements/glue-python-shell.txt",
    "src/requirements.txt",
    "layers/data/requirements.txt",
]
# In environments of their own, or without a package that the tests have.
ALONE = (
    "requirements/substrate.txt",
    "requirements/spark.txt",
    "requirements/glue-python-shell.txt",
    "requirements/samples.txt",
)
BESIDE = "requirements/bench.txt"  # has packages of its own, and some that the tests have, too
PINNED = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)( ;.*)? \\$")


def entries(lock: str) -> list[list[str]]:
    """The lines of each package: its pin, then its hashes."""
    found: list[list[str]] = []
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            found[-1].append(line.strip())
        elif not line.startswith("#"):
            found.append([line])
    return found


def versions(lock: str) -> dict[str, set[str]]:
    pins: dict[str, set[str]] = {}
    for pin, *_ in entries(lock):
        match = PINNED.match(pin)
        assert match, f"{lock}: {pin}"
        pins.setdefault(match["name"], set()).add(match["version"])
    return pins


def asked_for(*extras: str) -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"] if not extras else [])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    split = (re.split(r"==", line.partition(";")[0]) for line in lines if "==" in line)
    return {
        re.sub(r"[._]", "-", re.sub(r"\[.*\]", "", name)).lower(): version.strip()
        for name, version in split
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_its_hashes_and_no_registry_is_named(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text(encoding="utf-8")
    for _, *hashes in entries(lock):
        assert hashes
        assert all(line.startswith("--hash=sha256:") for line in hashes)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("src/requirements.txt", ()),
        ("layers/data/requirements.txt", ("data",)),
        ("requirements/run.txt", ("local",)),
        ("requirements/test.txt", ("test",)),
        ("requirements/spark.txt", ("spark",)),
        ("requirements/bench.txt", ("bench",)),
        ("requirements/samples.txt", ("samples",)),
    ],
)
def test_a_lock_holds_the_versions_that_pyproject_asks_for(
    lock: str, extras: tuple[str, ...]
) -> None:
    pins = versions(lock)
    assert {name: pins.get(name) for name in asked_for(*extras)} == {
        name: {version} for name, version in asked_for(*extras).items()
    }


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock not in (*ALONE, BESIDE)])
def test_what_is_deployed_is_what_was_tested(lock: str) -> None:
    tested = versions("requirements/test.txt")
    assert {name: pins for name, pins in versions(lock).items() if not pins <= tested[name]} == {}


def test_what_the_benchmark_adds_leaves_the_rest_as_it_is() -> None:
    tested = versions("requirements/test.txt")
    added = versions(BESIDE)
    assert {name for name in added if not added[name] <= tested.get(name, added[name])} == set()


def test_the_glue_job_is_tested_with_the_packages_that_the_template_gives_it() -> None:
    locked = versions("requirements/glue-python-shell.txt")

    for module in pinned_job.MODULES:
        name, _, version = module.partition("==")
        assert locked[name] == {version}


def test_the_template_names_the_wheel_that_upload_brings() -> None:
    assert "s3://${Bucket}/" + Pin().key == pinned_job.WHEEL_URL
