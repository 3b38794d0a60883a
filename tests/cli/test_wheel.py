"""The wheel of the Glue job: fetched by its hash, checked, uploaded once."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cli_world import World, pipeline
from moto import mock_aws

from cli.client.wheel import LOCK, TAG, Pin, upload_stand_in, upload_wheel
from cli.exit_codes import CommandFailed

BUCKET = "code"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks for packages: a directory, empty at first."""
    directory = tmp_path / "index"
    directory.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return directory


def wheel_in(directory: Path, tag: str = TAG) -> Path:
    """A small wheel by the name of the real one."""
    path = directory / Pin().file_name
    info = f"duckdb-{path.name.split('-')[1]}.dist-info"
    version = path.name.split("-")[1]
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("duckdb/__init__.py", "")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: duckdb\nVersion: {version}\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def project_pinning(tmp_path: Path, *wheels: Path) -> Path:
    """A directory with a lock file that allows exactly these files."""
    root = tmp_path / "project"
    lock = root / LOCK
    lock.parent.mkdir(parents=True)
    version = Pin().file_name.split("-")[1]
    hashes = " \\\n".join(f"    --hash=sha256:{sha256(path)}" for path in wheels)
    lock.write_text(f"botocore==1.0\nduckdb=={version} \\\n{hashes}\njmespath==1.0\n")
    return root


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stored(s3: Any) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {
        each["Key"]: s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in listed
    }


@pytest.mark.slow
def test_pip_fetches_the_pinned_wheel_and_it_is_uploaded_once(
    s3: Any, index: Path, tmp_path: Path
) -> None:
    wheel = wheel_in(index)
    root = project_pinning(tmp_path, wheel)
    content = wheel.read_bytes()

    first = upload_wheel(s3, BUCKET, root=root)
    wheel.unlink()
    (root / "build" / "wheels" / wheel.name).unlink()
    second = upload_wheel(s3, BUCKET, root=root)  # nothing is fetched, or it would fail

    assert first.endswith(f"uploaded, with SHA-256 {hashlib.sha256(content).hexdigest()}")
    assert second.endswith("is there already, with the pinned SHA-256")
    assert stored(s3) == {Pin().key: content}


def test_another_object_in_its_place_is_replaced(s3: Any, tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path)
    s3.put_object(Bucket=BUCKET, Key=Pin().key, Body=b"other", ChecksumAlgorithm="SHA256")

    said = upload_wheel(s3, BUCKET, wheel, project_pinning(tmp_path, wheel))

    assert "uploaded" in said
    assert stored(s3) == {Pin().key: wheel.read_bytes()}


def test_a_file_with_another_hash_is_refused(s3: Any, tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path)
    root = project_pinning(tmp_path, wheel)
    wheel.write_bytes(wheel.read_bytes() + b"more")

    with pytest.raises(CommandFailed) as failed:
        upload_wheel(s3, BUCKET, wheel, root)

    assert sha256(wheel) in failed.value.reason
    assert LOCK in failed.value.reason
    assert stored(s3) == {}


@pytest.mark.slow
def test_pip_refuses_a_file_of_the_index_with_another_hash(
    s3: Any, index: Path, tmp_path: Path
) -> None:
    wheel = wheel_in(index)
    root = project_pinning(tmp_path, wheel)
    wheel.unlink()
    wheel_in(index, "cp39-cp39-other")

    with pytest.raises(CommandFailed) as failed:
        upload_wheel(s3, BUCKET, root=root)

    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in failed.value.reason
    assert stored(s3) == {}


def test_a_wheel_of_another_platform_is_refused_whatever_its_name(s3: Any, tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path, "cp39-cp39-macosx_11_0_arm64")

    with pytest.raises(CommandFailed) as failed:
        upload_wheel(s3, BUCKET, wheel, project_pinning(tmp_path, wheel))

    assert f"another Python or platform than {TAG}" in failed.value.reason
    assert stored(s3) == {}


@pytest.mark.slow
def test_where_no_index_has_it_the_error_names_the_wheel_and_the_option(
    s3: Any, index: Path, tmp_path: Path
) -> None:
    wheel = wheel_in(index)
    root = project_pinning(tmp_path, wheel)
    wheel.unlink()

    with pytest.raises(CommandFailed) as failed:
        upload_wheel(s3, BUCKET, root=root)

    assert Pin().file_name in failed.value.reason
    assert "pipeline upload --wheel PATH" in failed.value.reason


def test_a_stand_in_takes_the_wheels_place_and_gives_way_to_it(s3: Any, tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path)
    root = project_pinning(tmp_path, wheel)

    url = upload_stand_in(s3, BUCKET, root)
    assert url == f"s3://{BUCKET}/{Pin().key}"
    assert stored(s3)[Pin().key].startswith(b"Not DuckDB's wheel")

    upload_wheel(s3, BUCKET, wheel, root)
    assert upload_stand_in(s3, BUCKET, root) == url
    assert stored(s3) == {Pin().key: wheel.read_bytes()}


def test_a_file_that_is_not_there_is_named(local: World) -> None:
    local.deployment.client("s3").create_bucket(Bucket="code")

    result = pipeline("upload", "--wheel", "nowhere.whl")

    assert result.exit_code == 2
    assert "nowhere.whl: there is no such file" in result.output
