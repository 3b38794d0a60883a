"""Objects of units that hold several: counts, and what became of each."""
