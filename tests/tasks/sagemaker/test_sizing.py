"""A batch transform is as large as its rows and objects ask for, within what SageMaker takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.serve.protocols.invocations import EXECUTION_PARAMETERS
from tasks.errors import JobError
from tasks.sagemaker.sizing import MIB, size_transform

objects = st.dictionaries(st.text(min_size=1), st.integers(1, 100 * MIB), min_size=1, max_size=50)


@given(rows=st.integers(1, 10**9), objects=objects)
def test_every_object_fits_and_no_host_is_idle(rows, objects):
    size = size_transform(rows, objects)
    assert max(objects.values()) <= size.max_payload_mb * MIB
    assert size.max_payload_mb * size.max_concurrent_transforms <= 100
    assert 1 <= size.instance_count <= min(len(objects), 20)


def test_more_rows_never_get_fewer_hosts():
    many = {f"s3://b/{number}": MIB for number in range(100)}
    counts = [size_transform(rows, many).instance_count for rows in (1, 10**6, 10**8, 10**9)]
    assert counts == sorted(counts)
    assert (counts[0], counts[1]) == (1, 1)
    assert counts[2] > 1


def test_the_container_offers_no_more_than_the_flow_asks_for():
    largest = size_transform(10, {"s3://b/x": 100 * MIB})
    assert EXECUTION_PARAMETERS["MaxPayloadInMB"] == largest.max_payload_mb
    assert EXECUTION_PARAMETERS["MaxConcurrentTransforms"] == largest.max_concurrent_transforms


@pytest.mark.parametrize(
    ("rows", "objects", "words"),
    [(0, {}, "ingest a file"), (5, {"s3://b/x": 1, "s3://b/big": 100 * MIB + 1}, "s3://b/big is 101 MB")],
)
def test_what_cannot_be_sent_is_told(rows, objects, words):
    with pytest.raises(JobError, match=words):
        size_transform(rows, objects)
