"""What the orchestrator sends to each step function, and what comes back.

Each step takes the class named for it and returns the class its docstring names; `contracts.steps`
declares which. Payloads hold ids and URLs only: the dataset snapshot, the manifest and all rows are
read from S3.
"""

from contracts.messages.backfill import *
from contracts.messages.decision import *
from contracts.messages.job import *
from contracts.messages.long_run import *
from contracts.messages.publish import *
from contracts.messages.run import *
from contracts.messages.shards import *
from contracts.messages.stores import *
from contracts.messages.unit import *
