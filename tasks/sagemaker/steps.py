"""Training and batch transform on SageMaker. A job's name follows from its input, so a second run attaches to it."""

from functools import partial

from botocore.exceptions import ClientError
from prefect import get_run_logger
from pydantic import BaseModel

from tasks import s3
from tasks.lake.snapshot import Snapshot
from tasks.naming import dashed
from tasks.run import costs
from tasks.sagemaker.jobs import TRAINING, TRANSFORM, UNDER_WAY, attach_or_create, follow, or_none, own_tag
from tasks.sagemaker.sizing import TransformSize
from tasks.settings import settings
from tasks.steps import step


class TrainedModel(BaseModel, frozen=True):
    """A finished training job and its archive."""

    job_name: str
    archive_uri: str
    billable_seconds: int


class TransformedBatch(BaseModel, frozen=True):
    """A finished batch transform job and the prefix of its output."""

    job_name: str
    output_uri: str


def training_stem(snapshot: Snapshot, hyperparameters: dict[str, str]) -> str:
    """Return the name of the training job for a snapshot and parameters; later attempts add a number."""
    here = settings()
    what = s3.digest(snapshot.snapshot_id, here.train_image, hyperparameters, here.train_instance_count)
    return f"credit-{dashed(snapshot.portfolio)}-{what}"


def transform_stem(portfolio: str, model_version: str, *, input_uri: str, output_uri: str) -> str:
    """Return the name of the transform job for a model and a batch."""
    return f"credit-{dashed(portfolio)}-{s3.digest(model_name(portfolio, model_version), input_uri, output_uri)}"


def model_name(portfolio: str, model_version: str) -> str:
    """Return the name of the SageMaker model for a bundle and the current serve image."""
    return f"credit-{dashed(portfolio)}-{model_version}-{s3.digest(settings().serve_image, length=8)}"


@step
def train_model(snapshot: Snapshot, hyperparameters: dict[str, str]) -> TrainedModel:
    """Train on a snapshot, or reuse the finished job of the same snapshot, image and parameters.

    Raises:
        JobError: the job failed or was stopped; the message has SageMaker's reason and the last log lines.
    """
    from tasks.sagemaker.requests import create_training  # noqa: PLC0415 - heavy: imported where it is used

    stem = training_stem(snapshot, hyperparameters)
    create = partial(create_training, stem=stem, snapshot=snapshot, hyperparameters=hyperparameters, tags=own_tag())
    job = attach_or_create(TRAINING, stem, create)
    followed = TRAINING.status(job) in UNDER_WAY
    job = follow(TRAINING, job)
    costs.charge_training(job, followed=followed)
    return TrainedModel(
        job_name=TRAINING.name(job),
        archive_uri=job["ModelArtifacts"]["S3ModelArtifacts"],
        billable_seconds=int(job.get("BillableTimeInSeconds", 0)),
    )


@step
def transform_batch(
    portfolio: str, model_version: str, archive_uri: str, *, input_uri: str, output_uri: str, size: TransformSize
) -> TransformedBatch:
    """Score every Parquet object under `input_uri` with a model, or reuse the finished job of the same request.

    The container gets each object whole, so ids and types stay with the rows.

    Raises:
        JobError: the job failed or was stopped.
    """
    from tasks.sagemaker.requests import create_transform  # noqa: PLC0415 - heavy: imported where it is used

    places = {"input_uri": input_uri, "output_uri": output_uri}
    model = ensure_model(portfolio, model_version, archive_uri)
    create = partial(create_transform, model=model, **places, size=size, tags=own_tag())
    job = attach_or_create(TRANSFORM, transform_stem(portfolio, model_version, **places), create)
    followed = TRANSFORM.status(job) in UNDER_WAY
    job = follow(TRANSFORM, job)
    costs.charge_transform(job, seconds=TRANSFORM.seconds(job), followed=followed)
    get_run_logger().info("batch scored under %s on %s", output_uri, settings().transform_instance_type)
    return TransformedBatch(job_name=TRANSFORM.name(job), output_uri=output_uri)


def ensure_model(portfolio: str, model_version: str, archive_uri: str) -> str:
    """Create the SageMaker model for a bundle and the current serve image if there is none; return its name."""
    from sagemaker.core.resources import Model  # noqa: PLC0415 - heavy: imported where it is used

    from tasks.sagemaker.requests import create_model  # noqa: PLC0415 - heavy: imported where it is used

    name = model_name(portfolio, model_version)
    if or_none(lambda: Model.get(name)) is None:
        try:
            create_model(name, archive_uri)
        except ClientError:
            # Another run, or an attempt whose answer was lost, may have created it a moment ago.
            if or_none(lambda: Model.get(name)) is None:
                raise
    return name
