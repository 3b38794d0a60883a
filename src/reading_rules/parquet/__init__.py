"""Parquet files: their columns as texts that hold all of the values."""
