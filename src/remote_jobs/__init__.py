"""Jobs of any engine: submitted once, checked, stopped."""
