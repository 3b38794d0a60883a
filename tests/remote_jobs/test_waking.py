"""What the watcher invokes: submit-job for those whose turn it is, and itself for the rest."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from job_fakes import FakeClock, FakeService, service_error
from job_world import World

from contracts import layout
from contracts.errors import PipelineError, Throttled, TransientFailure
from contracts.job import JobKey
from remote_jobs.pools.waking import WAKES_AT_MOST, submit_queued, wake_again
from runtime.handler import utc_now
from steps import job_watcher, submit_job

KEY = JobKey(run_id="run-1", unit_id="00000-001", stage="clean", attempt=1)


class FakeLambda(FakeService):
    """Notes what is invoked; runs `function` for what waits for a response."""

    service = "lambda"

    def __init__(self) -> None:
        super().__init__()
        self.function = lambda _event: {}
        self.error: str | None = None

    def invoke(self, **request: Any) -> Any:
        return self._call("Invoke", request, self._invoke)

    def _invoke(self, FunctionName: str, Payload: bytes, InvocationType: str = "") -> Any:  # noqa: ARG002
        if InvocationType == "Event":
            return {"StatusCode": 202}
        response = {"StatusCode": 200, "Payload": io.BytesIO(b"{}")}
        if self.error is not None:
            body = {"errorMessage": self.error, "errorType": "TransientFailure"}
            return response | {
                "FunctionError": "Unhandled",
                "Payload": io.BytesIO(json.dumps(body).encode()),
            }
        self.function(json.loads(Payload))
        return response

    def send_durable_execution_callback_success(self, **request: Any) -> Any:
        return self._call("SendDurableExecutionCallbackSuccess", request, lambda **_: {})

    def send_durable_execution_callback_heartbeat(self, **request: Any) -> Any:
        return self._call("SendDurableExecutionCallbackHeartbeat", request, lambda **_: {})

    @property
    def invoked(self) -> list[tuple[str, Any]]:
        calls = [request for name, request in self.requests if name == "Invoke"]
        return [(call["FunctionName"], json.loads(call["Payload"])) for call in calls]


@pytest.fixture
def functions(clients: Any) -> FakeLambda:
    functions = FakeLambda()
    clients.use("lambda", functions)
    return functions


class TestSubmitting:
    def test_the_function_gets_the_jobs_key(self, functions: FakeLambda) -> None:
        submit_queued("submit-job", KEY)
        assert functions.invoked == [("submit-job", {"queued": KEY.to_json()})]

    def test_what_it_raises_is_for_a_later_wake(self, functions: FakeLambda) -> None:
        functions.error = "the engine gave no response"
        with pytest.raises(TransientFailure, match="no response"):
            submit_queued("submit-job", KEY)

    @pytest.mark.parametrize(
        ("code", "expected"),
        [("TooManyRequestsException", Throttled), ("AccessDeniedException", PipelineError)],
    )
    def test_a_refused_invoke_is_ours_by_its_code(
        self, functions: FakeLambda, code: str, expected: type[PipelineError]
    ) -> None:
        functions.break_once("Invoke", service_error("Invoke", code))
        with pytest.raises(expected, match=str(KEY)):
            submit_queued("submit-job", KEY)


class TestWaking:
    def test_a_chain_of_wakes_has_an_end(self, functions: FakeLambda) -> None:
        event: dict[str, Any] = {"detail-type": "Scheduled Event"}
        wakes = 0
        while wake_again("watcher", event):
            event = functions.invoked[-1][1]
            wakes += 1
            assert wakes <= WAKES_AT_MOST
        assert wakes == WAKES_AT_MOST

    def test_the_watcher_wakes_itself_for_what_it_had_no_time_for(
        self, cloud: Any, clients: Any, functions: FakeLambda
    ) -> None:
        world = World(cloud, clients, clock=FakeClock(utc_now()))
        clients.use("glue", world.glue)
        world.places = 0
        waits = world.message(unit=layout.unit_id(0, 1), queue_seconds=3600)
        assert world.submit(waits).service_id is None

        def context(seconds: int) -> Any:
            return SimpleNamespace(
                function_name="watcher",
                invoked_function_arn="arn:watcher",
                aws_request_id="request-1",
                memory_limit_in_mb=512,
                get_remaining_time_in_millis=lambda: seconds * 1000,
            )

        functions.function = lambda event: submit_job.handler(event, context(100))
        job_watcher.handler({}, context(10))
        assert functions.invoked == [("arn:watcher", {"wake": 1})]
        world.pools.update("glue/stack-clean-csv", lambda pool: replace(pool, limit_at=0))
        job_watcher.handler({"wake": 1}, context(100))
        assert functions.invoked[1:] == [("submit-job", {"queued": waits.key.to_json()})]
        assert world.record(waits).service_id == "jr_0000"
