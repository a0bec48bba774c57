"""Create requests for SageMaker jobs and models, in sagemaker-core's shapes.

Imported only where a job is created, because sagemaker-core takes half a second to import.
"""

from typing import Any

from sagemaker.core.resources import Model, Tag, TrainingJob, TransformJob
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

from tasks import layout
from tasks.lake.snapshot import Snapshot
from tasks.sagemaker.sizing import TransformSize
from tasks.settings import settings

METRICS = ("roc_auc", "pr_auc", "brier", "ks", "log_loss")
PARQUET = "application/x-parquet"


def create_training(
    name: str, *, stem: str, snapshot: Snapshot, hyperparameters: dict[str, str], tags: list[dict[str, str]]
) -> None:
    """Start a training job on a snapshot."""
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
        output_data_config=OutputDataConfig(s3_output_path=layout.training(snapshot.portfolio), **_key("kms_key_id")),
        resource_config=ResourceConfig(
            instance_type=here.train_instance_type,
            instance_count=here.train_instance_count,
            volume_size_in_gb=30,
            **_key("volume_kms_key_id"),
        ),
        # Hosts that share a training have to reach each other, and send applicants' data.
        enable_network_isolation=here.train_instance_count == 1,
        enable_inter_container_traffic_encryption=here.train_instance_count > 1,
        environment={
            "CREDIT_SNAPSHOT_ID": snapshot.snapshot_id,
            "CREDIT_SPLIT": snapshot.split.method,
            "CREDIT_IMAGE": here.train_image,
            "CREDIT_GIT_COMMIT": here.git_commit,
        },
        tags=_tags(tags),
        **_patience(layout.checkpoints(snapshot.portfolio, stem)),
    )


def create_transform(
    name: str, *, model: str, input_uri: str, output_uri: str, size: TransformSize, tags: list[dict[str, str]]
) -> None:
    """Start a batch transform of every object under `input_uri`."""
    source = TransformDataSource(s3_data_source=TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=input_uri))
    TransformJob.create(
        transform_job_name=name,
        model_name=model,
        transform_input=TransformInput(data_source=source, content_type=PARQUET, split_type=size.split_type),
        transform_output=TransformOutput(
            s3_output_path=output_uri, accept=PARQUET, assemble_with="None", **_key("kms_key_id")
        ),
        transform_resources=TransformResources(
            instance_type=settings().transform_instance_type,
            instance_count=size.instance_count,
            **_key("volume_kms_key_id"),
        ),
        max_payload_in_mb=size.max_payload_mb,
        max_concurrent_transforms=size.max_concurrent_transforms,
        batch_strategy=size.batch_strategy,
        tags=_tags(tags),
    )


def create_model(name: str, archive_uri: str) -> None:
    """Create a SageMaker model from a bundle's archive and the current serve image."""
    here = settings()
    container = ContainerDefinition(image=here.serve_image, model_data_url=archive_uri)
    Model.create(
        model_name=name,
        primary_container=container,
        execution_role_arn=here.sagemaker_role,
        enable_network_isolation=True,
    )


def _key(name: str) -> dict[str, str]:
    """Return the stage's key as an argument of this name, nothing if the stage has none."""
    key = settings().data_key
    return {name: key} if key else {}


def _patience(checkpoint_uri: str) -> dict[str, Any]:
    """Return how long a training may run, and for spot instances how long it may wait and where it keeps checkpoints.

    Checkpoints are shared by all attempts, so the next attempt resumes from them.
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


def _tags(tags: list[dict[str, str]]) -> list[Tag]:
    # `resources.Tag`, not `shapes.Tag`: sagemaker-core 2.27 validates against the class that its own module defines.
    return [Tag(key=tag["Key"], value=tag["Value"]) for tag in tags]
