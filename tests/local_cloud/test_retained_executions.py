"""What the local cloud keeps of executions and sandboxes that have ended is bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import (
    CallbackOptions,
    ErrorObject,
    OperationAction,
    OperationType,
    OperationUpdate,
    WaitOptions,
)
from botocore.exceptions import ClientError
from engine_harness import PENDING, EngineHarness
from lambda_cloud import LambdaCloud, durable, eventually, plain

from local.local_cloud.lambdas import fork_server
from local.local_cloud.lambdas.fork_server import ForkServer
from local.local_cloud.lambdas.functions import HostSettings
from local.local_cloud.lambdas.pool import FunctionHost

RETAINED = 5
MODULES = ("local.local_cloud", "aws_durable_execution_sdk_python_testing")


@pytest.fixture
def cloud(tmp_path):
    functions = [
        durable("add", "add_in_steps"),
        durable("call", "invoke"),
        durable("exit", "exit_always"),
        durable("open", "open_callback"),
    ]
    with LambdaCloud(functions, tmp_path, ended_executions=RETAINED) as running:
        yield running


def containers(holder: Any, name: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    """The sizes of all containers that an object of ours or of the engine holds, by their paths."""
    if id(holder) in seen or not type(holder).__module__.startswith(MODULES):
        return
    seen.add(id(holder))
    for attribute, value in vars(holder).items() if hasattr(holder, "__dict__") else ():
        path = f"{name}.{attribute}"
        # The threads of a pool are as many as have been busy at once, and its limit bounds them.
        if isinstance(value, Sized) and not isinstance(value, str) and attribute != "_threads":
            yield path, len(value)
        yield from containers(value, path, seen)


def growing(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {path: size for path, size in after.items() if size > before.get(path, 0)}


def run_many(cloud: LambdaCloud, count: int) -> None:
    """Executions that succeed, fail, call others, and end with a callback open."""

    def run(number: int) -> None:
        cloud.invoke("add:live", {"numbers": [number]})
        cloud.invoke("call:live", {"function": "add:live", "payload": {"numbers": [number]}})
        cloud.invoke("open:live", {"timeout": 3_600})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(count)))
    cloud.invoke("exit:live", {})


@pytest.mark.slow
def test_nothing_that_the_service_holds_grows_with_the_executions(cloud, monkeypatch):
    monkeypatch.setattr(fork_server, "EXITS_RETAINED", 3)
    engine = cloud.service._engine

    def settled_sizes() -> dict[str, int]:
        """Once the last tasks of executions, which come after their ends, are done."""
        eventually(lambda: engine._registry.active_count() == 0)
        eventually(lambda: not asyncio.all_tasks(engine._scheduler._loop))
        return dict(containers(cloud.service, "service", set()))

    run_many(cloud, 4)
    before = settled_sizes()
    assert before["service._engine.store._store"] == RETAINED
    run_many(cloud, 12)
    eventually(lambda: not growing(before, settled_sizes()))  # the last ones are forgotten late


@pytest.mark.cloud
def test_a_dropped_execution_is_not_found_and_its_name_is_free(cloud):
    arn = cloud.start("add:live", {"numbers": [1]}, "one")
    cloud.ended(arn)
    assert cloud.start("add:live", {"numbers": [1]}, "one") == arn
    for number in range(RETAINED):
        cloud.invoke("add:live", {"numbers": [number]})
    stop = cloud.client.stop_durable_execution
    for ask in (cloud.get, cloud.history, lambda one: stop(DurableExecutionArn=one)):
        with pytest.raises(ClientError) as caught:
            ask(arn)
        assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    again = cloud.start("add:live", {"numbers": [2]}, "one")
    assert again != arn
    assert cloud.ended(again)["Status"] == "SUCCEEDED"


@pytest.mark.cloud
def test_a_name_is_idempotent_as_long_as_its_execution_is_stored(cloud):
    arn = cloud.start("add:live", {"numbers": [1]}, "one")
    cloud.ended(arn)
    for number in range(RETAINED - 1):
        cloud.invoke("add:live", {"numbers": [number]})
    assert cloud.start("add:live", {"numbers": [1]}, "one") == arn
    with pytest.raises(cloud.client.exceptions.DurableExecutionAlreadyStartedException):
        cloud.start("add:live", {"numbers": [2]}, "one")


@pytest.mark.cloud
def test_a_running_execution_is_never_dropped(cloud):
    arn = cloud.start("open:live", {"timeout": 3_600, "await": True}, "long")
    for number in range(RETAINED + 3):
        cloud.invoke("add:live", {"numbers": [number]})
    [callback] = [event["CallbackStartedDetails"]["CallbackId"] for event in callbacks(cloud, arn)]
    cloud.client.send_durable_execution_callback_success(CallbackId=callback, Result=b"late")
    assert cloud.ended(arn)["Result"] == '"late"'


def callbacks(cloud: LambdaCloud, arn: str) -> list[dict[str, Any]]:
    return eventually(
        lambda: [one for one in cloud.history(arn) if one["EventType"] == "CallbackStarted"]
    )


@pytest.mark.parametrize("how", ["stopped", "timed out"])
def test_an_execution_that_has_ended_leaves_no_timer(how):
    def handler(invocation):
        awaited = CallbackOptions(timeout_seconds=3_600, heartbeat_timeout_seconds=1_800)
        invocation.checkpoint(
            OperationUpdate(
                "callback", OperationType.CALLBACK, OperationAction.START, callback_options=awaited
            ),
            OperationUpdate(
                "wait", OperationType.WAIT, OperationAction.START, wait_options=WaitOptions(3_600)
            ),
        )
        return PENDING

    with EngineHarness(handler) as engine:
        arn = engine.start()
        eventually(lambda: engine.store.load(arn).invocation_completions)
        engine.settle(arn)
        executor = engine.executor
        assert len(executor._callback_timeouts) == len(executor._callback_heartbeats) == 1
        if how == "stopped":
            executor.stop_execution(arn)
        else:
            executor.on_timed_out(arn, ErrorObject.from_message("too late"))
        assert not executor._callback_timeouts
        assert not executor._callback_heartbeats
        assert not executor._pending_wakeup
        eventually(lambda: not asyncio.all_tasks(engine.scheduler._loop))


@pytest.mark.cloud
def test_exit_statuses_of_sandboxes_are_stored_for_the_newest(tmp_path, monkeypatch):
    monkeypatch.setattr(fork_server, "EXITS_RETAINED", 3)
    settings = HostSettings("http://127.0.0.1:9", "us-east-1", "000000000000", tmp_path)
    host = FunctionHost([plain("leave")], settings)
    host.start()
    try:
        for status in range(2, 8):
            outcome = host.invoke("leave", "1", b'{"status": %d}' % status)
            assert f"exit status {status}".encode() in outcome.payload
        (template,) = (
            server for servers in host._launcher._templates.values() for server in servers
        )
        assert len(template._exits) == 3
    finally:
        host.stop()


def test_a_process_id_that_comes_again_has_no_exit_status_yet():
    ours, theirs = socket.socketpair()
    server = ForkServer(ours)
    with theirs:
        theirs.sendall(b'{"exited": 7, "status": 256, "peak_bytes": 1}\n{"started": 7}\n')
    server.start()
    eventually(lambda: server.ended)
    assert server.exit_of(7) is None
    server.close()
