"""What a stage costs an orchestration, beside DBOS on SQLite: `make bench-orchestration`."""
