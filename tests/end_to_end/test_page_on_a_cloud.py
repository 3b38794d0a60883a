"""The page in Chromium at a running cloud, opened by somebody who has OperatorPolicy alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import chromium
import pytest
from page_browser import Page
from running_cloud import RunningCloud, wait_until
from test_stopping import job_of

from cli.client.deployment import Deployment
from cli.page.source import Source

LACKING: Final = chromium.missing()
pytestmark = [
    pytest.mark.cloud,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("end-to-end"),
    pytest.mark.skipif(LACKING is not None, reason=str(LACKING)),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Selenium's own connections
]
SERVICES: Final = ("dynamodb", "s3", "sqs", "lambda", "logs", "cloudwatch")
CONTRACT: Final = """\
name: {0}
source: {{prefix: landing/page_visits/, partition: dt=%Y-%m-%d/}}
columns:
  - {{name: visit_id, required: true}}
  - {{name: minutes, type: integer}}
limits: {{rejectedPercentage: 50}}
targets:
  dynamodb: {{key: [visit_id]}}
"""
GOOD: Final = b"visit_id,minutes\nV-001,5\nV-002,many\nV-003,7\n"
BROKEN: Final = b"not,the,columns\n1,2,3\n"
CORRECTED: Final = b"visit_id,minutes\nV-004,9\n"
TWO_DAYS: Final = {"startDateTime": "2026-11-01", "endDateTime": "2026-11-03"}


@pytest.fixture(scope="module")
def page(cloud: RunningCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    policy = cloud.outputs["OperatorPolicyArn"]
    local = cloud.cloud
    credentials = local.permissions.credentials_for("watching", attached=[policy])
    deployment = Deployment(
        outputs=local.outputs,
        parameters=local.parameters,
        endpoint_url=local.endpoint_url,
        stack_name="durable-pipeline",
        deployed_at=datetime.now(UTC),
        _clients={name: local.client_signing_as(credentials, name) for name in SERVICES},
    )
    put_contract(cloud, "page_visits")
    put_object(cloud, 1, GOOD)
    put_object(cloud, 2, BROKEN)
    browser = chromium.start(tmp_path_factory.mktemp("chromium"))
    page = Page(browser, Source(lambda: deployment))
    yield page
    page.close()
    browser.quit()


@pytest.fixture(scope="module")
def failed_run(cloud: RunningCloud, page: Page) -> str:  # noqa: ARG001 - its objects are there
    """A run of two units: one is stored but for a rejected row, one has failed for good."""
    cloud.send({"datasetName": "page_visits", **TWO_DAYS, "runId": "page-failed"})
    cloud.await_run("page-failed", "FAILED")
    return "page-failed"


def put_contract(cloud: RunningCloud, name: str) -> None:
    key, text = f"datasets/{name}.yaml", CONTRACT.format(name).encode()
    cloud.cloud.client("s3").put_object(Bucket=cloud.outputs["CodeBucketName"], Key=key, Body=text)


def put_object(cloud: RunningCloud, day: int, body: bytes) -> None:
    key = f"landing/page_visits/dt=2026-11-{day:02d}/visits.csv"
    cloud.cloud.client("s3").put_object(Bucket=cloud.outputs["DataBucketName"], Key=key, Body=body)


def run_of_address(page: Page, *not_these: str) -> str:
    """The run that the page has gone to."""

    def found() -> str | None:
        run_id = str(page.browser.current_url).partition("/runs/")[2].partition("?")[0]
        return run_id if run_id and run_id not in not_these else None

    return str(page.until(found, "a run's page"))


def act_on_letter(page: Page, text: str, action: str) -> None:
    """Press a button of the letter whose card holds the text."""
    wanted = f"//section[@data-letter][contains(., {text!r})]//button[.={action!r}]"
    page.until(lambda: page.browser.find_element("xpath", wanted).click() or True, action)


def test_a_failed_run_says_why_and_shows_its_log(page: Page, failed_run: str) -> None:
    page.open("/")
    page.expect(failed_run, "page_visits", "Requests", "Job watcher")
    page.click(failed_run)
    page.expect("1 of 2 units failed", "the header lacks", "3 in = 0 filtered + 1 rejected")
    page.open(f"/runs/{failed_run}?tab=log")
    page.expect("run ended", "validate", "record-run")
    page.open(f"/runs/{failed_run}?tab=log&unit=00000-001&bad=1")
    page.expect("the header lacks")
    assert "00000-000" not in page.find(".log").text
    assert page.violations() == []


def test_rejected_rows_are_corrected_and_stored_by_a_new_run(
    page: Page, cloud: RunningCloud, failed_run: str
) -> None:
    page.open(f"/runs/{failed_run}?tab=rejected")
    page.until(lambda: page.find("mark").text == "many", "the value that was wrong, marked")
    page.click("Correct")
    field = page.find(".broken input")
    field.clear()
    field.send_keys("6")
    page.click("Send 1 corrected row")
    page.confirm("Send")
    run_id = run_of_address(page, failed_run)
    cloud.await_run(run_id, "SUCCEEDED")
    page.expect("SUCCEEDED: 1 of 1 units")
    assert [item["visit_id"]["S"] for item in cloud.stored(run_id)] == ["V-002"]


def test_a_day_is_failed_until_a_retry_has_stored_it(
    page: Page, cloud: RunningCloud, failed_run: str
) -> None:
    page.open("/datasets/page_visits?until=2026-11")
    stored, failed = "[data-key='day-2026-11-01'].good", "[data-key='day-2026-11-02'].bad"
    page.until(lambda: (page.find(stored), page.find(failed)), "a day that is stored, one not")
    put_object(cloud, 2, CORRECTED)
    page.open(f"/runs/{failed_run}")
    page.click("Retry in a new run")
    page.confirm("Retry in a new run")
    run_id = run_of_address(page, failed_run)
    cloud.await_run(run_id, "SUCCEEDED")
    page.expect("SUCCEEDED", "Retries")
    page.open("/datasets/page_visits?until=2026-11")
    page.until(lambda: page.find("[data-key='day-2026-11-02'].good"), "that it is stored")
    page.open("/datasets/page_visits?tab=contract")
    page.expect("deployed", run_id, "prefix: landing/page_visits/")


def test_a_row_leads_to_its_line_until_its_object_changes(
    page: Page, cloud: RunningCloud, failed_run: str
) -> None:
    address = '/lookup?dataset=page_visits&key=["V-003"]'
    page.open(address)
    page.expect(failed_run, "00000-000", "as the run read it", "dt=2026-11-01/visits.csv")
    assert (
        page.run("return [...document.querySelectorAll('.found dd')].map(e => e.innerText)[4]")
        == "4"
    )
    put_object(cloud, 1, GOOD + b"V-009,1\n")
    page.open(address)
    page.expect("CHANGED since the run read it")
    put_object(cloud, 1, GOOD)


def test_a_run_is_stopped_and_resumed(page: Page, cloud: RunningCloud) -> None:
    run_id = "page-stopped"
    with cloud.job_hanging_for("dt=2026-11-02"):
        cloud.send({"datasetName": "orders", **TWO_DAYS, "runId": run_id})
        wait_until(lambda: cloud.ledger(run_id, "JOB#00000-001#clean") or None, "the second job")
        page.open(f"/runs/{run_id}")
        page.click("Stop")
        page.until(lambda: page.find("#reason").send_keys("wrong input") or True, "the reason")
        page.confirm("Stop")
        stopped = cloud.await_run(run_id, "STOPPED")
        job_of(cloud, run_id, "CANCELLED", "SUCCEEDED")
    assert stopped["stop_reason"]["S"] == "wrong input"
    page.expect("it was stopped on request: wrong input")
    page.click("Resume")
    page.confirm("Resume")
    cloud.await_run(run_id, "SUCCEEDED")
    page.until(lambda: "STOPPED" not in page.find("h1").text, "that it goes on")


def test_dead_letters_are_deleted_replayed_and_corrected(page: Page, cloud: RunningCloud) -> None:
    late: dict[str, Any] = {"datasetName": "page_late", **TWO_DAYS, "runId": "page-late"}
    for number in range(10):  # more than one look at a queue brings
        cloud.send(f"page crowd {number}")
    cloud.send(json.dumps(late))
    message_id = cloud.send('{"datasetName": "page_visits", "startDate": "2026-11-01"}')
    cloud.send("page letter without JSON")
    page.open("/dead-letters")
    page.expect("page-late", "startDate", "page letter without JSON", "there is no such dataset")

    act_on_letter(page, "page letter without JSON", "Delete")
    page.confirm("Delete")
    page.until(lambda: "page letter without JSON" not in page.find("main").text, "it to go")

    put_contract(cloud, "page_late")
    act_on_letter(page, '"page-late"', "Replay")
    page.confirm("Replay")
    page.expect("Sent as run page-late")
    cloud.await_run("page-late", "SUCCEEDED")

    page.open("/dead-letters")
    act_on_letter(page, message_id, "Correct")
    page.click("Check and send")
    page.expect("the pipeline would refuse it", "startDate")
    editor = page.find("textarea")
    editor.clear()
    editor.send_keys(json.dumps({"datasetName": "page_visits", **TWO_DAYS}))
    page.click("Check and send")
    page.expect(f"Sent as run {message_id}")
    cloud.await_run(message_id, "SUCCEEDED")
    page.until(lambda: message_id not in page.find("main").text, "the letter to go")
    assert page.violations() == []
