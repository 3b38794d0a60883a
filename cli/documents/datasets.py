"""Contracts and uploads: `dataset check`, `dataset new`, `upload`."""

from __future__ import annotations

from cli.documents.base import Document


class ContractProblem(Document):
    """One thing wrong with a contract.

    Attributes:
        path: where, such as `columns[2].type`.
        message: what is wrong and what would be right.
        value: what was found.
    """

    path: str
    message: str
    value: str | None = None


class ContractColumn(Document):
    """A column of the dataset's result."""

    name: str
    type: str


class CheckedContract(Document):
    """`pipeline dataset check --json`; the exit status is 2 where the contract is not valid.

    Attributes:
        version: content hash of the file, as runs record it; null where it is not valid.
        output_columns: columns of the result; empty where it is not valid.
        notes: what it leaves to a default that has changed, and how to restore the old one.
    """

    valid: bool
    version: str | None = None
    output_columns: tuple[ContractColumn, ...] = ()
    problems: tuple[ContractProblem, ...] = ()
    notes: tuple[str, ...] = ()


class ProposedContract(Document):
    """`pipeline dataset new --json`.

    Attributes:
        contract: the file's text, YAML.
        out: the file that it was written to (`--out`).
    """

    dataset_name: str
    contract: str
    out: str | None = None


class PutObject(Document):
    """A file that was uploaded.

    Attributes:
        day: in which runs look for it (UTC); null: the day on which it was written.
    """

    file: str
    url: str
    day: str | None = None


class PutDocument(Document):
    """`pipeline put --json`.

    Attributes:
        marker_urls: markers of partitions, put behind the objects (`--ready`).
        command: what starts a run over them.
    """

    dataset: str
    objects: tuple[PutObject, ...]
    marker_urls: tuple[str, ...] = ()
    command: str


class RebuiltDocument(Document):
    """`pipeline dataset rebuild-stored --json`: what one call did; it has come to the end.

    Attributes:
        since: runs that were first claimed on this day and later were read.
        resumed: whether an earlier call had been interrupted, and this one went on with it.
        runs: whose files were written.
        objects: that they have stored; one that several runs have stored counts for each.
        unknown: units that are stored, but of whose object no longer enough is known: it is new to
            a run that takes new objects only.
        left_out: keys of files that were broken or missing.
    """

    dataset_name: str
    since: str
    resumed: bool
    runs: int
    objects: int
    unknown: int
    left_out: tuple[str, ...] = ()


class UploadDocument(Document):
    """`pipeline upload --json`.

    Attributes:
        urls: of the objects that were uploaded.
        wheel: what became of DuckDB's wheel; null on the local cloud, which needs none.
    """

    urls: tuple[str, ...]
    wheel: str | None = None
