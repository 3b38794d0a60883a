"""What a run has published as files, and what it replaces."""
