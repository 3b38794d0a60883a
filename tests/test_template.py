"""What template.yaml promises to the code, and what must hold of it on AWS."""

from __future__ import annotations

import dataclasses
import importlib
import json
from typing import Any

import deployed_code
import pytest
from deployed_template import (
    MANAGED_BY_AWS,
    as_list,
    functions,
    referred,
    resources,
    role_of,
    statements,
    template,
    variables,
)

from contracts.steps import function_resource, function_variable, step_functions
from ledger.table import ACTIVE_INDEX, HOLDER_INDEX
from runs import executions

ORCHESTRATORS = {"PipelineFunction", "LongRunFunction"}  # of runs
DURABLE = ORCHESTRATORS | {"BackfillFunction"}
STEPS = sorted(set(functions()) - DURABLE)
# Set for every function, in Globals.
COMMON_VARIABLES = set.intersection(*(set(variables(name)) for name in functions()))
READ_BY_POWERTOOLS = {
    "POWERTOOLS_LOG_LEVEL",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_SERVICE_NAME",
}
# Of all variables of a function, names and values (Lambda Developer Guide, "Lambda quotas").
ENVIRONMENT_BYTES = 4096
# Actions whose resource cannot be named: neither statements nor commands have an ARN.
WITHOUT_RESOURCE = {
    "redshift-data:CancelStatement",
    "redshift-data:DescribeStatement",
    "redshift-data:GetStatementResult",
    "redshift-data:ListStatements",
    "ssm:CancelCommand",
    "ssm:GetCommandInvocation",
    "ssm:ListCommandInvocations",
    "ssm:ListCommands",
}
ENGINE_STEPS = ["SubmitJobFunction", "CheckJobFunction", "CancelJobFunction"]
ENGINE_FUNCTIONS = [*ENGINE_STEPS, "JobWatcherFunction", "ReaperFunction"]


def parameter(name: str) -> dict[str, Any]:
    found: dict[str, Any] = template()["Parameters"][name]
    return found


def handler_module(function: str) -> str:
    return str(functions()[function]["Handler"]).rpartition(".")[0]


def settings_fields(function: str) -> tuple[set[str], set[str]]:
    """Variables that a step reads: those it must have, and those it may.

    They are the fields of the dataclasses called `…Settings` in its own module, inherited ones
    included (`runtime.handler.settings_from_environment` reads them).
    """
    module = importlib.import_module(handler_module(function))
    classes = [
        value
        for name, value in vars(module).items()
        if name.endswith("Settings") and dataclasses.is_dataclass(value)
    ]
    fields = [field for cls in classes for field in dataclasses.fields(cls)]
    required = {field.name.upper() for field in fields if field.default is dataclasses.MISSING}
    return required, {field.name.upper() for field in fields}


# -- code and configuration


@pytest.mark.parametrize("name", sorted(functions()))
def test_every_handler_exists(name: str) -> None:
    module, _, attribute = functions()[name]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize("name", STEPS)
def test_every_step_finds_its_settings_in_its_environment(name: str) -> None:
    required, _ = settings_fields(name)
    assert required <= set(variables(name))


@pytest.mark.parametrize("name", STEPS)
def test_no_step_is_given_a_variable_that_it_does_not_read(name: str) -> None:
    _, read = settings_fields(name)
    given = set(variables(name)) - COMMON_VARIABLES
    assert given <= read


@pytest.mark.parametrize("variable", sorted(COMMON_VARIABLES - READ_BY_POWERTOOLS))
def test_a_variable_of_every_function_is_read_by_several(variable: str) -> None:
    readers = [name for name in STEPS if variable in settings_fields(name)[1]]
    assert len(readers) >= (1 if variable == "ENVIRONMENT" else 3)


@pytest.mark.parametrize("name", sorted(functions()))
def test_no_environment_is_larger_than_lambda_takes(name: str) -> None:
    """With every name as long as it may be; what a person gives as a list is not counted."""
    size = sum(
        len(variable) + longest_value(value)
        for variable, value in variables(name).items()
        if variable != "JOB_FUNCTION_ARNS"
    )
    assert size <= ENVIRONMENT_BYTES


def longest_value(value: Any) -> int:
    """Characters: of a name of a function or a bucket at most 64, of an ARN 150."""
    if not isinstance(value, dict):
        return len(str(value))
    return 150 if "Arn" in json.dumps(value) or "Alias" in json.dumps(value) else 64


@pytest.mark.parametrize("name", sorted(ORCHESTRATORS))
def test_each_orchestrator_knows_the_function_behind_every_operation(name: str) -> None:
    given = variables(name)
    for operation in step_functions():
        if (name, operation) == ("LongRunFunction", "start-run"):
            continue  # a long run is not handed over
        module = operation.replace("-", "_")
        function = referred(given[function_variable(operation)])
        assert handler_module(function) == f"steps.{module}"


@pytest.mark.parametrize("name", sorted(ORCHESTRATORS))
def test_each_orchestrator_may_invoke_the_functions_it_knows_and_no_others(name: str) -> None:
    known = {referred(value) for value in variables(name).values() if "Function" in str(value)}
    allowed = {
        target
        for statement in statements(role_of(name))
        if "lambda:InvokeFunction" in as_list(statement["Action"])
        for target in map(_function_of, as_list(statement["Resource"]))
    }
    assert allowed - {"LongRunFunction", "JobFunctionArns"} == known
    assert "JobFunctionArns" in allowed  # of jobs; where the parameter names some
    assert ("LongRunFunction" in allowed) == (name == "LongRunFunction")  # its own shards


def _function_of(resource: Any) -> str:
    text = resource.get("Fn::Sub")
    if "Fn::Split" in resource:
        return "JobFunctionArns"
    return text.partition("${")[2].partition(".")[0] if text else referred(resource)


def test_a_backfill_may_invoke_what_it_knows_and_no_other_function() -> None:
    """Its step, and the long-running function; the step starts its next execution."""
    allowed = {
        function: {
            target
            for statement in statements(role_of(function))
            if "lambda:InvokeFunction" in as_list(statement["Action"])
            for target in map(_function_of, as_list(statement["Resource"]))
        }
        for function in ("BackfillFunction", "BackfillWindowsFunction")
    }
    assert allowed == {
        "BackfillFunction": {"BackfillWindowsFunction", "LongRunFunction"},
        "BackfillWindowsFunction": {"BackfillFunctionAliaslive"},
    }
    given = variables("BackfillFunction")
    assert referred(given["BACKFILL_WINDOWS_FUNCTION"]) == "BackfillWindowsFunction"
    assert referred(given["LONG_RUN_FUNCTION"]) == "LongRunFunctionAliaslive"


def test_the_job_script_that_a_glue_job_names_is_in_the_repository() -> None:
    jobs = resources("AWS::Glue::Job")
    assert jobs
    for job in jobs.values():
        key = job["Command"]["ScriptLocation"]["Fn::Sub"][0].partition("s3://${Bucket}/")[2]
        assert (deployed_code.ROOT / key).is_file()


# -- queue and durable functions


def test_a_message_stays_hidden_for_longer_than_its_execution_may_take() -> None:
    queue = resources("AWS::SQS::Queue")["ProcessingQueue"]
    durable = functions()["PipelineFunction"]["DurableConfig"]
    assert queue["VisibilityTimeout"] == {"Ref": "VisibilityTimeoutSeconds"}
    assert durable["ExecutionTimeout"] == {"Ref": "PipelineTimeoutSeconds"}
    longest = parameter("PipelineTimeoutSeconds")["MaxValue"]
    assert longest <= 900  # more, and Lambda refuses the queue's mapping
    waiting = parameter("BatchWindowSeconds")["MaxValue"]
    assert parameter("VisibilityTimeoutSeconds")["MinValue"] > longest + waiting
    assert parameter("ShortRunSeconds")["MaxValue"] < longest


def test_the_queue_feeds_the_alias_and_takes_single_messages_back() -> None:
    (mapping,) = (
        mapping
        for mapping in resources("AWS::Lambda::EventSourceMapping").values()
        if referred(mapping["EventSourceArn"]) == "ProcessingQueue"
    )
    assert referred(mapping["FunctionName"]) == "PipelineFunctionAliaslive"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == {"Ref": "BatchSize"}
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MaximumConcurrency"}}


@pytest.mark.parametrize("queue", ["ProcessingQueue", "NotificationQueue"])
def test_a_message_that_keeps_failing_reaches_a_dead_letter_queue(queue: str) -> None:
    redrive = resources("AWS::SQS::Queue")[queue]["RedrivePolicy"]
    assert referred(redrive["deadLetterTargetArn"]) in {
        "DeadLetterQueue",
        "NotificationDeadLetterQueue",
    }


def test_a_notification_that_sns_cannot_deliver_reaches_a_dead_letter_queue() -> None:
    (subscription,) = resources("AWS::SNS::Subscription").values()
    redrive = subscription["RedrivePolicy"]
    assert referred(redrive["deadLetterTargetArn"]) == "NotificationDeadLetterQueue"
    assert "FilterPolicy" not in subscription  # the queue gets every outcome
    (statement,) = resources("AWS::SQS::QueuePolicy")["NotificationDeadLetterQueuePolicy"][
        "PolicyDocument"
    ]["Statement"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert referred(statement["Resource"]) == "NotificationDeadLetterQueue"


@pytest.mark.parametrize("queue", ["NotificationQueue", "NotificationDeadLetterQueue"])
def test_notifications_that_nobody_takes_raise_an_alarm(queue: str) -> None:
    watched = [
        referred(dimension["Value"])
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", [])
        if dimension["Name"] == "QueueName"
    ]
    assert queue in watched


@pytest.mark.parametrize("name", sorted(DURABLE))
def test_durable_functions_have_an_alias_a_retention_and_no_fixed_name(name: str) -> None:
    function = functions()[name]
    assert "FunctionName" not in function
    assert function["DurableConfig"]["RetentionPeriodInDays"] == {"Ref": "HistoryRetentionDays"}
    assert resources("AWS::Lambda::Alias")[f"{name}Aliaslive"]["Name"] == "live"


def test_the_long_run_has_no_event_source() -> None:
    fed = [
        referred(mapping["FunctionName"])
        for mapping in resources("AWS::Lambda::EventSourceMapping").values()
    ]
    assert not [name for name in fed if name.startswith("LongRun")]


def rules_of(function: str) -> list[dict[str, Any]]:
    return [
        rule
        for rule in resources("AWS::Events::Rule").values()
        if referred(rule["Targets"][0]["Arn"]) == function
    ]


def test_the_watcher_is_woken_by_a_schedule_and_by_job_events() -> None:
    rules = rules_of("JobWatcherFunction")
    sources = {
        source for rule in rules for source in rule.get("EventPattern", {}).get("source", [])
    }
    assert "rate(1 minute)" in [rule.get("ScheduleExpression") for rule in rules]
    assert sources == {"aws.glue", "aws.redshift-data", "aws.emr", "aws.emr-serverless"}
    assert parameter("HeartbeatSeconds")["MinValue"] > 60


def test_the_reaper_is_woken_by_a_schedule_and_by_executions_that_ended_badly() -> None:
    rules = rules_of("ReaperFunction")
    (pattern,) = [rule["EventPattern"] for rule in rules if "EventPattern" in rule]
    assert "rate(15 minutes)" in [rule.get("ScheduleExpression") for rule in rules]
    assert pattern["source"] == ["aws.lambda"]
    assert set(pattern["detail"]["status"]) == set(executions.ENDED_BADLY)
    functions_meant = {referred(part["prefix"]) for part in pattern["detail"]["functionArn"]}
    assert functions_meant == DURABLE


def test_runs_are_found_by_their_holder_and_jobs_by_being_active() -> None:
    indexes = resources("AWS::DynamoDB::Table")["LedgerTable"]["GlobalSecondaryIndexes"]
    keys = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in indexes
    }
    assert keys[ACTIVE_INDEX] == ["active", "submitted_at"]
    assert keys[HOLDER_INDEX] == ["holder", "run_id"]


@pytest.mark.parametrize("name", ENGINE_FUNCTIONS)
def test_functions_of_jobs_know_every_engine(name: str) -> None:
    given = variables(name)
    assert given["EMR_CLUSTER_ID"] == {"Ref": "EmrClusterId"}
    assert given["SSM_INSTANCE_ID"] == {"Ref": "SsmInstanceId"}
    assert given["EMR_SERVERLESS_APPLICATION_ID"] == {"Ref": "EmrServerlessApplicationId"}
    assert given["EMR_SERVERLESS_ROLE_ARN"] == {"Ref": "EmrServerlessRoleArn"}


@pytest.mark.parametrize("name", ["SubmitJobFunction", "CancelJobFunction", "ReaperFunction"])
def test_whoever_stops_jobs_may_stop_those_of_every_engine(name: str) -> None:
    allowed = {
        action for statement in statements(role_of(name)) for action in as_list(statement["Action"])
    }
    assert allowed >= {
        "glue:BatchStopJobRun",
        "redshift-data:CancelStatement",
        "elasticmapreduce:CancelSteps",
        "ssm:CancelCommand",
        "emr-serverless:CancelJobRun",
    }


# -- permissions


def test_every_function_has_a_role_of_its_own() -> None:
    roles = [role_of(name) for name in functions()]
    assert len(set(roles)) == len(roles)


def all_statements() -> list[tuple[str, dict[str, Any]]]:
    return [
        (role, statement) for role in resources("AWS::IAM::Role") for statement in statements(role)
    ]


def test_no_role_may_do_everything_of_a_service() -> None:
    actions = {action for _, found in all_statements() for action in as_list(found["Action"])}
    assert [action for action in actions if "*" in action] == []


def test_a_role_may_touch_everything_only_where_nothing_can_be_named() -> None:
    for role, statement in all_statements():
        if "*" in as_list(statement["Resource"]):
            assert set(as_list(statement["Action"])) <= WITHOUT_RESOURCE, role


def test_roles_take_from_aws_only_the_policies_for_logs_and_checkpoints() -> None:
    taken = {
        json.dumps(arn).rpartition("/")[2].rstrip('"}')
        for role in resources("AWS::IAM::Role").values()
        for arn in role.get("ManagedPolicyArns", [])
        if MANAGED_BY_AWS in json.dumps(arn)
    }
    assert taken == {"AWSLambdaBasicExecutionRole", "AWSLambdaBasicDurableExecutionRolePolicy"}


@pytest.mark.parametrize(
    ("action", "named"),
    [("GetDurableExecution", DURABLE), ("SendDurableExecutionCallbackSuccess", ORCHESTRATORS)],
)
def test_executions_are_named_by_function_and_any_version(action: str, named: set[str]) -> None:
    targets = {
        target["Fn::Sub"]
        for _, statement in all_statements()
        if f"lambda:{action}" in as_list(statement["Action"])
        for target in as_list(statement["Resource"])
    }
    assert targets == {f"${{{name}.Arn}}:*" for name in named}


# -- storage, logs, alarms


@pytest.mark.parametrize("name", sorted(resources("AWS::S3::Bucket")))
def test_created_buckets_are_private_encrypted_and_stored(name: str) -> None:
    resource = template()["Resources"][name]
    assert all(resource["Properties"]["PublicAccessBlockConfiguration"].values())
    assert "BucketEncryption" in resource["Properties"]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    policy = resources("AWS::S3::BucketPolicy")[f"{name}Policy"]["PolicyDocument"]
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("name", sorted(resources("AWS::DynamoDB::Table")))
def test_tables_are_on_demand_recoverable_encrypted_and_expire_items(name: str) -> None:
    table = resources("AWS::DynamoDB::Table")[name]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert table["SSESpecification"]["SSEEnabled"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


@pytest.mark.parametrize("name", sorted(functions()))
def test_every_function_logs_into_a_group_with_a_retention(name: str) -> None:
    group = referred(functions()[name]["LoggingConfig"]["LogGroup"])
    assert "RetentionInDays" in resources("AWS::Logs::LogGroup")[group]


# -- what a person meets


@pytest.mark.parametrize("name", sorted(template()["Parameters"]))
def test_every_parameter_has_a_default_and_a_description_and_is_used(name: str) -> None:
    assert parameter(name)["Description"]
    assert "Default" in parameter(name)
    rest = {section: body for section, body in template().items() if section != "Metadata"}
    text = json.dumps(rest)
    assert f'{{"Ref": "{name}"}}' in text or f"${{{name}}}" in text


def test_the_outputs_name_what_a_person_or_program_needs() -> None:
    wanted = {
        "DataProcessingQueueUrl",
        "DeadLetterQueueUrl",
        "ProcessedDataTable",
        "LedgerTable",
        "NotificationTopicArn",
        "NotificationQueueUrl",
        "DataBucketName",
        "CodeBucketName",
        "OutputBucketName",
        "BackfillPolicyArn",
        "EmrLogsPolicyArn",
        "OperatorPolicyArn",
        "PurgePolicyArn",
        *("SchedulePolicyArn", "ScheduleGroupName", "ScheduleRoleArn", "DataProcessingQueueArn"),
        "OperatorUpkeepPolicyArn",
        "OperatorKeyPolicyArn",
    }
    # Those that people invoke, and those that `pipeline stop` and `pipeline verify` ask for.
    named = {f"{name}Arn" for name in (*DURABLE, "ReaperFunction", "JobWatcherFunction")}
    assert wanted | named == set(template()["Outputs"])


def test_the_python_of_the_functions_is_looked_for_first() -> None:
    """Local functions run on the Python that runs the local cloud."""
    (runtime,) = {one["Runtime"] for one in functions().values()}
    script = (deployed_code.ROOT / "scripts" / "find-python").read_text(encoding="utf-8")
    assert f'\nfunctions="{runtime} ' in script
    assert "\ncandidates=${PYTHON:-$functions " in script


@pytest.mark.parametrize("name", sorted(ORCHESTRATORS))
def test_each_orchestrator_is_given_the_memory_that_each_step_has(name: str) -> None:
    """Both are found in one mapping, so that what a message says of it is what is deployed."""
    pairs = variables(name)["MEGABYTES"]["Fn::Join"][1]
    given = dict(pair["Fn::Join"][1] for pair in pairs)
    for step in step_functions():
        deployed = functions()[function_resource(step)]["MemorySize"]
        assert given.get(step, given["*"]) == deployed
    assert set(given) - {"*"} <= set(step_functions())
