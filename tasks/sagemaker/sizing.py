"""How large a batch transform has to be, from the rows it scores and the objects they lie in."""

from collections.abc import Mapping

from prefect import get_run_logger
from pydantic import BaseModel

from tasks import s3
from tasks.errors import JobError
from tasks.steps import step

MIB = 1 << 20
# SageMaker's own limit of MaxPayloadInMB times MaxConcurrentTransforms.
MAX_PAYLOAD_MB = 100
# A 4-core instance scores so many rows in about the minutes that another one takes to start.
ROWS_PER_INSTANCE = 20_000_000
MAX_INSTANCES = 20


class TransformSize(BaseModel, frozen=True):
    """Size of a batch transform, in SageMaker's terms.

    Attributes:
        instance_count: Hosts; SageMaker shares the objects out among them.
        max_payload_mb: Room for the largest object.
        max_concurrent_transforms: Requests at a time to one host; one keeps all its cores busy.
        split_type: Objects go whole: a Parquet file cannot be cut between its lines.
        batch_strategy: One object a request.
    """

    instance_count: int
    max_payload_mb: int
    max_concurrent_transforms: int = 1
    split_type: str = "None"
    batch_strategy: str = "SingleRecord"


def size_transform(rows: int, objects: Mapping[str, int]) -> TransformSize:
    """Size of the transform of so many rows.

    Args:
        rows: Applications in all objects.
        objects: Bytes of each object, by address.

    Raises:
        JobError: There is nothing to score, or an object is larger than SageMaker sends.

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
            f"{largest} has {needed} MB and SageMaker sends at most {MAX_PAYLOAD_MB} MB at a time; "
            "draw the batch in smaller objects"
        )
    instances = min(-(-rows // ROWS_PER_INSTANCE), len(objects), MAX_INSTANCES)
    return TransformSize(instance_count=instances, max_payload_mb=max(needed, 1))


@step
def size_batch(rows: int, input_uri: str) -> TransformSize:
    """Choose the size of the transform of the objects under a prefix, which hold so many rows.

    Raises:
        JobError: As `size_transform`.
    """
    found = size_transform(rows, s3.sizes(input_uri))
    get_run_logger().info("%d rows: %d instance(s), %d MB a request", rows, found.instance_count, found.max_payload_mb)
    return found
