"""One loader of service descriptions for all sessions of a process (tests/conftest.py asks so)."""

from __future__ import annotations

import boto3
import botocore.session
import pytest
from boto3.resources.base import ServiceResource
from botocore import endpoint_provider

from local.local_cloud.lambdas.sandbox_process import share_endpoint_rules


def test_a_session_finds_its_resources_when_others_were_made_after_it() -> None:
    session = boto3.Session(region_name="us-east-1")
    loader = session._session.get_component("data_loader")
    loader._cache.clear()  # as in a process that has asked for no resource yet
    other = botocore.session.get_session()
    assert other.get_component("data_loader") is loader
    assert isinstance(session.resource("dynamodb"), ServiceResource)


def test_the_places_where_descriptions_are_do_not_become_more() -> None:
    paths = boto3.Session()._session.get_component("data_loader").search_paths
    before = len(set(paths))
    for _ in range(5):
        boto3.Session()
    assert len(set(paths)) == before
    assert len(paths) <= before + 1


def test_clients_of_a_service_share_its_endpoint_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    rule_set = endpoint_provider.RuleSet

    def counted(**description: object) -> object:
        made.append(description)
        return rule_set(**description)

    def endpoint(service: str, region: str) -> str:
        client = boto3.client(service, region_name=region)
        resolver = client._ruleset_resolver
        model = client.meta.service_model.operation_model("ListTagsOfResource")
        return str(resolver.construct_endpoint(model, {"ResourceArn": "any"}, {}).url)

    monkeypatch.setattr(endpoint_provider, "RuleSet", counted)
    share_endpoint_rules()
    urls = {endpoint("dynamodb", region) for region in ("us-east-1", "cn-north-1", "us-east-1")}
    assert urls == {
        "https://dynamodb.us-east-1.amazonaws.com",
        "https://dynamodb.cn-north-1.amazonaws.com.cn",
    }
    assert len(made) == 1
    boto3.client("sqs", region_name="us-east-1")
    assert len(made) == 2
