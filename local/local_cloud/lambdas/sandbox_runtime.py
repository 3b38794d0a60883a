"""Inside a sandbox: a process becomes the function, on AWS's runtime interface client.

Loaded by the processes of `sandbox_process.py` from its file, never imported by the local cloud.
"""

from __future__ import annotations

import ctypes
import http.client
import importlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable
from typing import Any

RUNTIME = "/2018-06-01/runtime"
STOP_POLL_SECONDS = 0.005
STOP_POLL_VARIABLE = "LOCAL_CLOUD_STOP_POLL_SECONDS"  # of a function: as on AWS, for benchmarks
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Be killed when the process that forked this one is gone, where the kernel can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_sandbox(
    order: dict[str, Any], runtime: socket.socket, root_filters: Iterable[Any] = ()
) -> None:
    """Become the function: its environment, path and directory, then AWS's runtime loop.

    Args:
        order: as the launcher was given it.
        runtime: the connection to the Runtime API.
        root_filters: what code that was imported before has set for handlers of the root logger.
    """
    os.setsid()
    end_with_parent()
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    sys.path[:0] = order["path"]
    os.chdir(order["path"][0])
    if order["durable"]:
        # The SDK's checkpoint thread notices "stop" at its next poll: 100 ms per invocation.
        seconds = float(os.environ.get(STOP_POLL_VARIABLE, STOP_POLL_SECONDS))
        state = importlib.import_module("aws_durable_execution_sdk_python.state")
        vars(state)["_STOP_SIGNAL_POLL_SECONDS"] = seconds
    # Not preloaded: this module reads the function's log format when it is imported.
    bootstrap = importlib.import_module("awslambdaric.bootstrap")
    set_up = bootstrap._setup_logging

    def set_up_logging(*arguments: Any) -> None:
        set_up(*arguments)
        for handler in logging.root.handlers:
            for root_filter in root_filters:
                handler.addFilter(root_filter)

    vars(bootstrap)["_setup_logging"] = set_up_logging
    bootstrap.run(order["handler"], runtime_client(runtime))


def runtime_client(runtime: socket.socket) -> Any:
    """AWS's runtime client, speaking the Lambda Runtime API over an inherited socket.

    The package's native client needs a TCP port per sandbox and exists on Linux only.
    """
    package = importlib.import_module("awslambdaric.lambda_runtime_client")
    connection = http.client.HTTPConnection("runtime-api")
    connection.auto_open = 0
    connection.sock = runtime

    def call(method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        connection.request(
            method, RUNTIME + path, body, {k.replace("_", "-"): v for k, v in headers.items()}
        )
        response = connection.getresponse()
        return response.headers, response.read()

    class SocketRuntimeClient(package.BaseLambdaRuntimeClient):  # type: ignore[name-defined,misc]
        def wait_next_invocation(self) -> Any:
            headers, body = call("GET", "/invocation/next")
            return package.InvocationRequest(
                invoke_id=headers["Lambda-Runtime-Aws-Request-Id"],
                x_amzn_trace_id=headers["Lambda-Runtime-Trace-Id"],
                invoked_function_arn=headers["Lambda-Runtime-Invoked-Function-Arn"],
                deadline_time_in_ms=int(headers["Lambda-Runtime-Deadline-Ms"]),
                client_context=headers["Lambda-Runtime-Client-Context"],
                cognito_identity=None,
                tenant_id=headers["Lambda-Runtime-Aws-Tenant-Id"],
                content_type=headers["Content-Type"],
                event_body=body,
                invocation_id=None,
            )

        def post_invocation_result(
            self, invoke_id: str, result_data: Any, content_type: str = "", *_: Any
        ) -> None:
            body = result_data if isinstance(result_data, bytes) else result_data.encode()
            call("POST", f"/invocation/{invoke_id}/response", body, Content_Type=content_type)

        def post_invocation_error(self, invoke_id: str, error_response_data: str, *_: Any) -> None:
            call("POST", f"/invocation/{invoke_id}/error", error_response_data.encode())

        def post_init_error(self, error_response_data: dict[str, Any], *_: Any) -> None:
            call("POST", "/init/error", json.dumps(error_response_data).encode())

    return SocketRuntimeClient("runtime-api")
