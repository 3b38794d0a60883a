"""The emulator's process: MiniStack's application behind a quick HTTP server.

Run as a script by the Python of the emulator's environment, never imported by the local cloud.
MiniStack's own start serves by Hypercorn, which parses HTTP in Python: two thirds of the processor
time of a small request. Uvicorn's parser and event loop are compiled. The application is the same.

It ends when its standard input closes, which happens however the local cloud dies.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import sys
import threading
from typing import Any

KEEP_ALIVE_SECONDS = 75  # the local cloud reuses no connection that has rested for 60
# Collections while modules are imported find nothing, and go through all that is there.
gc.disable()


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    uvicorn = importlib.import_module("uvicorn")
    app = importlib.import_module("ministack.app").app
    add_oldest_message(importlib.import_module("ministack.services.sqs"))
    gc.collect()
    gc.freeze()
    gc.enable()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvicorn.run(
        app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level=os.environ["LOG_LEVEL"].lower(),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        # The application sends both itself, as AWS does.
        server_header=False,
        date_header=False,
    )


def add_oldest_message(sqs: Any) -> None:
    """Add the operation that looks at a queue's messages and changes nothing to the SQS module."""

    def oldest(data: dict[str, Any], _url: str) -> dict[str, Any]:
        queue = sqs._get_q(data["QueueUrl"])
        sqs._expire_retained(queue)
        return {"SentAt": min((each["sent_at"] for each in list(queue["messages"])), default=None)}

    sqs._HANDLERS["LocalOldestMessage"] = oldest


def end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
