"""What the orchestrator sends to each step function, and what comes back.

Each step takes the class named for it and answers with the class its docstring names. Payloads hold
ids and URLs only: the dataset snapshot, the manifest and all rows are read from S3.
"""

from __future__ import annotations

from contracts.messages.job import (
    CancelJob,
    CheckJob,
    SubmitJob,
)
from contracts.messages.run import (
    LOAD_FLOW,
    START_FLOW,
    Claim,
    ClaimOutcome,
    ClaimRun,
    ListUrls,
    LoadDataset,
    LoadedDataset,
    LoadedJob,
    Notify,
    PreparedWarehouse,
    PrepareWarehouse,
    RecordedRun,
    RecordRun,
    RejectMessage,
    StartedRun,
    StartRun,
    StopOutcome,
    StoppedRun,
    StopRun,
)
from contracts.messages.unit import (
    EndUnit,
    ExplainLoad,
    LoadExplanation,
    PreparedLoad,
    RecordItems,
    StartUnit,
    StoredRows,
    StoreDynamodb,
    StoreRedshift,
    Transform,
    Transformed,
    Validate,
    Validated,
)

__all__ = [
    "LOAD_FLOW",
    "START_FLOW",
    "CancelJob",
    "CheckJob",
    "Claim",
    "ClaimOutcome",
    "ClaimRun",
    "EndUnit",
    "ExplainLoad",
    "ListUrls",
    "LoadDataset",
    "LoadExplanation",
    "LoadedDataset",
    "LoadedJob",
    "Notify",
    "PrepareWarehouse",
    "PreparedLoad",
    "PreparedWarehouse",
    "RecordItems",
    "RecordRun",
    "RecordedRun",
    "RejectMessage",
    "StartRun",
    "StartUnit",
    "StartedRun",
    "StopOutcome",
    "StopRun",
    "StoppedRun",
    "StoreDynamodb",
    "StoreRedshift",
    "StoredRows",
    "SubmitJob",
    "Transform",
    "Transformed",
    "Validate",
    "Validated",
]
