"""Source rows as the contract's columns: text and Parquet."""
