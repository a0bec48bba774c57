"""Sizes a batch transform by the rows it scores and the objects that hold them."""

from collections.abc import Mapping

from prefect import get_run_logger
from pydantic import BaseModel

from tasks import s3
from tasks.errors import JobError
from tasks.steps import step

MIB = 1 << 20
# SageMaker's own limit of MaxPayloadInMB times MaxConcurrentTransforms.
MAX_PAYLOAD_MB = 100
# A 4-core instance scores this many rows in about the time that another instance takes to start.
ROWS_PER_INSTANCE = 20_000_000
MAX_INSTANCES = 20


class TransformSize(BaseModel, frozen=True):
    """Size of a batch transform, in SageMaker's terms.

    Attributes:
        instance_count: Hosts, among which SageMaker distributes the objects.
        max_payload_mb: Size limit that fits the largest object.
        max_concurrent_transforms: Concurrent requests to one host; one keeps all its cores busy.
        split_type: None, because a Parquet file cannot be split into records.
        batch_strategy: One object per request.
    """

    instance_count: int
    max_payload_mb: int
    max_concurrent_transforms: int = 1
    split_type: str = "None"
    batch_strategy: str = "SingleRecord"


def size_transform(rows: int, objects: Mapping[str, int]) -> TransformSize:
    """Return the size of a transform of `rows` rows.

    Args:
        rows: Applications in all objects.
        objects: Bytes of each object, by address.

    Raises:
        JobError: There is nothing to score, or an object is too large for SageMaker.

    Example:
        >>> size_transform(65_000, {"s3://lake/a": 3_000_000, "s3://lake/b": 2_500_000}).max_payload_mb
        3
    """
    if not objects or not rows:
        raise JobError("there is no application to score; ingest a file first")
    largest = max(objects, key=lambda uri: objects[uri])
    needed = -(-objects[largest] // MIB)
    if needed > MAX_PAYLOAD_MB:
        raise JobError(
            f"{largest} is {needed} MB and SageMaker sends at most {MAX_PAYLOAD_MB} MB per request; "
            "draw the batch in smaller objects"
        )
    instances = min(-(-rows // ROWS_PER_INSTANCE), len(objects), MAX_INSTANCES)
    return TransformSize(instance_count=instances, max_payload_mb=max(needed, 1))


@step
def size_batch(rows: int, input_uri: str) -> TransformSize:
    """Return the size of a transform of the objects under a prefix, which hold `rows` rows.

    Raises:
        JobError: As `size_transform`.
    """
    found = size_transform(rows, s3.sizes(input_uri))
    get_run_logger().info(
        "%d rows: %d instance(s), %d MB per request", rows, found.instance_count, found.max_payload_mb
    )
    return found
