"""Contracts: read, checked, frozen for a run."""
