"""The items of a JSON array: read, cut into batches, and their rows."""
