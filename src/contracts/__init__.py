"""Types and names that all parts of the pipeline share. Imports nothing else of this project."""
