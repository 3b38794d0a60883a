"""Whether the steps' log is on, as it is when a worker starts."""

from __future__ import annotations

import logging


def turn_on() -> str:
    """What keeps lines out of the log, or nothing; from now on nothing does."""
    from runtime.handler import logger  # not before a worker collects tests

    log = logging.getLogger(logger.name)
    found = {
        "logging.disable()": logging.root.manager.disable > logging.NOTSET,
        "its logger is disabled": log.disabled,
        "its logger's level": log.level > logging.INFO,
        "its logger does not propagate": not log.propagate,
    }
    left = [what for what, is_so in found.items() if is_so]
    if left:
        logging.disable(logging.NOTSET)
        log.disabled, log.propagate = False, True
        log.setLevel(logging.INFO)
    return ", ".join(left)
