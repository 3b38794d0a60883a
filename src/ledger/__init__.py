"""The ledger table, and the decision to stop a run in it."""
