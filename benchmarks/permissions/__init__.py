"""What it costs to check permissions: processor seconds of the same runs, checked and not.

python -m benchmarks.permissions
"""
