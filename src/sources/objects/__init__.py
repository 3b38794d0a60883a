"""What a listing finds: its objects as columns, and walks that are read ahead."""
