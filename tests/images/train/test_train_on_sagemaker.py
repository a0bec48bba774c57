"""The train image as SageMaker jobs: spot instances that are taken away, and two instances for one model."""

import io
import json
import tarfile
import time
import uuid

import boto3
import psutil
import pytest

from sandbox.estate import REGION
from tests.images.train.jobs import QUICK

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/credit-train:1"


@pytest.fixture
def submit(aws, channels):
    """Starts a training job on the shared channels; returns its name and a client that describes it."""
    where = {"region_name": REGION, "endpoint_url": aws.endpoint}
    s3, sagemaker = boto3.client("s3", **where), boto3.client("sagemaker", **where)
    bucket = f"b-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for path in channels.rglob("*.*"):
        s3.upload_file(str(path), bucket, f"data/{path.relative_to(channels)}")

    def source(name):
        return {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/data/{name}/"}}

    def start(count=1, **more):
        name = f"job-{uuid.uuid4().hex[:8]}"
        sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn="arn:aws:iam::123456789012:role/train",
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            HyperParameters=QUICK | ({"max_rounds": "10", "num_leaves": "4"} if count > 1 else {}),
            InputDataConfig=[{"ChannelName": n, "DataSource": source(n)} for n in ("train", "holdout", "contract")],
            OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 250, **({"MaxWaitTimeInSeconds": 500} if more else {})},
            **more,
        )
        return name

    start.s3, start.sagemaker, start.bucket = s3, sagemaker, bucket
    return start


def ended(submit, name):
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        job = submit.sagemaker.describe_training_job(TrainingJobName=name)
        if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
            return job
        time.sleep(0.2)
    raise AssertionError("still under way")


def bundle_of(submit, job):
    key = job["ModelArtifacts"]["S3ModelArtifacts"].partition(f"{submit.bucket}/")[2]
    body = submit.s3.get_object(Bucket=submit.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}


def container_of(aws, name):
    for process in psutil.process_iter():
        try:
            if process.environ().get("TRAINING_JOB_NAME") == name:
                return process
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    raise AssertionError("no container")


def test_a_spot_job_goes_on_after_an_interruption(aws, submit, undisturbed):
    place = {"S3Uri": f"s3://{submit.bucket}/checkpoints/what"}
    name = submit(EnableManagedSpotTraining=True, CheckpointConfig=place)
    folder = aws.state / "sagemaker" / "training-jobs" / name / "checkpoints"
    while not (folder / "fold-0.checkpoint").exists():
        time.sleep(0.01)
    container_of(aws, name).terminate()
    job = ended(submit, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    states = [item["Status"] for item in job["SecondaryStatusTransitions"]]
    began = ["Starting", "Downloading", "Training", "Interrupted", "Starting"]
    assert states == [*began, "Training", "Uploading", "Completed"]
    assert bundle_of(submit, job) == undisturbed
    kept = submit.s3.list_objects_v2(Bucket=submit.bucket, Prefix="checkpoints/what/")["Contents"]
    names = {item["Key"].rpartition("/")[2] for item in kept}
    assert names == {f"{stage}.checkpoint" for stage in ("fold-0", "fold-1", "fold-2", "final")}
    again = ended(submit, submit(EnableManagedSpotTraining=True, CheckpointConfig=place))
    assert bundle_of(submit, again) == undisturbed


def test_two_instances_make_one_model(submit):
    job = ended(submit, submit(count=2))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    files = bundle_of(submit, job)
    assert b"[num_machines: 2]" in files["model.txt"]
    assert json.loads(files["bundle.json"])["metrics"]["holdout"]["roc_auc"] > 0.7
