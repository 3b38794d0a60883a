"""The DuckDB wheel of the Glue Python shell job: fetched by its hash, stored in the code bucket.

A run installs the file that the template's `--extra-py-files` names, so it needs no package index:
DuckDB requires no other package. Sources: AWS Glue Developer Guide, "Configuring job properties for
Python shell jobs in AWS Glue" (own libraries of Python 3.9 are `.whl` files in S3, named by
`--extra-py-files`). The tag `manylinux_2_26` is the oldest that DuckDB 1.4.5 has for x86_64; Python
shell jobs were seen to have glibc 2.26 (duckdb/duckdb issue 17943).
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.exit_codes import FAILED, REFUSED, CommandFailed

ROOT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = "requirements/glue-python-shell.txt"
PREFIX: Final = "wheels/"
TAG: Final = "cp39-cp39-manylinux_2_26_x86_64"
NAME: Final = "duckdb-{version}-" + TAG + ".manylinux_2_28_x86_64.whl"
_STAND_IN: Final = (
    "Not DuckDB's wheel: the local cloud's jobs take DuckDB from their environment.\n"
    "pipeline upload --wheel PATH puts the wheel itself here.\n"
)
_PIN: Final = re.compile(
    r"^duckdb==(\S+) \\\n(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", re.MULTILINE
)
_PIP: Final = ("-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet")
_TARGET: Final = (
    *("--require-hashes", "--no-deps", "--only-binary=:all:"),
    *("--python-version=3.9", "--implementation=cp", "--abi=cp39"),
    "--platform=manylinux_2_26_x86_64",
)


class Pin:
    """DuckDB as the lock file pins it.

    Attributes:
        file_name: of the wheel for Glue; the last part of its key, too.
        hashes: SHA-256 of each file that the lock file allows, in hexadecimal digits.
        lines: of the lock file.
    """

    def __init__(self, root: Path = ROOT) -> None:
        found = _PIN.search((root / LOCK).read_text(encoding="utf-8"))
        if found is None:
            raise CommandFailed(f"{LOCK} pins no duckdb with hashes", FAILED, "run: make lock")
        self.lines = found[0]
        self.file_name = NAME.format(version=found[1])
        self.hashes = frozenset(re.findall(r"sha256:([0-9a-f]{64})", self.lines))

    @property
    def key(self) -> str:
        """Where the wheel is in the code bucket."""
        return PREFIX + self.file_name


def upload_wheel(s3: Any, bucket: str, given: Path | None = None, root: Path = ROOT) -> str:
    """Bring the wheel to the code bucket, unless it is there.

    Args:
        given: the file, where no package index can be reached; absent: pip fetches it.

    Returns:
        What was done, one sentence.

    Raises:
        CommandFailed: there is no such file, or it is another than the lock file pins.
    """
    pin = Pin(root)
    url = f"s3://{bucket}/{pin.key}"
    there = _digest_there(s3, bucket, pin.key)
    if given is None and there in pin.hashes:
        return f"{url} is there already, with the pinned SHA-256"
    path = given or _fetch(pin, root / "build" / "wheels")
    digest = _check(path, pin)
    if there == digest:
        return f"{url} is there already, with the pinned SHA-256"
    s3.put_object(
        Bucket=bucket,
        Key=pin.key,
        Body=path.read_bytes(),
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=base64.b64encode(bytes.fromhex(digest)).decode(),
    )
    return f"{url} uploaded, with SHA-256 {digest}"


def upload_stand_in(s3: Any, bucket: str, root: Path = ROOT) -> str:
    """Put a text in the wheel's place, unless something is there. For the local cloud only.

    Its jobs take DuckDB from their environment, but fail as on AWS where the object is missing that
    `--extra-py-files` names. So no package index is needed there.

    Returns:
        The object's URL.
    """
    key = Pin(root).key
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=_STAND_IN.encode(), IfNoneMatch="*")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
            raise
    return f"s3://{bucket}/{key}"


def _digest_there(s3: Any, bucket: str, key: str) -> str | None:
    """The checksum that S3 verified when the object was put; None: none, or no such object."""
    try:
        head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        # 403: without the right to list the bucket, S3 does not say that there is no such object.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404):
            return None
        raise
    checksum = head.get("ChecksumSHA256")
    return base64.b64decode(checksum).hex() if checksum else None


def _fetch(pin: Pin, cache: Path) -> Path:
    path = cache / pin.file_name
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() in pin.hashes:
        return path
    path.unlink(missing_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as wanted:
        wanted.write(pin.lines)
        wanted.flush()
        done = subprocess.run(  # noqa: S603 - our own Python, and our lock file's lines
            [sys.executable, *_PIP, *_TARGET, f"--dest={cache}", f"--requirement={wanted.name}"],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or not path.exists():
        raise CommandFailed(
            f"pip could not fetch {pin.file_name}, which the Glue job clean-csv needs:\n"
            f"{done.stderr.strip()[-2000:]}",
            FAILED,
            "download that file where a package index is reachable, and pass it:"
            " pipeline upload --wheel PATH",
        )
    return path


def _check(path: Path, pin: Pin) -> str:
    """The file's SHA-256, if it is the wheel that is pinned."""
    if not path.is_file():
        raise CommandFailed(
            f"--wheel {path}: there is no such file", REFUSED, f"give {pin.file_name}"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest not in pin.hashes:
        raise CommandFailed(
            f"{path}: its SHA-256 {digest} is none of those that {LOCK} pins for duckdb;"
            " nothing was uploaded",
            FAILED,
            f"give {pin.file_name} as published",
        )
    if TAG not in _tags(path):
        raise CommandFailed(
            f"{path} is a wheel for another Python or platform than {TAG}",
            FAILED,
            f"give {pin.file_name}",
        )
    return digest


def _tags(path: Path) -> list[str]:
    """The tags that a wheel says it is for (its name may have been changed)."""
    try:
        with zipfile.ZipFile(path) as wheel:
            name = next(each for each in wheel.namelist() if each.endswith(".dist-info/WHEEL"))
            lines = wheel.read(name).decode("utf-8").splitlines()
    except (zipfile.BadZipFile, StopIteration):
        return []
    return [line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")]
