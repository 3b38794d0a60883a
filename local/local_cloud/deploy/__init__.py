"""The template's resources made real: one module for each family of services."""
