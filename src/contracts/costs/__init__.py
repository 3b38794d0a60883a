"""What a run uses, and what that costs."""
