"""What is left of executions that were stopped, failed or ran out of time."""
