"""What the local cloud costs: sandboxes, messages, units, chained invokes."""
