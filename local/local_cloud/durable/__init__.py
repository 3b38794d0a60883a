"""Durable executions: AWS's own testing engine behind the API of Lambda."""
