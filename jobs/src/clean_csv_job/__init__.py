"""The Glue job `clean-csv`; `make jobs` builds `jobs/clean_csv.py` from it and `reading_rules`."""
