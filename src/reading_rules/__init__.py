"""How the records of a file are read: the one place of these rules, for the steps and the Glue job.

Nothing here imports anything but the standard library, and all of it runs on Python 3.9: the
modules become part of `jobs/clean_csv.py` (`make jobs`), which Glue runs as a single file. They
make SQL as text; what runs it is the caller's, with DuckDB 1.4 (Glue) or 2.0 (the steps).
"""
