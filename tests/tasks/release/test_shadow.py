"""Champion and challenger are compared answer by answer: faults end the release, other PDs are only told."""

import json

import numpy as np
import pandas as pd
import pytest

from tasks.errors import ReleaseError
from tasks.release.endpoint import Answer
from tasks.release.limits import ReleaseLimits
from tasks.release.shadow import Pair, _sendable, compare

LIMITS = ReleaseLimits(max_slowdown=3.0, tolerated_ms=10.0)


def answer(value: float, *, version: str = "old", ms: float = 2.0, decision: str = "approve") -> Answer:
    return Answer(200, ms, version, [{"pd": value, "decision": decision}], "")


def refusal(status: int) -> Answer:
    return Answer(status, 2.0, None, [], "no")


def test_differences_are_told():
    pairs = [Pair(answer(0.1), answer(0.1 + k / 1000, version="new")) for k in range(100)]
    pairs[-1] = Pair(answer(0.1), answer(0.199, version="new", decision="decline"))
    told = compare(pairs, "new", LIMITS)
    off = np.arange(100) / 1000
    assert told["PD difference, median"] == f"{np.percentile(off, 50, method='inverted_cdf'):.4f}"
    assert told["PD difference, largest"] == "0.0990"
    assert told["different decision"] == "1"


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (Pair(answer(0.1), refusal(422)), "the challenger answers 422 and the champion 200"),
        (Pair(refusal(422), refusal(500)), "the challenger answers 500"),
        (Pair(answer(0.1), answer(0.1, version="other")), "version other"),
        (Pair(answer(0.1), answer(float("nan"), version="new")), "no PD"),
        (Pair(answer(0.1), answer(0.1, version="new", ms=30.0)), "median is 30.0 ms"),
    ],
)
def test_what_ends_a_release(pair, words):
    with pytest.raises(ReleaseError, match=words):
        compare([pair], "new", LIMITS)


@pytest.mark.parametrize(
    "pair",
    [
        Pair(refusal(422), answer(0.1, version="new")),  # its contract takes more
        Pair(refusal(422), refusal(422)),
        Pair(answer(0.1), answer(0.1, version="new", ms=9.9)),
    ],
)
def test_what_does_not(pair):
    compare([pair], "new", LIMITS)


def test_rows_of_the_lake_become_json_without_what_is_absent():
    frame = pd.DataFrame({"n": [np.int64(3)], "x": [np.nan], "y": [0.5], "s": ["a"], "b": [True], "m": [None]})
    frame["i"] = pd.array([pd.NA], dtype="Int64")
    row = _sendable(frame.to_dict(orient="records")[0])
    assert json.loads(json.dumps(row)) == {"n": 3, "y": 0.5, "s": "a", "b": True}
