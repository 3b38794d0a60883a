"""The targets' limits, and how rows are written to them."""
