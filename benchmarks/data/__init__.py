"""Read, clean, write: this project's steps beside plain DuckDB, Polars, pyarrow, pandas and csv.

    python -m benchmarks.data --megabytes 200

Every way does the same work on the same generated file, in a process of its own, in one run; the
rows that come out must be the same. README.md says how to read the table.
"""
