"""JSON merge patch with the examples of RFC 7386, appendix A, and Knative's traffic rules as a table."""

import pytest

from sandbox.kubernetes.apiserver.documents import merge_patch
from sandbox.kubernetes.kserve.knative import Target, propagate, resolve, targets


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target, patch, result):
    assert merge_patch(target, patch) == result


@pytest.mark.parametrize(
    ("percent", "rolled_out", "wanted"),
    [
        (None, "r1", [Target(100)]),
        (10, "", [Target(100)]),
        (0, "r1", [Target(0), Target(100, "r1", "prev")]),
        (10, "r1", [Target(10), Target(90, "r1", "prev")]),
        (100, "r1", [Target(100)]),
    ],
)
def test_the_route_that_kserve_requests(percent, rolled_out, wanted):
    assert targets(percent, rolled_out, tag_latest=False) == wanted


def test_an_unready_revision_at_full_percent_is_not_rolled_out():
    before = {"latestRolledoutRevision": "r1", "latestReadyRevision": "r1"}
    traffic = resolve(targets(None, "r1", tag_latest=False), "r1")
    after = propagate(before, latest_created="r2", latest_ready="r1", traffic=traffic)
    assert after["latestRolledoutRevision"] == "r1"
    assert "previousRolledoutRevision" not in after
