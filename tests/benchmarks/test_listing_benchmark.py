"""The benchmark of listing: all ways find every key, and ratios are to boto3's."""

from __future__ import annotations

import pytest

from benchmarks.listing.__main__ import Cost, measure, table
from benchmarks.listing.server import PER_PAGE, page


@pytest.mark.slow
def test_all_ways_list_every_key() -> None:
    costs = measure(sizes=(2 * PER_PAGE + 1,), rounds=1)  # fails where a way misses a key
    assert [cost.way for cost in costs] == ["boto3", "listing", "manifest"]
    assert len(table(costs).splitlines()) == 5


def test_ratios_are_to_boto3_with_as_many_keys() -> None:
    costs = [Cost("boto3", 10, 80.0, 1000.0, 3.0), Cost("manifest", 10, 20.0, 4000.0, 6.0)]
    assert table(costs).splitlines()[-1] == "| 10 | manifest | 20.0 (0.25) | 4,000 (4.00) | 6 |"


def test_the_last_page_says_so() -> None:
    assert b"<IsTruncated>true" in page(0, PER_PAGE + 1)
    assert b"<KeyCount>1</KeyCount><IsTruncated>false" in page(PER_PAGE, PER_PAGE + 1)
