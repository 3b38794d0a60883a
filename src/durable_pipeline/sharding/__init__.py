"""The shards of a large run, each in an execution of its own."""
