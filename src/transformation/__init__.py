"""The contract's SELECT over valid rows, and the rows no store can take."""
