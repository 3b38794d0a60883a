"""One loader of service descriptions for all sessions of a process (tests/conftest.py asks so)."""

from __future__ import annotations

import boto3
import botocore.session
from boto3.resources.base import ServiceResource


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
