"""The page in a real browser: each view, each action, live, by keyboard, on a phone, in both
schemes of colours, with foreign text, and with 100,000 units."""

from __future__ import annotations

from typing import Final

import chromium
import pytest
from botocore.exceptions import EndpointConnectionError
from page_world import HOSTILE, PageWorld, ago
from selenium.webdriver.common.by import By
from world_page import WorldPage

LACKING: Final = chromium.missing()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LACKING is not None, reason=str(LACKING)),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Selenium's own connections
]
PHONE: Final = 390
ORDERS: Final = {
    "order_id": "o1",
    "amount": "many",
    "note": HOSTILE,
}
FAILURE: Final = {
    "stage": "clean",
    "error_type": "JobFailed",
    "message": f"exit status 1 {HOSTILE}",
    "log_tail": f"reading\nTraceback: bad row {HOSTILE}",
}


def fill(world: PageWorld) -> None:
    """A run of each kind, one of which has failed units, rejected rows and a history."""
    world.put_run("ended", rows={"rowsIn": 30, "stored": 24, "rejected": 6})
    world.put_run("going-on", "RUNNING")
    world.put_run("stopped", "STOPPED", reason="it was stopped on request")
    world.put_run(
        "failed-run",
        "FAILED",
        reason=f"3 of 5 units failed {HOSTILE}",
        units={"total": 5, "stored": 2, "failed": 3, "notStarted": 0},
        rows={"rowsIn": 20, "filtered": 2, "rejected": 4, "stored": 14},
        next_steps=[{"why": f"Send s3://{'x' * 300} again:", "command": "pipeline resend"}],
    )
    world.put_units("failed-run", 5, failed=3, **FAILURE)
    world.put_units("going-on", 2)
    world.put_rejected(
        "failed-run",
        {"rule": "type", "column": "amount", "value": "many", "raw": ORDERS, "line": 3},
        {"rule": "malformed", "reason": HOSTILE, "raw": f"o2,{HOSTILE}", "line": 4},
    )
    world.queues.put_letter("letter-1", '{"datasetName": "orders"}', f"no start {HOSTILE}")
    functions = world.functions
    functions.add("ExecutionStarted", 0)
    functions.operation("1", "list-urls", 0, 5)
    functions.add("ContextStarted", 5, "2", "unit-00000-000")
    functions.operation("3", "validate", 6, 20, parent="2")
    functions.add("CallbackStarted", 20, "4", "await-job", parent="2", CallbackId="c1")


def test_the_list_filters_pages_and_is_live(page: WorldPage) -> None:
    fill(page.world)
    for number in range(60):
        page.world.put_run(f"older-{number:02d}", claimed_at=ago(60 * (60 + number)))
    page.open("/")
    page.expect("failed-run", "going-on", "older-10")
    assert "older-55" not in page.text
    page.click("Older")
    page.expect("older-55")
    page.open("/?status=FAILED")
    page.expect("failed-run")
    assert "going-on" not in page.text
    page.open("/?text=going")
    page.expect("going-on", "Running")
    page.world.put_run("going-live", "FAILED")
    page.expect("going-live")
    page.world.put_run("going-on", "SUCCEEDED")
    page.until(lambda: "Running" not in page.text, "that the run has ended")


def test_a_failed_run_opens_with_its_failure_and_foreign_text_stays_text(page: WorldPage) -> None:
    fill(page.world)
    page.open("/runs/failed-run")
    page.expect("The same error in 3 units", "Traceback: bad row", "3 of 5 units failed")
    page.expect("20 in = 2 filtered + 4 rejected + 0 removed + 14 stored", "pipeline resend")
    page.expect(HOSTILE)
    assert page.run("return document.images.length") == 0
    assert page.run("return document.scripts.length") == 1
    assert "owned" not in page.browser.title


def test_the_timeline_shows_input_and_result_and_a_running_bar_grows(page: WorldPage) -> None:
    fill(page.world)
    page.open("/runs/going-on")
    bar = "//button[starts-with(@aria-label, 'validate')]"
    page.until(lambda: page.browser.find_element(By.XPATH, bar).click() or True, "validate")
    page.expect('"input of": "3"', '"result of": "3"')
    width = "return document.querySelector('.track .open').getAttribute('aria-label')"
    before = page.run(width)
    page.until(lambda: page.run(width) != before, "a bar that grows", 5)


def test_stop_resume_and_retry_ask_first(page: WorldPage) -> None:
    fill(page.world)
    page.world.functions.responses = {
        "Stop Run": {"runId": "going-on", "outcome": "STOPPING", "status": "RUNNING"},
        "Resume Run": {"runId": "stopped", "outcome": "RESUMED", "request": "{}"},
    }
    page.open("/runs/going-on")
    page.click("Stop")
    page.expect("its jobs are cancelled", "pipeline stop going-on")
    assert page.world.functions.asked == []
    page.browser.find_element(By.ID, "reason").send_keys("wrong input")
    page.confirm("Stop")
    page.expect("Run going-on is being stopped")
    assert page.world.functions.asked[0]["detail"]["reason"] == "wrong input"
    page.open("/runs/stopped")
    page.click("Resume")
    page.confirm("Resume")
    page.expect("Run stopped is resumed")
    assert page.world.queues.sent == ["{}"]
    page.open("/runs/failed-run")
    page.click("Retry in a new run")
    page.confirm("Cancel")
    assert len(page.world.queues.sent) == 1
    page.click("Retry in a new run")
    page.confirm("Retry in a new run")
    page.expect("retries run failed-run")
    assert '"retryOf": "failed-run"' in page.world.queues.sent[1]


def test_a_stop_that_comes_too_late_says_when_the_run_ended(page: WorldPage) -> None:
    fill(page.world)
    ended = {"runId": "going-on", "outcome": "ENDED", "status": "SUCCEEDED"}
    page.world.functions.responses = {"Stop Run": ended}
    page.open("/runs/going-on")
    page.click("Stop")
    page.world.put_run("going-on", "SUCCEEDED")
    page.confirm("Stop")
    page.expect("Nothing to stop: run going-on has ended at 20")


def test_rejected_rows_are_corrected_in_place_and_sent(page: WorldPage) -> None:
    fill(page.world)
    page.open("/runs/failed-run?tab=rejected")
    page.expect("type", "malformed", "2 of 2 rejected rows", HOSTILE)
    assert page.run("return document.querySelector('mark').textContent") == "many"
    page.click("Correct")
    field = page.browser.find_element(By.CSS_SELECTOR, ".broken input")
    field.clear()
    field.send_keys("12")
    page.click("Send 1 corrected row")
    page.confirm("Send")
    page.expect("1 row is sent as run failed-run-mend-")
    sent = [body for key, body in page.world.objects.objects.items() if "resent" in key]
    assert b"12" in sent[0]
    assert len(page.world.queues.sent) == 1


def test_a_dead_letter_is_deleted_once_that_is_confirmed(page: WorldPage) -> None:
    page.world.queues.put_letter("letter-3", "no JSON", "odd")
    page.open("/dead-letters")
    page.click("Delete")
    page.confirm("Cancel")
    assert set(page.world.queues.letters) == {"letter-3"}
    page.click("Delete")
    page.confirm("Delete")
    page.expect("Message letter-3 is deleted", "The dead-letter queue is empty")
    assert page.world.queues.letters == {}


def test_a_dead_letter_is_replayed(page: WorldPage) -> None:
    body = '{"datasetName": "orders", "startDateTime": "2026-11-01", "runId": "r9"}'
    page.world.queues.put_letter("letter-2", body, HOSTILE)
    page.open("/dead-letters")
    page.expect("letter-2", HOSTILE)
    page.click("Replay")
    page.confirm("Replay")
    page.expect("Sent as run r9")
    assert (len(page.world.queues.sent), page.world.queues.letters) == (1, {})


def test_a_hundred_thousand_units_are_paged(page: WorldPage) -> None:
    units = {"total": 100_000, "stored": 99_990, "failed": 10, "notStarted": 0}
    page.world.put_run("large", "FAILED", units=units)
    page.world.put_units("large", 100_000, failed=10, **FAILURE)
    page.open("/runs/large?tab=units")
    page.expect("00000-000", "100,000")
    assert page.run("return document.querySelectorAll('tbody tr').length") == 100
    assert page.run("return document.querySelectorAll('*').length") < 5000
    page.click("Next 100")
    page.expect("00000-100")
    page.open("/runs/large?tab=units&state=FAILED")
    page.expect("00099-999")
    assert page.run("return document.querySelectorAll('tbody tr').length") == 10


def test_the_keyboard_moves_searches_and_helps(page: WorldPage) -> None:
    fill(page.world)
    page.open("/")
    page.expect("failed-run")
    focused = "return document.activeElement.textContent"
    rows = page.run("return [...document.querySelectorAll('[data-row]')].map(e => e.textContent)")
    page.press("j")
    page.press("j")
    assert page.run(focused) == rows[1]
    page.press("k")
    assert page.run(focused) == rows[0]
    page.press("/")
    assert page.run("return document.activeElement.id") == "search"
    page.press("\ue00c")  # escape
    page.press("?")
    page.expect("Keyboard", "next row")


@pytest.mark.parametrize(
    "path",
    ["/", "/runs/failed-run", "/runs/failed-run?tab=units", "/runs/failed-run?tab=rejected"]
    + ["/dead-letters", "/pools"],
)
def test_axe_finds_nothing_and_a_phone_need_not_scroll_sideways(page: WorldPage, path: str) -> None:
    fill(page.world)
    page.open(path)
    page.until(lambda: page.run("return !document.body.innerText.includes('Reading')"), path)
    assert page.violations() == []
    chromium.resize(page.browser, PHONE, 844, dark=True)
    assert page.violations() == []
    assert page.run("return document.documentElement.scrollWidth") <= PHONE


def test_a_lost_cloud_is_said_and_its_return_noticed(page: WorldPage) -> None:
    fill(page.world)
    page.world.table.fails_with = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    page.open("/")
    page.expect("start a local cloud (make local)")
    page.world.table.fails_with = None
    page.expect("failed-run")
    page.until(lambda: "make local" not in page.text, "that the message goes")
