from __future__ import annotations

from aws_cloud import _environment, clients, cloud, lambda_context

__all__ = ["_environment", "clients", "cloud", "lambda_context"]
