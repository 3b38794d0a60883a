"""Rows in the warehouse."""
