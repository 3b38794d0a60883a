from aws_cloud import _environment, clients, cloud, lambda_context
from local_warehouse import warehouse

__all__ = ["_environment", "clients", "cloud", "lambda_context", "warehouse"]
