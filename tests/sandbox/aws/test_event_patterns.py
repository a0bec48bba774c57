"""EventBridge's event patterns; the tables of probes hold more, recorded at AWS."""

import pytest

from sandbox.aws.events.patterns import PatternError, check, matches

EVENT = {
    "source": "aws.ecs",
    "resources": ["arn:aws:ecs:a", "other"],
    "detail": {"s": "abcXYZ", "n": 5, "f": 5.0, "nul": None, "t": True, "l": ["a", "b"], "ip": "10.0.0.7", "e": []},
    "items": [{"k": "a", "v": 1}, {"k": "b", "v": 2}],
}


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ({"source": ["aws.ecs"]}, True),
        ({"source": ["aws.s3", "aws.ecs"], "detail": {"n": [5]}}, True),
        ({"detail": {"n": [5.0], "f": [5]}}, True),
        ({"detail": {"n": ["5"]}}, False),
        ({"detail": {"t": [1]}}, False),
        ({"detail": {"t": [True]}}, True),
        ({"detail": {"nul": [None]}}, True),
        ({"detail": {"nul": [""]}}, False),
        ({"detail": {"s": [{"prefix": "abc"}, {"prefix": "x"}]}}, True),
        ({"detail": {"s": [{"prefix": {"equals-ignore-case": "ABC"}}]}}, True),
        ({"detail": {"s": [{"suffix": "XYZ"}]}}, True),
        ({"detail": {"s": [{"equals-ignore-case": "ABCxyz"}]}}, True),
        ({"detail": {"s": [{"wildcard": "a*c*Z"}]}}, True),
        ({"detail": {"s": [{"wildcard": "a*c*z"}]}}, False),
        ({"detail": {"s": [{"wildcard": "abcXYZ"}]}}, True),
        ({"detail": {"s": [{"anything-but": ["q"]}]}}, True),
        ({"detail": {"s": [{"anything-but": {"suffix": ["XYZ", "q"]}}]}}, False),
        ({"detail": {"s": [{"anything-but": {"wildcard": "*X*"}}]}}, False),
        ({"detail": {"absent": [{"anything-but": ["q"]}]}}, False),
        ({"detail": {"n": [{"numeric": ["=", 5]}]}}, True),
        ({"detail": {"n": [{"numeric": [">=", 0, "<", 5]}]}}, False),
        ({"detail": {"s": [{"numeric": ["=", 5]}]}}, False),
        ({"detail": {"s": [{"exists": True}], "absent": [{"exists": False}]}}, True),
        ({"detail": [{"exists": True}]}, False),
        ({"detail": {"ip": [{"cidr": "10.0.0.0/29"}]}}, True),
        ({"detail": {"s": [{"cidr": "10.0.0.0/29"}]}}, False),
        ({"detail": {"l": ["b"]}}, True),
        ({"resources": [{"prefix": "arn:"}]}, True),
        ({"items": {"k": ["a"], "v": [1]}}, True),
        ({"items": {"k": ["a"], "v": [2]}}, False),
        ({"$or": [{"source": ["x"]}, {"detail": {"n": [5]}}]}, True),
        ({"$or": [{"source": ["x"]}, {"detail": {"n": [6]}}]}, False),
    ],
)
def test_patterns(pattern, fits):
    check(pattern)
    assert matches(pattern, EVENT) is fits


@pytest.mark.parametrize(
    "pattern",
    [
        {"a": "b"},
        {"a": []},
        {"a": {}},
        {"a": [[1]]},
        {"a": [{"prefix": "a", "suffix": "b"}]},
        {"a": [{"numeric": []}]},
        {"a": [{"numeric": ["<", 5, ">", 1]}]},
        {"a": [{"numeric": ["~", 5]}]},
        {"a": [{"anything-but": [None]}]},
        {"a": [{"anything-but": {"numeric": ["=", 1]}}]},
        {"a": [{"anything-but": {"prefix": ""}}]},
        {"a": [{"exists": "yes"}]},
        {"a": [{"cidr": "x/8"}]},
        {"a": [{"wildcard": "*a*a*a*a*a"}]},
    ],
)
def test_patterns_that_eventbridge_refuses(pattern):
    with pytest.raises(PatternError):
        check(pattern)
