"""A new dataset as its owner begins one: proposed, uploaded, run, rejected rows corrected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running_cloud import RunningCloud
from typer.testing import CliRunner

from cli.main import app

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(180)]
VISITS = "visit_id,country,minutes\n" + "".join(f"V-{n:03},DE,{n}\n" for n in range(60))
DIRT = "V-900,FR,many\nV-901,DE,1,2\n"
LOOKUP = """\
lookups:
  - {name: countries, key: lookups/countries.csv, columns: [{name: code}, {name: title}]}
transform: |
  SELECT visit_id, title, minutes
  FROM valid LEFT JOIN countries ON code = valid.country
targets:"""


def pipeline(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_from_a_sample_to_corrected_rows(
    cloud: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".local").mkdir()
    description = {"endpointUrl": cloud.cloud.endpoint_url, "outputs": dict(cloud.outputs)}
    (tmp_path / ".local" / "cloud.json").write_text(json.dumps({**description, "parameters": {}}))
    monkeypatch.chdir(tmp_path)
    s3, bucket = cloud.cloud.client("s3"), cloud.outputs["DataBucketName"]
    key = "landing/visits/dt=2026-11-01/a.csv"
    s3.put_object(Bucket=bucket, Key=key, Body=VISITS + DIRT)
    countries = b"code,title\nDE,Germany\nFR,France\n"
    s3.put_object(Bucket=bucket, Key="lookups/countries.csv", Body=countries)

    pipeline("dataset", "new", f"s3://{bucket}/{key}", "--out", "visits.yaml")
    text = Path("visits.yaml").read_text().replace("targets:", LOOKUP)
    text = text.replace("allowed: [DE, FR]", "allowed: [DE, FR, AT]")
    Path("visits.yaml").write_text(text)
    pipeline("dataset", "check", "visits.yaml")
    s3.put_object(
        Bucket=cloud.outputs["CodeBucketName"], Key="datasets/visits.yaml", Body=text.encode()
    )
    cloud.send({"datasetName": "visits", "startDateTime": "2026-11-01", "runId": "e2e-visits"})
    run = cloud.await_run("e2e-visits", "SUCCEEDED", "FAILED")
    assert run["status"]["S"] == "SUCCEEDED", run

    pipeline("rejected", "e2e-visits", "--out", "corrected.jsonl")
    rows = [json.loads(line) for line in Path("corrected.jsonl").read_text().splitlines()]
    assert {row["values"]["visit_id"] for row in rows} == {"V-900", "V-901"}
    corrected = Path("corrected.jsonl").read_text().replace('"many"', '"7"')
    Path("corrected.jsonl").write_text(corrected)
    resent = ("resend", "corrected.jsonl", "--run", "e2e-visits")
    pipeline(*resent, "--wait")
    again = pipeline(*resent)

    run_id = again.split("as run ")[1].split(",")[0]
    stored = {item["visit_id"]["S"]: item for item in cloud.stored(run_id)}
    assert "nothing was sent" in again
    assert stored["V-900"]["title"]["S"] == "France"
    assert stored.keys() == {"V-900", "V-901"}
    assert len(cloud.stored("e2e-visits")) == 60
