"""What a request asks IAM for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """One action on one resource, as IAM evaluates it."""

    action: str  # "s3:GetObject"
    resource: str  # ARN, or "*" for actions without resource-level permissions
    # Condition keys, lower-case names, e.g. {"s3:prefix": ("a/",)}; global keys
    # (aws:securetransport, aws:sourcearn, aws:principalarn ...) are added by the caller of the
    # evaluator.
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    via: str = ""  # service principal when a service makes the call, else empty
