"""Backfills and schedules on the page, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import chromium
import pytest
from page_services import CONTRACT
from page_world import HOSTILE, PageWorld, ago
from selenium.webdriver.common.by import By
from world_page import WorldPage

from cli.client.scheduling import Scheduling
from contracts.ledger_items import BackfillItem, WindowsItem
from contracts.messages import ControlledBackfill, ControlOutcome, StopOutcome, StoppedRun
from contracts.times.backfill import BackfillRequest, BackfillStatus

LACKING: Final = chromium.missing()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LACKING is not None, reason=str(LACKING)),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Selenium's own connections
]
PHONE: Final = 390
SCHEDULES: Final = """
schedules:
  - {name: nightly, cron: "15 2 * * *", zone: Europe/Berlin}
  - {name: hourly, cron: "5 * * * *", startDateTime: hour-1h, endDateTime: hour}
"""
REQUEST: Final = BackfillRequest.from_json(
    {
        "backfillId": "november",
        "datasetName": "orders",
        "startDateTime": "2026-11-01",
        "endDateTime": "2026-11-05",
        "window": "1d",
        "query": "note <> '<b>'",
    }
)
RUNNING: Final = "bf-november-20261103T000000Z"


def put(world: PageWorld, states: str = "sfr.", **more: Any) -> None:
    """A backfill with its windows, and the run of the one that failed."""
    item = BackfillItem(
        backfill_id="november",
        request=REQUEST.canonical(),
        states=states,
        dataset_name="orders",
        execution_arn="arn:first",
        created_at=ago(600),
        **{"status": BackfillStatus.RUNNING, **more},
    )
    for each in (item, *WindowsItem.all_of(item.backfill_id, REQUEST.boundaries())):
        world.table.put(each.to_item())
    october = replace(item, backfill_id="october", created_at=ago(9000))
    world.table.put(replace(october, status=BackfillStatus.SUCCEEDED, states="ssss").to_item())
    world.put_run("bf-november-20261102T000000Z", "FAILED", reason=f"no {HOSTILE}")
    world.put_run(RUNNING, "RUNNING")


def respond(world: PageWorld, **fields: Any) -> None:
    controlled = ControlledBackfill(
        **{
            "backfill_id": "november",
            "outcome": ControlOutcome.DONE,
            "status": BackfillStatus.RUNNING,
            **fields,
        }
    )
    world.functions.responses["Control Backfill"] = controlled.to_json()


def put_schedules(world: PageWorld) -> None:
    world.objects.objects["datasets/orders.yaml"] = (CONTRACT + SCHEDULES).encode()
    scheduling = Scheduling(world.deployment)
    nightly = next(each for each in scheduling.plan() if each.name == "orders.nightly")
    scheduling.apply(nightly)


def test_backfills_are_listed_and_one_shows_its_windows_live(page: WorldPage) -> None:
    put(page.world)
    page.open("/backfills")
    page.expect("november", "october", "2026-11-01 – 2026-11-05", "1 of 4", "4 of 4")
    page.click("november")
    page.expect("1 of 4 windows done", "Windows that run", RUNNING)
    page.expect("Windows that failed", f"no {HOSTILE}", "query note <> '<b>'")
    page.expect("pipeline backfill pause november")
    assert page.run("return document.images.length") == 0
    put(page.world, "sfss", status=BackfillStatus.FAILED, reason="1 of 4 windows failed")
    page.expect("3 of 4 windows done", "1 of 4 windows failed", "Run failed windows again")
    page.click("bf-november-20261102T000000Z")
    page.until(lambda: "/runs/bf-november" in page.browser.current_url, "its run")


@pytest.mark.parametrize(
    ("button", "says", "asked"),
    [
        ("Pause", "No further window begins until it is resumed", {"action": "pause"}),
        ("Stop", "Windows that run go on to their ends", {"action": "stop"}),
    ],
)
def test_an_action_says_what_it_does_and_asks(
    page: WorldPage, button: str, says: str, asked: dict[str, str]
) -> None:
    put(page.world)
    respond(page.world, pausing=True)
    page.open("/backfills/november")
    page.click(button)
    page.expect(says, f"pipeline backfill {asked['action']} november")
    assert page.world.functions.asked == []
    page.confirm(button)
    page.expect("is being paused")
    (event,) = page.world.functions.asked
    assert event["detail-type"] == "Control Backfill"
    assert event["detail"]["action"] == asked["action"]


def test_its_runs_are_stopped_only_if_that_is_asked_for(page: WorldPage) -> None:
    put(page.world)
    respond(page.world, stopping=True)
    stopped = StoppedRun(run_id=RUNNING, outcome=StopOutcome.STOPPING)
    page.world.functions.responses["Stop Run"] = stopped.to_json()
    page.open("/backfills/november")
    page.click("Stop with its runs")
    page.expect("the 1 run under way is stopped", "pipeline backfill stop november --runs")
    page.find("#reason").send_keys("wrong contract")
    page.confirm("Stop with its runs")
    page.expect("runs of its windows are stopped", f"run {RUNNING} is being stopped")
    decision, stop = page.world.functions.asked
    assert decision["detail"]["reason"] == "wrong contract"
    assert stop["detail"]["runId"] == RUNNING


def test_failed_windows_are_run_again_and_a_refusal_is_said(page: WorldPage) -> None:
    put(page.world, "sfss", status=BackfillStatus.FAILED, reason="1 of 4 windows failed")
    respond(page.world, status=BackfillStatus.RUNNING)
    page.open("/backfills/november")
    page.click("Run failed windows again")
    page.expect("gets a new run")
    page.confirm("Run failed windows again")
    page.expect("goes on")
    assert page.world.functions.asked[0]["detail"]["failedToo"] is True
    respond(page.world, outcome=ControlOutcome.NOTHING_LEFT, status=BackfillStatus.SUCCEEDED)
    page.click("Run failed windows again")
    page.confirm("Run failed windows again")
    page.expect("no window of backfill november is left")


def test_schedules_show_when_they_are_due_and_are_paused_and_resumed(page: WorldPage) -> None:
    put_schedules(page.world)
    page.open("/schedules")
    page.expect("orders.nightly", "15 2 * * *", "Europe/Berlin", "Enabled")
    page.expect("orders.hourly", "Not applied")
    due = page.run("return document.querySelector('td[data-label=\"Next (UTC)\"]').textContent")
    rows = page.browser.find_elements(By.CSS_SELECTOR, "tbody tr")
    assert len(rows) == 2
    nightly = next(row for row in rows if "nightly" in row.text)
    assert any(time in nightly.text for time in ("00:15", "01:15")), due
    page.until(
        lambda: page.find("[data-key='schedule-orders.nightly']").click() or True, "the button"
    )
    page.expect("It starts no runs until it is resumed", "pipeline schedules pause orders.nightly")
    assert page.world.schedules.there["orders.nightly"]["State"] == "ENABLED"
    page.confirm("Pause")
    page.expect("Schedule orders.nightly is paused", "Paused")
    assert page.world.schedules.there["orders.nightly"]["State"] == "DISABLED"


def test_what_is_not_there_is_said(page: WorldPage) -> None:
    page.open("/backfills")
    page.expect("There are no backfills")
    page.open("/backfills/december")
    page.expect("there is no backfill december")
    page.open("/schedules")
    page.expect("No contract has schedules")


def test_the_keyboard_moves_in_the_list(page: WorldPage) -> None:
    put(page.world)
    page.open("/backfills")
    page.expect("october")
    page.press("j")
    page.press("j")
    focused = "return document.activeElement.dataset.key"
    assert page.run(focused) == "backfill-october"
    page.press("k")
    assert page.run(focused) == "backfill-november"


@pytest.mark.parametrize("path", ["/backfills", "/backfills/november", "/schedules"])
def test_axe_finds_nothing_and_a_phone_fits(page: WorldPage, path: str) -> None:
    put(page.world)
    put_schedules(page.world)
    page.open(path)
    page.until(lambda: page.run("return !document.body.innerText.includes('Reading')"), path)
    assert page.violations() == []
    chromium.resize(page.browser, PHONE, 844, dark=True)
    assert page.violations() == []
    assert page.run("return document.documentElement.scrollWidth") <= PHONE
