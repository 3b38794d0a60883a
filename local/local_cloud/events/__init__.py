"""EventBridge, schedules, and what starts functions."""
