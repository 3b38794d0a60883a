"""What commands print with `--json`: one typed document each. docs/json.md is for its readers.

Field names are camelCase. Every field is always there; one without a value is null. Within a
release line fields are added, never removed or renamed.
"""
