"""Times that are relative, and schedules, which are made of them."""
