"""Which rows are valid, and what is recorded of the others."""
