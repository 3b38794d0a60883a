"""What it costs to await a remote job, by callback and by polling, side by side.

    python -m benchmarks.jobs

Everything is counted in one run on the testing SDK's runner, with an engine whose clock is passed
in: eight hours take seconds. README.md says how to read the table.
"""
