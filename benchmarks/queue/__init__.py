"""How long jobs wait for a place, beside a scheduler that knows everything at once."""
