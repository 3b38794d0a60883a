"""What a run reads: listings, manifests, objects and items of arrays."""
