"""The command line: `pipeline`, against AWS or the local cloud alike."""
