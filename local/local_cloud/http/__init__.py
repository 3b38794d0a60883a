"""Requests: routed, forwarded, refused, and answered by services of ours."""
