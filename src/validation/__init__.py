"""Splits rows into valid and rejected ones, and records why."""
