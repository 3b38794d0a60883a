"""Units that hold several objects: how a listing is grouped, and what is stored of each."""
