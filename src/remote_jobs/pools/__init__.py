"""Places of engines: who waits for one, whose turn it is, and how many there are."""
