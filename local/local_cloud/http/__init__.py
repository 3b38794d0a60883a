"""HTTP requests: routed, forwarded, refused, and handled by services of ours."""
