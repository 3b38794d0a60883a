"""Rows as files in the output bucket."""
