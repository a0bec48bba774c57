"""SageMaker jobs through sagemaker-core: named after what they do, re-attached to, followed, and stopped on cancel."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel
from sagemaker.core.resources import Model, TrainingJob, TransformJob
from sagemaker.core.shapes import (
    AlgorithmSpecification,
    Channel,
    CheckpointConfig,
    ContainerDefinition,
    DataSource,
    MetricDefinition,
    OutputDataConfig,
    ResourceConfig,
    S3DataSource,
    StoppingCondition,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)

from tasks import storage
from tasks.errors import JobError
from tasks.logs import JobLog
from tasks.names import dashed
from tasks.runs import is_cancelling
from tasks.settings import settings
from tasks.sizing import TransformSize
from tasks.snapshot import Snapshot

MAX_ATTEMPTS = 20
METRICS = ("roc_auc", "pr_auc", "brier", "ks", "log_loss")
Job = TypeVar("Job", TrainingJob, TransformJob)


class TrainedModel(BaseModel, frozen=True):
    """A finished training job and the archive it left."""

    job_name: str
    archive_uri: str
    billable_seconds: int


class TransformedBatch(BaseModel, frozen=True):
    """A finished batch transform job and the prefix it wrote."""

    job_name: str
    output_uri: str


@task(cache_policy=NO_CACHE)
def train_model(snapshot: Snapshot, hyperparameters: dict[str, str]) -> TrainedModel:
    """Train on a snapshot, or take the model that the same snapshot, image and parameters have given already.

    Raises:
        JobError: the job failed or was stopped; the message has SageMaker's reason and the last log lines.
    """
    here = settings()
    what = storage.digest(snapshot.snapshot_id, here.train_image, hyperparameters, here.train_instance_count)
    stem = f"credit-{dashed(snapshot.portfolio)}-{what}"
    job = _attach_or_create(TrainingJob, stem, lambda name: _create_training(name, stem, snapshot, hyperparameters))
    job = _follow(job, job.training_job_name, "/aws/sagemaker/TrainingJobs")
    return TrainedModel(
        job_name=job.training_job_name,
        archive_uri=job.model_artifacts.s3_model_artifacts,
        billable_seconds=int(_value(job.billable_time_in_seconds, 0)),
    )


@task(cache_policy=NO_CACHE)
def transform_batch(
    portfolio: str, model_version: str, archive_uri: str, *, input_uri: str, output_uri: str, size: TransformSize
) -> TransformedBatch:
    """Score every Parquet object under `input_uri` with a model; the same request finds its finished job.

    Each object goes to the container whole, so that ids and types travel with the rows.

    Raises:
        JobError: the job failed or was stopped.
    """
    here = settings()
    model = ensure_model(portfolio, model_version, archive_uri)
    stem = f"credit-{dashed(portfolio)}-{storage.digest(model, input_uri, output_uri)}"
    create = partial(_create_transform, model=model, input_uri=input_uri, output_uri=output_uri, size=size)
    job = _attach_or_create(TransformJob, stem, create)
    job = _follow(job, job.transform_job_name, "/aws/sagemaker/TransformJobs")
    get_run_logger().info("batch scored under %s on %s", output_uri, here.transform_instance_type)
    return TransformedBatch(job_name=job.transform_job_name, output_uri=output_uri)


def ensure_model(portfolio: str, model_version: str, archive_uri: str) -> str:
    """Create the SageMaker model of a bundle and the current serve image, once; return its name."""
    here = settings()
    name = f"credit-{dashed(portfolio)}-{model_version}-{storage.digest(here.serve_image, length=8)}"
    if get_or_none(Model, name) is None:
        container = ContainerDefinition(image=here.serve_image, model_data_url=archive_uri)
        Model.create(model_name=name, primary_container=container, execution_role_arn=here.sagemaker_role)
    return name


def _create_training(name: str, stem: str, snapshot: Snapshot, hyperparameters: dict[str, str]) -> None:
    here = settings()
    TrainingJob.create(
        training_job_name=name,
        role_arn=here.sagemaker_role,
        algorithm_specification=AlgorithmSpecification(
            training_image=here.train_image,
            training_input_mode="File",
            metric_definitions=[MetricDefinition(name=m, regex=rf"holdout {m}=([0-9.eE+-]+)") for m in METRICS],
        ),
        hyper_parameters=hyperparameters,
        input_data_config=[_channel(name, snapshot.channel(name)) for name in ("train", "holdout", "contract")],
        output_data_config=OutputDataConfig(s3_output_path=here.uri("training", snapshot.portfolio)),
        resource_config=ResourceConfig(
            instance_type=here.train_instance_type, instance_count=here.train_instance_count, volume_size_in_gb=30
        ),
        environment={
            "CREDIT_SNAPSHOT_ID": snapshot.snapshot_id,
            "CREDIT_SPLIT": snapshot.split.method,
            "CREDIT_IMAGE": here.train_image,
            "CREDIT_GIT_COMMIT": here.git_commit,
        },
        **_patience(here.uri("checkpoints", snapshot.portfolio, stem)),
    )


def _patience(checkpoint_uri: str) -> dict[str, Any]:
    """How long a training may run, and on spot instances wait, with what it has done so far kept meanwhile.

    Checkpoints belong to what is trained, not to one attempt: the next attempt goes on from them.
    """
    here = settings()
    longest = here.train_max_seconds
    if not here.train_spot:
        return {"stopping_condition": StoppingCondition(max_runtime_in_seconds=longest)}
    return {
        "stopping_condition": StoppingCondition(max_runtime_in_seconds=longest, max_wait_time_in_seconds=2 * longest),
        "enable_managed_spot_training": True,
        "checkpoint_config": CheckpointConfig(s3_uri=checkpoint_uri),
    }


def _channel(name: str, uri: str) -> Channel:
    source = S3DataSource(s3_data_type="S3Prefix", s3_uri=uri, s3_data_distribution_type="FullyReplicated")
    return Channel(channel_name=name, data_source=DataSource(s3_data_source=source))


def _create_transform(name: str, *, model: str, input_uri: str, output_uri: str, size: TransformSize) -> None:
    parquet = "application/x-parquet"
    source = TransformDataSource(s3_data_source=TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=input_uri))
    TransformJob.create(
        transform_job_name=name,
        model_name=model,
        transform_input=TransformInput(data_source=source, content_type=parquet, split_type=size.split_type),
        transform_output=TransformOutput(s3_output_path=output_uri, accept=parquet, assemble_with="None"),
        transform_resources=TransformResources(
            instance_type=settings().transform_instance_type, instance_count=size.instance_count
        ),
        max_payload_in_mb=size.max_payload_mb,
        max_concurrent_transforms=size.max_concurrent_transforms,
        batch_strategy=size.batch_strategy,
    )


def _attach_or_create(kind: type[Job], stem: str, create: Callable[[str], None]) -> Job:
    """Return the job under way or done under this name; after a failed one, start the next attempt."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        name = stem if attempt == 1 else f"{stem}-{attempt}"
        job = get_or_none(kind, name)
        if job is None:
            _create_once(partial(create, name))
            return kind.get(name)
        if _status(job) not in ("Failed", "Stopped"):
            get_run_logger().info("%s %s exists (%s): attaching to it", kind.__name__, name, _status(job))
            return job
    raise JobError(
        f"job {stem}: {MAX_ATTEMPTS} attempts have failed; mend the cause, then change a parameter or the image"
    )


def _create_once(create: Callable[[], None]) -> None:
    try:
        create()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUse":
            raise


def get_or_none(kind: Any, name: str) -> Any:  # noqa: ANN401 - any sagemaker-core resource class
    """Return the resource of that name, or None where there is none."""
    try:
        return kind.get(name)
    except ClientError as error:
        text = str(error)
        if "ValidationException" in text or "not find" in text.lower() or "ResourceNotFound" in text:
            return None
        raise


def _status(job: TrainingJob | TransformJob) -> str:
    return str(job.training_job_status if isinstance(job, TrainingJob) else job.transform_job_status)


def _follow(job: Job, name: str, log_group: str) -> Job:
    """Wait for a job's end with its log in the run's log.

    Raises:
        JobError: it failed or was stopped.
    """
    log = JobLog(log_group, name)
    with _stopped_on_cancel(job, name):
        while _status(job) in ("InProgress", "Stopping"):
            log.relay()
            time.sleep(settings().poll_seconds)
            job.refresh()
    log.relay()
    if _status(job) != "Completed":
        reason = _value(job.failure_reason, "no reason given")
        raise JobError(f"job {name} ended {_status(job)}: {reason}\nlast log lines ({log_group}):\n{log.tail()}")
    return job


@contextmanager
def _stopped_on_cancel(job: TrainingJob | TransformJob, name: str) -> Iterator[None]:
    """Stop the job where the run is cancelled; a run that is merely interrupted leaves it for the next to attach to."""
    try:
        yield
    except BaseException:
        if is_cancelling():
            job.stop()
            get_run_logger().warning("run cancelled: job %s told to stop", name)
        raise


def _value(value: Any, default: Any) -> Any:  # noqa: ANN401 - sagemaker-core marks absent fields with its own object
    return default if type(value).__name__ == "Unassigned" or value is None else value
