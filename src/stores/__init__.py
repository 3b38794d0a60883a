"""What stores can take, and how they write it."""
