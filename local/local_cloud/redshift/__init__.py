"""Redshift, by its Data API: statements run on DuckDB."""
