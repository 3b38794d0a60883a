"""The page of `pipeline console`: the same client code as the commands, for a browser."""
