"""One unit of a run, in the ledger: whether it begins, and how it ended."""
