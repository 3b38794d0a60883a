"""What a key costs to list, beside boto3's paginator: `make bench-listing`."""
