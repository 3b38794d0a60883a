"""CSV: what a format says of its lines and fields."""
