"""JSON: records, and why a text is none."""
