"""What the orchestrator is given to replay, per unit of a run."""
