"""Which command prints which document, and the JSON Schemas in docs/json/.

    python -m cli.documents.catalogue    # or: make json-schemas

The schemas are open: they allow fields that a later release adds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args

from pydantic import BaseModel

from cli.docstrings import describe
from cli.documents.backfill_plans import StartBackfillDocument
from cli.documents.backfills import (
    BackfillDocument,
    BackfillProgressDocument,
    BackfillsDocument,
    ControlDocument,
)
from cli.documents.base import Document
from cli.documents.costs import CostDocument
from cli.documents.datasets import (
    CheckedContract,
    ProposedContract,
    PutDocument,
    RebuiltDocument,
    UploadDocument,
)
from cli.documents.errors import ErrorDocument
from cli.documents.health import DoctorDocument
from cli.documents.history import HistoryDocument
from cli.documents.ledger import JobsDocument, UnitsDocument
from cli.documents.logs import LogLineDocument
from cli.documents.pools import PoolsDocument
from cli.documents.rejected import RejectedDocument
from cli.documents.report import ReportDocument
from cli.documents.results import ResultsDocument
from cli.documents.run_list import LedgerIndexDocument, RunsDocument
from cli.documents.runs import (
    DeadLetterDocument,
    DeadLettersDocument,
    DeletedLettersDocument,
    PurgeDocument,
    ReplayDocument,
    ResentDocument,
    ResumeDocument,
    SentDocument,
    StatusDocument,
    StopDocument,
)
from cli.documents.schedules import SchedulesDocument
from cli.documents.show import ShowDocument
from cli.documents.verification import VerificationDocument
from cli.documents.where import WhereDocument

DOCUMENTS: Final[Mapping[str, type[Document]]] = MappingProxyType({
    "demo": ReportDocument,
    "run": SentDocument,
    "ls": RunsDocument,
    "show": ShowDocument,
    "watch": StatusDocument,
    "status": StatusDocument,
    "results": ResultsDocument,
    "history": HistoryDocument,
    "units": UnitsDocument,
    "cost": CostDocument,
    "jobs": JobsDocument,
    "logs": LogLineDocument,
    "pools": PoolsDocument,
    "rejected": RejectedDocument,
    "resend": ResentDocument,
    "stop": StopDocument,
    "resume": ResumeDocument,
    "purge": PurgeDocument,
    "upload": UploadDocument,
    "put": PutDocument,
    "verify": VerificationDocument,
    "where": WhereDocument,
    "doctor": DoctorDocument,
    "dead-letters": DeadLettersDocument,
    "dead-letters ls": DeadLettersDocument,
    "dead-letters show": DeadLetterDocument,
    "dead-letters replay": ReplayDocument,
    "dead-letters delete": DeletedLettersDocument,
    "backfill start": StartBackfillDocument,
    "backfill ls": BackfillsDocument,
    "backfill show": BackfillDocument,
    "backfill watch": BackfillProgressDocument,
    "backfill pause": ControlDocument,
    "backfill resume": ControlDocument,
    "backfill stop": ControlDocument,
    "schedules apply": SchedulesDocument,
    "schedules ls": SchedulesDocument,
    "schedules pause": SchedulesDocument,
    "schedules resume": SchedulesDocument,
    "dataset check": CheckedContract,
    "dataset new": ProposedContract,
    "dataset rebuild-stored": RebuiltDocument,
    "ledger index": LedgerIndexDocument,
})  # fmt: skip
ERROR: Final = "error"  # the schema's name of what any command prints when it fails
FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "json"
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of the document of this command, or of ERROR."""
    model = ErrorDocument if name == ERROR else DOCUMENTS[name]
    made = model.model_json_schema(by_alias=True, mode="serialization")
    definitions = made.get("$defs", {})
    for part in _parts(model):
        held = made if part is model else definitions.get(part.__name__)
        if held is not None:
            describe(held, part)
    title = "pipeline: a command that failed" if name == ERROR else f"pipeline {name} --json"
    return {"$schema": _DRAFT, "title": title, **_tidy({**made, "title": None})}


def schema_file(name: str) -> str:
    """Its file in docs/json/: `dataset-check.schema.json`."""
    return f"{name.replace(' ', '-')}.schema.json"


def schema_text(name: str) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema_of(name), indent=1, ensure_ascii=False) + "\n"


def _parts(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model, and every model that it holds."""
    ahead: list[Any] = [model]
    seen: set[Any] = set()
    while ahead:
        kind = ahead.pop()
        if kind in seen:
            continue
        seen.add(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind
            ahead += [field.annotation for field in kind.model_fields.values()]
        else:
            ahead += [part for part in get_args(kind) if part is not ...]


def _tidy(value: Any) -> Any:
    """Without made-up titles, and open to fields that a later release adds."""
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    if not isinstance(value, dict):
        return value
    closed = value.get("additionalProperties") is False
    return {
        name: _tidy(each)
        for name, each in value.items()
        if not (name == "title" and not isinstance(each, dict))
        and not (name == "additionalProperties" and closed)
    }


def main() -> None:
    """Write every schema to docs/json/."""
    FOLDER.mkdir(exist_ok=True)
    for name in (*DOCUMENTS, ERROR):
        (FOLDER / schema_file(name)).write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
