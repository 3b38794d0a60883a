"""Per service: what requests ask IAM for."""
