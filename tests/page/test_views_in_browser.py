"""Datasets, logs, the look-up, corrected letters and the strip, in a real browser."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Final

import chromium
import pytest
from page_services import CONTRACT
from page_world import HOSTILE, NOW, PageWorld, ago
from selenium.webdriver.common.by import By
from world_page import WorldPage

from contracts import layout

LACKING: Final = chromium.missing()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LACKING is not None, reason=str(LACKING)),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Selenium's own connections
]
PHONE: Final = 390
DATASET: Final = "orders"
TODAY: Final = datetime.now(UTC).date()
VIEWS: Final = (
    "/datasets",
    "/datasets/orders",
    "/datasets/orders?tab=contract&before=older&after=deployed",
    "/lookup?dataset=orders",
    '/lookup?dataset=orders&key=["o1"]',
    "/runs/going-on?tab=log",
    "/dead-letters",
)


def put_line(world: PageWorld, message: str, seconds: float, **more: str) -> None:
    said = {"message": message, "run_id": "going-on", "level": "INFO", **more}
    world.logs.put(json.dumps(said), NOW - timedelta(seconds=90 - seconds))


def fill(world: PageWorld) -> None:
    """Runs of a dataset with versions, losses and a log; texts are hostile wherever they can be."""
    objects = world.objects.objects
    objects["datasets/orders.yaml"] = CONTRACT.replace("of a shop", f"of {HOSTILE!r}").encode()
    objects["datasets/<b>odd.yaml"] = f"name: [{HOSTILE}".encode()
    put_newest(world, "RUNNING")
    rows = {"rowsIn": 30, "stored": 24, "rejected": 6}
    for run_id, version in (("older", "aaa"), ("newer", "bbb")):
        world.put_run(
            run_id,
            dataset_version=version,
            rows=rows,
            outcome="SUCCEEDED_WITH_LOSSES",
            request=json.dumps(request(run_id, 2)),
        )
        world.put_rejected(run_id)
        key = layout.dataset_snapshot_key(run_id)
        snapshot = json.loads(objects[key])
        snapshot["dataset"]["description"] = f"{version} {HOSTILE}"
        objects[key] = json.dumps(snapshot).encode()
    put_line(world, "run claim", 0)
    put_line(world, f"odd {HOSTILE}", 1, level="ERROR", unit_id="00000-001", exception=HOSTILE)
    world.table.put({"run_id": "none", "item": "none"})
    world.queues.put_letter("letter-1", f'{{"datasetName": "{"x" * 9}"}}', f"no start {HOSTILE}")


def put_newest(world: PageWorld, status: str) -> None:
    asked = json.dumps(request("going-on", 1))
    world.put_run("going-on", status, claimed_at=ago(60), request=asked)


def request(run_id: str, days_ago: int) -> dict[str, str]:
    day = TODAY - timedelta(days=days_ago)
    ends = {"startDateTime": f"{day}T00:00:00Z", "endDateTime": f"{TODAY}T00:00:00Z"}
    return {"datasetName": "orders", "runId": run_id, **ends}


def test_a_calendar_shows_days_and_those_chosen_are_processed(page: WorldPage) -> None:
    fill(page.world)
    page.open("/datasets")
    page.expect("<b>odd")
    page.click(DATASET)
    page.expect("Stored with losses", "Running", "Rows and reject rate")
    first, second = (TODAY - timedelta(days=n) for n in (2, 1))
    for day in (first, second):
        wanted = f"[data-key='day-{day}']"
        page.until(lambda css=wanted: page.find(css).click() or True, str(day))  # type: ignore[misc]
    page.expect(f"pipeline run --dataset orders --start {first} --end {TODAY} --wait", "newer")
    page.expect(f"pipeline backfill start orders --from {first} --to {TODAY} --window 1d")
    page.click("Backfill what is missing")
    page.expect("each by a run of its own")
    assert page.world.functions.asked == []
    page.confirm("Backfill")
    page.expect("Started: orders-")
    assert len(page.world.functions.asked) == 1
    page.click("Process 2 days")
    page.expect("A new run processes all objects of these days")
    assert page.world.queues.sent == []
    page.confirm("Process")
    page.expect("Sent as run sent-1")
    assert json.loads(page.world.queues.sent[0])["endDateTime"] == str(TODAY)


def test_a_calendar_is_live_and_its_table_says_what_the_chart_shows(page: WorldPage) -> None:
    fill(page.world)
    page.open("/datasets/orders")
    page.expect("20 %")
    assert page.run("return document.querySelectorAll('svg.chart rect').length") == 4
    put_newest(page.world, "FAILED")
    page.expect("Failed")


def test_versions_of_a_contract_are_compared(page: WorldPage) -> None:
    fill(page.world)
    page.open("/datasets/orders?tab=contract")
    page.expect("As it is deployed", "aaa", "bbb", HOSTILE)
    page.run(
        "const chosen = document.getElementById('before'); chosen.value = 'older';"
        "chosen.dispatchEvent(new Event('change'))"
    )
    page.until(lambda: "before=older" in page.browser.current_url, "the address to say so")
    page.until(lambda: "aaa <img" in page.find(".difference .taken").text, "what was removed")
    assert page.run("return document.images.length") == 0


def test_a_broken_contract_says_why(page: WorldPage) -> None:
    fill(page.world)
    page.open("/datasets/%3Cb%3Eodd?tab=contract")
    page.expect("is not valid", HOSTILE)


def test_a_log_follows_the_run_and_shows_earlier_lines(page: WorldPage) -> None:
    fill(page.world)
    for number in range(300):
        put_line(page.world, f"line {number}.", 2 + number / 1000)
    page.open("/runs/going-on?tab=log")
    page.expect("line 299.", "The run goes on")
    assert "line 99." not in page.text
    page.click("Earlier lines")
    page.expect("line 0.", f"Error: odd {HOSTILE}")
    put_line(page.world, "live line", 30)
    page.expect("live line")
    shown = page.run("return [...document.querySelectorAll('.entry')].map(e => e.dataset.place)")
    assert (len(shown), shown) == (303, sorted(set(shown)))
    page.world.put_run("going-on")
    page.expect("The run has ended.")
    page.press("/")
    assert page.run("return document.activeElement.id") == "search"
    page.find("#search").send_keys("odd\n")
    page.until(lambda: len(page.browser.find_elements(By.CLASS_NAME, "entry")) == 1, "one line")
    assert page.run("return document.images.length") == 0


def test_the_log_of_a_unit_is_chosen_by_the_address(page: WorldPage) -> None:
    fill(page.world)
    page.open("/runs/going-on?tab=log&unit=00000-001&bad=1")
    page.expect("Error: odd")
    assert "run claim" not in page.text


def test_a_letter_is_corrected_in_place_and_every_problem_is_shown(page: WorldPage) -> None:
    fill(page.world)
    page.open("/dead-letters")
    page.click("Correct")
    editor = page.until(lambda: page.find("textarea"), "a field to write in")
    editor.clear()
    editor.send_keys('{"startDateTime": 7, "odd": 1}')
    page.click("Check and send")
    page.expect("the pipeline would refuse it", "startDateTime", "odd")
    page.world.queues.put_letter("letter-2", "{}", "came meanwhile")
    page.expect("came meanwhile")
    editor = page.find("textarea")
    assert '"odd": 1' in editor.get_attribute("value")
    editor.clear()
    editor.send_keys('{"datasetName": "orders", "startDateTime": "2026-11-01"}')
    page.click("Check and send")
    page.expect("Sent as run letter-1")
    page.until(lambda: set(page.world.queues.letters) == {"letter-2"}, "the letter to go")


def test_a_row_that_is_not_there_is_said_and_its_key_asked_for(page: WorldPage) -> None:
    fill(page.world)
    page.open("/lookup")
    page.until(lambda: page.browser.find_elements(By.ID, "dataset"), "the datasets")
    page.run(
        "const chosen = document.getElementById('dataset'); chosen.value = 'orders';"
        "chosen.dispatchEvent(new Event('change'))"
    )
    page.expect("order_id")
    page.find("#search").send_keys("o9<b>\n")
    page.expect("no row of orders with the key o9<b> is stored")


def test_the_strip_is_on_every_view_and_live(page: WorldPage) -> None:
    fill(page.world)
    page.world.metrics.seconds_ago["reaper"] = None
    for path in (*VIEWS, "/", "/pools"):
        page.open(path)
        page.until(lambda: "Dead letters 1 " in strip(page), "how many letters there are")
        assert strip(page).startswith("Requests 0 waiting")
        assert strip(page).endswith("Reaper not woken for 1 h 0 min")
    page.world.queues.letters.clear()
    page.until(lambda: "Dead letters none" in strip(page), "that there are none")


def strip(page: WorldPage) -> str:
    return " ".join(page.find("#strip").text.split())


def test_each_view_has_a_title_of_its_own(page: WorldPage) -> None:
    fill(page.world)
    titles = {
        "/": "Runs",
        "/runs/newer": "With losses: newer",
        "/datasets": "Datasets",
        "/datasets/orders": "Dataset orders",
        "/backfills": "Backfills",
        "/backfills/b1": "Backfill b1",
        "/schedules": "Schedules",
        "/lookup": "Look-up",
        "/dead-letters": "Dead letters",
        "/pools": "Pools",
        "/nothing": "No such view",
    }
    for path, title in titles.items():
        page.open(path)
        page.until(lambda wanted=f"{title} · Pipeline": page.browser.title == wanted, title)  # type: ignore[misc]
    assert len(set(titles.values())) == len(titles)


def test_a_stream_that_breaks_off_is_said_and_opened_again(page: WorldPage) -> None:
    fill(page.world)
    page.open("/")
    page.expect("going-on")
    breaks = "document.dispatchEvent(new Event('visibilitychange'))"
    page.run("window.Whole = EventSource; EventSource = function () { return new Whole('/none'); }")
    page.run(breaks)
    page.expect("The page tries again by itself.")
    assert "Traceback" not in page.text
    page.run("EventSource = Whole")
    page.until(lambda: "tries again" not in page.text, "that the message goes")
    page.world.put_run("came-later")
    page.expect("came-later")


def test_an_error_in_the_pages_own_server_is_one_sentence(
    page: WorldPage, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(page.world)
    page.world.table.fails_with = KeyError("secret inside")
    page.open("/")
    page.expect("the page's server failed (KeyError)")
    assert "Traceback" not in page.text
    assert "secret inside" not in page.text
    page.world.table.fails_with = None
    page.expect("going-on")
    assert "secret inside" in capfd.readouterr().err


def test_the_keyboard_moves_in_the_new_views(page: WorldPage) -> None:
    fill(page.world)
    focused = "return document.activeElement.dataset.key || document.activeElement.className"
    for path, key in (
        ("/datasets", "dataset-orders"),
        ("/datasets/orders", f"day-{_first_day()}"),
        ("/runs/going-on?tab=log", "log"),
        ("/dead-letters", "correct-letter-1"),
    ):
        page.open(path)
        page.until(lambda: page.browser.find_elements(By.CSS_SELECTOR, "main [data-row]"), path)
        page.press("j")
        if path == "/datasets":
            page.press("j")
        assert page.run(focused) == key
        page.press("?")
        page.expect("Keyboard")
        page.confirm("Close")


def _first_day() -> str:
    month = (TODAY.replace(day=1) - timedelta(days=1)).replace(day=1)
    return str((month - timedelta(days=1)).replace(day=1))


@pytest.mark.parametrize("path", VIEWS)
def test_axe_finds_nothing_in_the_new_views_and_a_phone_fits(page: WorldPage, path: str) -> None:
    fill(page.world)
    page.open(path)
    page.until(lambda: page.run("return !document.body.innerText.includes('Reading')"), path)
    if path == "/dead-letters":
        page.click("Correct")
    if path == "/datasets/orders":
        page.until(lambda: page.find(f"[data-key='day-{TODAY}']").click() or True, "today")
    assert page.violations() == []
    chromium.resize(page.browser, PHONE, 844, dark=True)
    assert page.violations() == []
    assert page.run("return document.documentElement.scrollWidth") <= PHONE
