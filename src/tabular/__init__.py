"""DuckDB's workspace, and the Parquet parts that stages hand on."""
