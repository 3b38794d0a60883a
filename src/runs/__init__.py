"""Outcomes of runs and units, and how they are announced."""
