"""What a function runs on: its handler, AWS clients, and S3."""
