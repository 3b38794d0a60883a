"""Files in the output bucket, and the manifests that name them."""
