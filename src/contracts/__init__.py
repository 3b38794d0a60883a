"""The words every part of the pipeline shares. Imports nothing else of this project."""
