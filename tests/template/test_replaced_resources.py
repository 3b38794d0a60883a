"""What an update of the stack leaves as it is: resources, permissions, environments.

`resources_before.json` is the template that is deployed out there. After a change that is meant,
`make record-template` writes it anew; its diff is what the change does to a stack.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import template_fingerprint as now

BEFORE: dict[str, Any] = json.loads(now.FILE.read_text("utf-8"))
# Inline policies have no life of their own: a role may hold the same statements itself. The service
# removes what a template no longer has after everything else was updated, so that no right is
# missing meanwhile (CloudFormation User Guide, "Monitor the progress of a stack update").
WITHOUT_IDENTITY = "AWS::IAM::Policy"


@pytest.fixture(scope="module")
def present() -> dict[str, Any]:
    return now.fingerprint()


def replaced(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The resources that an update removes or makes anew, each with the reason."""
    found = []
    for logical_id, resource in before.items():
        if logical_id not in after:
            if resource["type"] != WITHOUT_IDENTITY:
                found.append(f"{logical_id} ({resource['type']}) is gone")
        elif after[logical_id] != resource:
            changed = sorted(
                name
                for name in {*resource, *after[logical_id]}
                if resource.get(name) != after[logical_id].get(name)
            )
            found.append(f"{logical_id} ({resource['type']}) is replaced: {', '.join(changed)}")
    return found


def test_an_update_of_the_stack_replaces_nothing(present: dict[str, Any]) -> None:
    assert replaced(BEFORE["resources"], present["resources"]) == []


def test_a_resource_that_is_renamed_or_gets_another_name_counts_as_replaced() -> None:
    after = copy.deepcopy(BEFORE["resources"])
    after["NewTable"] = after.pop("LedgerTable")
    after["CleanCsvJob"]["Name"] = "other"
    after["PipelineFunction"]["hasDurableConfig"] = False
    assert replaced(BEFORE["resources"], after) == [
        "CleanCsvJob (AWS::Glue::Job) is replaced: Name",
        "LedgerTable (AWS::DynamoDB::Table) is gone",
        "PipelineFunction (AWS::Lambda::Function) is replaced: hasDurableConfig",
    ]


@pytest.mark.parametrize("deployment", sorted(now.DEPLOYMENTS))
def test_every_role_may_do_what_it_could_and_nothing_else(
    present: dict[str, Any], deployment: str
) -> None:
    assert present["permissions"][deployment] == BEFORE["permissions"][deployment]


def test_every_function_finds_the_variables_that_it_had(present: dict[str, Any]) -> None:
    """Old code of a step may still run with them, until its last invocation has ended."""
    after = present["environments"]
    lost = [
        f"{function} {variable}"
        for function, variables in BEFORE["environments"].items()
        for variable, value in variables.items()
        if after.get(function, {}).get(variable) != value
    ]
    assert lost == []
