"""What all tests share."""

from __future__ import annotations

import functools

import botocore.loaders

# moto gives every test a new default session, and every session parses the descriptions of its
# services anew, tens of milliseconds each. They never change: once per process will do.
botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)
