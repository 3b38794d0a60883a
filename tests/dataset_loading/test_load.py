from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

import pytest
from control_fakes import DATASET, LOST_RESPONSE, NOW, client_error, request

from contracts.dataset import LOOKUP_MEGABYTES_AT_MOST
from contracts.errors import (
    InvalidDataset,
    InvalidRequest,
    NotConfigured,
    NotFound,
    PipelineError,
    Throttled,
    TransientFailure,
)
from contracts.job import Engine
from contracts.messages import LOAD_FLOW, LoadDataset, LoadedDataset, LoadedJob
from dataset_loading import load as loading
from dataset_loading.check import CheckedDataset, check_dataset
from dataset_loading.deployment import Settings
from dataset_loading.load import load_dataset
from sources import frozen
from steps.load_dataset import handler

SETTINGS = Settings("data-bucket", "code-bucket", "stack-", "ledger", warehouse="true")
JOBS = """\
jobs:
  - stage: clean
    glueJob: clean-csv
    timeoutSeconds: 600
    attempts: 2
    queueSeconds: 7200
    retryDelaySeconds: 0
  - {stage: again, glueJob: clean-csv}
"""
TARGETS = """\
targets:
  dynamodb: {key: [order_id]}
"""
LOAD = "timeoutSeconds: 60, queueSeconds: 120"
BOTH = f"{TARGETS}  redshift: {{table: o, key: [order_id], {LOAD}}}\n"
WITH_JOBS = DATASET.replace(TARGETS, JOBS + BOTH)


@pytest.fixture
def deployed(cloud: Any) -> Any:
    """Two contracts and the Glue job with its script."""
    cloud.put("datasets/orders.yaml", WITH_JOBS, cloud.code_bucket)
    cloud.put("datasets/events.yaml", DATASET, cloud.code_bucket)
    cloud.put("datasets/README.md", "", cloud.code_bucket)
    cloud.put("jobs/clean_csv.py", "", cloud.code_bucket)
    cloud.client("glue").create_job(
        Name="stack-clean-csv",
        Role="role",
        Command={"Name": "pythonshell", "ScriptLocation": "s3://code-bucket/jobs/clean_csv.py"},
    )
    return cloud


def load(settings: Settings = SETTINGS, **fields: Any) -> LoadedDataset:
    return load_dataset(request(**fields), settings, NOW)


def test_the_orchestrator_is_reported_what_it_needs(deployed: Any) -> None:
    response = load()

    assert response == LoadedDataset(
        name="orders",
        version=frozen.read_snapshot(deployed.data_bucket, "r1").version,
        unit_seconds=60,
        jobs=(
            LoadedJob(
                stage="clean",
                engine=Engine.GLUE,
                timeout_seconds=600,
                attempts=2,
                queue_seconds=7200,
                retry_delay_seconds=0,
            ),
            LoadedJob(
                stage="again",
                engine=Engine.GLUE,
                timeout_seconds=900,
                queue_seconds=86_400,
                retry_delay_seconds=30,
            ),
        ),
        targets=("dynamodb", "redshift"),
        warehouse_timeout_seconds=60,
        warehouse_queue_seconds=120,
        warehouse=True,
        load_flow=LOAD_FLOW,
    )


def test_a_warm_function_checks_each_text_of_a_contract_once(
    deployed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def check(text: str, name: str) -> CheckedDataset:
        checked.append(text)
        return check_dataset(text, name)

    monkeypatch.setattr(loading, "check_dataset", check)
    loading._checked.cache_clear()
    versions = [load(runId=run).version for run in ("r1", "r2")]
    changed = WITH_JOBS.replace("attempts: 2", "attempts: 3")
    deployed.put("datasets/orders.yaml", changed, deployed.code_bucket)
    versions.append(load(runId="r3").version)
    assert checked == [WITH_JOBS, changed]
    assert versions[0] == versions[1] != versions[2]

    broken = WITH_JOBS.replace("attempts: 2", "attempts: many")
    deployed.put("datasets/orders.yaml", broken, deployed.code_bucket)
    for run in ("r4", "r5"):
        with pytest.raises(InvalidDataset, match="attempts"):
            load(runId=run)
    assert checked[2:] == [broken, broken]


def test_the_contract_is_frozen_with_the_request(deployed: Any) -> None:
    load(query="amount > 5", index="late")

    snapshot = deployed.read_json("runs/r1/dataset.json")
    assert (snapshot["query"], snapshot["index"]) == ("amount > 5", "late")
    assert snapshot["runStartedAt"] == "2026-11-20T08:15:00.123456Z"
    assert snapshot["outputColumns"][1] == ["amount", "decimal(10,2)"]
    assert snapshot["dataset"]["jobs"][0]["glueJob"] == "clean-csv"


def test_the_object_that_a_request_names_is_frozen_by_its_full_url(deployed: Any) -> None:
    response = load(startDateTime=None, inputUrl="dt=2026-11-01/a b.csv")

    assert response.input_url == "s3://data-bucket/landing/orders/dt=2026-11-01/a b.csv"
    assert deployed.read_json("runs/r1/dataset.json")["inputUrl"] == response.input_url


@pytest.mark.usefixtures("deployed")
def test_a_key_that_is_too_long_below_the_prefix_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="makes a key of 1,034 bytes"):
        load(startDateTime=None, inputUrl="x" * 1019)


def test_a_changed_contract_does_not_touch_a_run_that_has_begun(deployed: Any) -> None:
    first = load()
    deployed.put("datasets/orders.yaml", "broken", deployed.code_bucket)

    assert load() == first


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.usefixtures("deployed")
def test_a_load_that_broke_off_is_repeated_to_the_same_end(clients: Any, after: bool) -> None:
    clients.break_once("s3", "put_object", LOST_RESPONSE, after=after)
    with pytest.raises(TransientFailure):
        load()

    assert load().name == "orders"


def test_of_two_snapshots_the_first_counts(deployed: Any, clients: Any) -> None:
    def come_first() -> None:
        deployed.put("datasets/orders.yaml", WITH_JOBS + "# newer\n", deployed.code_bucket)
        load()

    clients.meanwhile("s3", "put_object", come_first)

    response = load()

    assert response.version == deployed.read_json("runs/r1/dataset.json")["version"]


LOOKUPS = """\
lookups:
  - {name: countries, key: lookups/countries.csv, columns: [{name: code}, {name: title}]}
  - {name: rates, url: "s3://code-bucket/rates.csv", columns: [{name: of}]}
transform: |
  SELECT order_id, amount, title AS country
  FROM valid LEFT JOIN countries ON code = country CROSS JOIN (SELECT max(of) FROM rates)
"""


@pytest.fixture
def with_lookups(deployed: Any) -> Any:
    joined = re.sub(r"transform: \|\n.*\n", LOOKUPS, DATASET)
    deployed.put("datasets/orders.yaml", joined, deployed.code_bucket)
    deployed.put("lookups/countries.csv", "code,title\nDE,Germany\n")
    deployed.put("rates.csv", "of\n", deployed.code_bucket)
    return deployed


def test_lookups_are_frozen_as_the_run_finds_them(with_lookups: Any) -> None:
    load()
    with_lookups.put("lookups/countries.csv", "code,title\nDE,Deutschland\n")
    load()

    countries, rates = frozen.read_snapshot(with_lookups.data_bucket, "r1").lookups
    assert countries.url == "s3://data-bucket/lookups/countries.csv"
    assert (countries.name, countries.size) == ("countries", 22)
    assert countries.etag == hashlib.md5(b"code,title\nDE,Germany\n").hexdigest()  # noqa: S324
    assert rates.url == "s3://code-bucket/rates.csv"


def test_lookups_that_are_not_there_are_all_named(with_lookups: Any) -> None:
    for bucket, key in (("data-bucket", "lookups/countries.csv"), ("code-bucket", "rates.csv")):
        with_lookups.client("s3").delete_object(Bucket=bucket, Key=key)

    missing = r"countries at s3://data-bucket/lookups/countries\.csv, no rates at s3://code-bucket"
    with pytest.raises(NotFound, match=f"no lookup {missing}"):
        load()
    assert not with_lookups.keys("runs/")


def test_the_pipelines_own_files_are_refused_by_the_name_of_their_bucket(
    with_lookups: Any,
) -> None:
    joined = re.sub(r"transform: \|\n.*\n", LOOKUPS, DATASET)
    own = joined.replace("s3://code-bucket/rates.csv", "s3://data-bucket/runs/r0/results.json")
    own = own.replace("  prefix: landing/orders/", "  bucket: data-bucket\n  prefix: quarantine/a/")
    with_lookups.put("datasets/orders.yaml", own, with_lookups.code_bucket)

    with pytest.raises(InvalidDataset) as refusal:
        load()

    assert [(one.path, one.value) for one in refusal.value.problems] == [
        ("source.prefix", "quarantine/a/"),
        ("lookups[1].url", "runs/r0/results.json"),
    ]


@pytest.mark.slow
def test_a_lookup_that_is_too_large_is_refused(with_lookups: Any) -> None:
    with_lookups.put("lookups/countries.csv", bytes(LOOKUP_MEGABYTES_AT_MOST * 1024 * 1024 + 1))

    with pytest.raises(InvalidDataset, match=r"lookups\[0\]: s3://data-bucket/lookups/countries"):
        load()
    assert not with_lookups.keys("runs/")


def test_an_unknown_dataset_is_reported_with_the_known_ones(deployed: Any) -> None:
    with pytest.raises(InvalidDataset) as caught:
        load(datasetName="order")

    assert str(caught.value) == (
        "datasets/order.yaml: datasetName: there is no such dataset; there are events, orders;"
        " did you mean orders? (found order)"
    )
    assert not deployed.keys("runs/")


def test_a_broken_contract_is_refused_and_not_frozen(deployed: Any) -> None:
    deployed.put("datasets/orders.yaml", "name: [orders", deployed.code_bucket)

    with pytest.raises(InvalidDataset, match=r"datasets/orders\.yaml: line 1"):
        load()
    assert not deployed.keys("runs/")


def test_a_contract_that_is_not_utf8_is_refused(deployed: Any) -> None:
    deployed.put("datasets/orders.yaml", b"name: \xff", deployed.code_bucket)

    with pytest.raises(InvalidDataset, match="byte 6"):
        load()


def test_a_query_that_does_not_fit_is_refused(deployed: Any) -> None:
    with pytest.raises(InvalidRequest, match='did you mean "amount"'):
        load(query="amont > 5")
    assert not deployed.keys("runs/")


@pytest.mark.usefixtures("deployed")
def test_all_that_the_deployment_lacks_is_reported_at_once() -> None:
    lacking = Settings("data-bucket", "code-bucket", "other-stack-", "ledger")

    with pytest.raises(NotConfigured) as caught:
        load(lacking)

    assert "no warehouse" in str(caught.value)
    assert "no Glue job other-stack-clean-csv" in str(caught.value)


def test_a_missing_job_script_is_named(deployed: Any) -> None:
    deployed.client("s3").delete_object(Bucket="code-bucket", Key="jobs/clean_csv.py")

    with pytest.raises(NotFound, match=r"s3://code-bucket/jobs/clean_csv\.py"):
        load()


def test_a_missing_source_bucket_is_named(deployed: Any) -> None:
    text = WITH_JOBS.replace("source:\n", "source:\n  bucket: nowhere\n")
    deployed.put("datasets/orders.yaml", text, deployed.code_bucket)

    with pytest.raises(NotFound, match="bucket nowhere"):
        load()


SPARK_JOBS = """\
jobs:
  - {stage: clean, glueJob: clean-csv}
  - {stage: a, engine: emr, script: jobs/enrich.py}
  - {stage: b, engine: emr-ssm, script: jobs/enrich.py, sparkArguments: [--conf, spark.x=1]}
  - {stage: c, engine: emr-serverless, script: jobs/other.py}
"""


def test_engines_that_are_not_deployed_are_refused_with_what_to_set(deployed: Any) -> None:
    text = WITH_JOBS.replace(JOBS, SPARK_JOBS)
    deployed.put("datasets/orders.yaml", text, deployed.code_bucket)

    with pytest.raises(NotConfigured) as caught:
        load()

    assert str(caught.value) == (
        "dataset orders: engine emr: deploy with EmrClusterId;"
        " engine emr-serverless: deploy with EmrServerlessApplicationId and EmrServerlessRoleArn;"
        " engine emr-ssm: deploy with EmrClusterId and SsmInstanceId"
    )
    assert not deployed.keys("runs/")


def test_scripts_that_are_not_there_are_refused_and_then_the_chain_is_taken(deployed: Any) -> None:
    text = WITH_JOBS.replace(JOBS, SPARK_JOBS)
    deployed.put("datasets/orders.yaml", text, deployed.code_bucket)
    deployed.put("jobs/other.py", "", deployed.code_bucket)
    settings = replace(
        SETTINGS,
        emr_cluster_id="j-1",
        ssm_instance_id="i-1",
        emr_serverless_application_id="00a",
        emr_serverless_role_arn="arn:aws:iam::123456789012:role/r",
    )
    with pytest.raises(NotFound, match=r"no job script at s3://code-bucket/jobs/enrich\.py$"):
        load(settings)

    deployed.put("jobs/enrich.py", "", deployed.code_bucket)
    engines = [job.engine for job in load(settings).jobs]
    assert engines == [Engine.GLUE, Engine.EMR, Engine.EMR_SSM, Engine.EMR_SERVERLESS]


FILES = "targets:\n  files: {prefix: incoming/orders/}\n"


def test_files_need_an_output_bucket(deployed: Any) -> None:
    text = WITH_JOBS.replace("targets:\n", FILES)
    deployed.put("datasets/orders.yaml", text, deployed.code_bucket)
    with pytest.raises(
        NotConfigured, match=r"targets\.files: this deployment has no output bucket"
    ):
        load()
    settings = replace(SETTINGS, output_bucket="output-bucket")
    assert load(settings).targets == ("files", "dynamodb", "redshift")


def test_files_do_not_go_where_objects_come_from_in_the_output_bucket(deployed: Any) -> None:
    """By its name the contract alone cannot know the bucket."""
    text = WITH_JOBS.replace("targets:\n", FILES).replace(
        "source:\n  prefix: landing/orders/",
        "source:\n  bucket: output-bucket\n  prefix: incoming/",
    )
    deployed.put("datasets/orders.yaml", text, deployed.code_bucket)
    with pytest.raises(InvalidDataset, match=r"targets\.files\.prefix: lies inside source\.prefix"):
        load(replace(SETTINGS, output_bucket="output-bucket"))
    assert not deployed.keys("runs/")


@pytest.mark.parametrize(
    ("only_new", "value"), [(True, "true"), ({"perVersion": True}, '{"perVersion":true}')]
)
def test_new_objects_only_do_not_replace_partitions(
    deployed: Any, only_new: Any, value: str
) -> None:
    """The files of what is left out would go, and nothing would bring them back."""
    partitions = FILES.replace("/}", "/, partitionBy: [country], replace: partition}")
    text = WITH_JOBS.replace("targets:\n", partitions)
    deployed.put("datasets/orders.yaml", text, deployed.code_bucket)
    settings = replace(SETTINGS, output_bucket="output-bucket")

    with pytest.raises(InvalidRequest) as caught:
        load(settings, onlyNew=only_new)

    (problem,) = caught.value.problems
    assert (problem.path, problem.value) == ("onlyNew", value)
    assert "targets.files.replace: partition of dataset orders" in problem.message
    assert not deployed.keys("runs/")
    assert load(settings).name == "orders"
    none = text.replace("replace: partition", "replace: none")
    deployed.put("datasets/orders.yaml", none, deployed.code_bucket)
    assert load(settings, runId="r2", onlyNew=only_new).name == "orders"


ENRICH = "arn:aws:lambda:us-east-1:123456789012:function:enrich"
FUNCTION_JOBS = """\
jobs:
  - {stage: clean, glueJob: clean-csv}
  - {stage: enrich, engine: lambda, function: enrich, timeoutSeconds: 120}
"""


class FakeFunctions:
    """Lambda, as far as it describes functions."""

    def __init__(self, **timeouts: int) -> None:
        self.timeouts = timeouts
        self.durable: dict[str, Any] = {}

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        name = FunctionName.split(":")[6]
        if name not in self.timeouts:
            raise client_error("ResourceNotFoundException", 404)
        return {"Timeout": self.timeouts[name], **self.durable}


@pytest.fixture
def functions(deployed: Any, clients: Any) -> FakeFunctions:
    """The contract's second job is a function's, which may take its job's 120 seconds."""
    text = WITH_JOBS.replace(JOBS, FUNCTION_JOBS)
    deployed.put("datasets/orders.yaml", text, deployed.code_bucket)
    fake = FakeFunctions(enrich=120)
    clients.use("lambda", fake)
    return fake


@pytest.mark.usefixtures("functions")
def test_a_job_of_an_allowed_function_is_taken() -> None:
    loaded = load(replace(SETTINGS, job_function_arns=f"{ENRICH}, {ENRICH}-more"))

    assert loaded.jobs[1] == LoadedJob(
        stage="enrich", engine=Engine.LAMBDA, timeout_seconds=120, retry_delay_seconds=30
    )


@pytest.mark.usefixtures("functions")
@pytest.mark.parametrize(
    ("allowed", "problem"),
    [
        ("", "function enrich is not allowed: .* JobFunctionArns .it allows none."),
        (f"{ENRICH}-more", f"function enrich is not allowed: .*allows {ENRICH}-more"),
        (
            "arn:aws:lambda:us-east-1:123456789012:function:*",
            r".*:function:\* is no ARN of a Lambda",
        ),
    ],
)
def test_a_function_that_is_not_allowed_is_refused_by_name(
    deployed: Any, allowed: str, problem: str
) -> None:
    with pytest.raises(NotConfigured, match=f"dataset orders: stage enrich: {problem}"):
        load(replace(SETTINGS, job_function_arns=allowed))
    assert not deployed.keys("runs/")


def test_a_function_that_is_not_there_is_refused_by_its_arn(functions: FakeFunctions) -> None:
    del functions.timeouts["enrich"]

    with pytest.raises(NotConfigured, match=f"stage enrich: there is no function {ENRICH}$"):
        load(replace(SETTINGS, job_function_arns=ENRICH))


@pytest.mark.parametrize("durable", [False, True])
def test_a_function_that_may_outlast_its_jobs_deadline_is_refused(
    functions: FakeFunctions, durable: bool
) -> None:
    if durable:
        functions.durable = {"DurableConfig": {"ExecutionTimeout": 121}}
    else:
        functions.timeouts["enrich"] = 121

    with pytest.raises(NotConfigured, match="may run for 121 s .* set its timeout to 120 s"):
        load(replace(SETTINGS, job_function_arns=ENRICH))


def test_a_durable_function_is_named_with_a_version_or_an_alias(
    deployed: Any, functions: FakeFunctions
) -> None:
    functions.durable = {"DurableConfig": {"ExecutionTimeout": 120}}
    settings = replace(SETTINGS, job_function_arns=ENRICH)
    with pytest.raises(NotConfigured, match="through a version or an alias only: .* enrich:live$"):
        load(settings)

    text = WITH_JOBS.replace(JOBS, FUNCTION_JOBS.replace("enrich, timeout", "enrich:live, timeout"))
    deployed.put("datasets/orders.yaml", text, deployed.code_bucket)
    assert load(settings).jobs[1].engine is Engine.LAMBDA


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("settings", "bucket"),
    [
        (Settings("nowhere", "code-bucket", "stack-", "ledger", "true"), "nowhere"),
        (Settings("data-bucket", "no-code", "stack-", "ledger", "true"), "no-code"),
    ],
)
def test_a_missing_bucket_of_the_deployment_is_named(settings: Settings, bucket: str) -> None:
    with pytest.raises(NotFound, match=bucket):
        load(settings)


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("service", "operation", "error", "raised"),
    [
        ("glue", "get_job", client_error("ThrottlingException"), Throttled),
        ("s3", "head_bucket", client_error("403", 403), PipelineError),
        ("s3", "get_object", client_error("InternalError", 500), TransientFailure),
    ],
)
def test_services_that_fail_are_reported_of(
    clients: Any, service: str, operation: str, error: Exception, raised: type[Exception]
) -> None:
    clients.break_once(service, operation, error, after=False)

    with pytest.raises(raised):
        load()


@pytest.mark.usefixtures("deployed")
def test_the_handler_speaks_json(lambda_context: Any) -> None:
    response = handler(LoadDataset(request=request()).to_json(), lambda_context)

    assert response is not None
    assert response["targets"] == ["dynamodb", "redshift"]
    assert response["warehouse"] is True
