"""`pipeline doctor`: whether a deployment works as it should, and what to do where it does not."""
