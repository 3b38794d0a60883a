"""Which events a pattern is for."""

from __future__ import annotations

from typing import Any

import pytest

from local.local_cloud.events.patterns import PatternError, compile_pattern

EVENT = {
    "source": "aws.glue",
    "detail-type": "Glue Job State Change",
    "resources": ["one", "two"],
    "detail": {"jobName": "stack-clean", "state": "FAILED", "count": 3, "ok": True, "none": None},
}


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.glue"]},
        {"source": ["other", "aws.glue"], "detail-type": ["Glue Job State Change"]},
        {"resources": ["two"]},
        {"detail": {"jobName": [{"prefix": "stack-"}], "state": ["FAILED", "TIMEOUT"]}},
        {"detail": {"jobName": [{"suffix": "clean"}]}},
        {"detail": {"jobName": [{"wildcard": "st*-cl*n"}]}},
        {"detail": {"state": [{"equals-ignore-case": "failed"}]}},
        {"detail": {"state": [{"anything-but": "SUCCEEDED"}]}},
        {"detail": {"state": [{"anything-but": ["SUCCEEDED", "STOPPED"]}]}},
        {"detail": {"jobName": [{"anything-but": {"prefix": "other-"}}]}},
        {"detail": {"count": [{"numeric": [">", 2, "<=", 3]}]}},
        {"detail": {"count": [3], "ok": [True], "none": [None]}},
        {"detail": {"missing": [{"exists": False}], "state": [{"exists": True}]}},
        {"$or": [{"source": ["nobody"]}, {"detail": {"count": [3]}}]},
    ],
)
def test_an_event_fits(pattern: Any) -> None:
    assert compile_pattern(pattern)(EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.s3"]},
        {"source": ["aws.glue"], "detail": {"state": ["SUCCEEDED"]}},
        {"resources": ["three"]},
        {"detail": {"jobName": [{"prefix": "clean"}]}},
        {"detail": {"state": [{"anything-but": ["FAILED"]}]}},
        {"detail": {"missing": [{"anything-but": "x"}]}},
        {"detail": {"missing": [{"exists": True}]}},
        {"detail": {"state": [{"exists": False}]}},
        {"detail": {"count": [{"numeric": [">", 3]}]}},
        {"detail": {"state": [{"numeric": [">", 3]}]}},
        {"detail": {"ok": [1]}},
        {"detail": {"count": ["3"]}},
        {"source": {"inner": ["x"]}},
        {"$or": [{"source": ["nobody"]}, {"detail": {"count": [4]}}]},
    ],
)
def test_an_event_does_not_fit(pattern: Any) -> None:
    assert not compile_pattern(pattern)(EVENT)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ({}, "not empty"),
        ({"source": "aws.glue"}, "source must be a list"),
        ({"source": []}, "source must be a list"),
        ({"detail": {"a": [["x"]]}}, "detail.a: a list in a list"),
        ({"detail": {"ip": [{"cidr": "10.0.0.0/8"}]}}, "detail.ip: cidr is not emulated"),
        ({"detail": {"a": [{"prefix": 3}]}}, "detail.a: 3 must be a text"),
        ({"detail": {"a": [{"numeric": [">"]}]}}, "detail.a: numeric"),
        ({"detail": {"a": [{"exists": "yes"}]}}, "exists must be true or false"),
        ({"$or": [{"a": ["x"]}]}, "at least two"),
    ],
)
def test_a_pattern_that_is_not_understood_is_refused(pattern: Any, words: str) -> None:
    with pytest.raises(PatternError, match=words):
        compile_pattern(pattern)
