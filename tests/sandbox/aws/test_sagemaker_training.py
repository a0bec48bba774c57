"""Training jobs through sagemaker-core and boto3: states, artifacts, logs, failures, stopping, names."""

import contextlib
import io
import json
import tarfile
import time
import uuid

import psutil
import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import (
    AlgorithmSpecification,
    Channel,
    DataSource,
    MetricDefinition,
    OutputDataConfig,
    ResourceConfig,
    S3DataSource,
    StoppingCondition,
)

from tests.sandbox.aws.polling import await_status, log_messages

ROLE = "arn:aws:iam::123456789012:role/train"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/probe:1"


@pytest.fixture
def create(client, bucket):
    s3 = client("s3")
    s3.put_object(Bucket=bucket, Key="snap/train/a/part-0", Body=b"1\n2\n")
    s3.put_object(Bucket=bucket, Key="snap/train/part-1", Body=b"3\n")

    def start(seconds=60, image=IMAGE, prefix="snap/train/", name=None, **parameters):
        source = S3DataSource(s3_data_type="S3Prefix", s3_uri=f"s3://{bucket}/{prefix}")
        return TrainingJob.create(
            training_job_name=name or f"job-{uuid.uuid4().hex[:8]}",
            role_arn=ROLE,
            algorithm_specification=AlgorithmSpecification(
                training_image=image,
                training_input_mode="File",
                metric_definitions=[MetricDefinition(name="roc_auc", regex="holdout roc_auc=([0-9.]+)")],
            ),
            hyper_parameters={"auc": "0.75", **parameters},
            input_data_config=[Channel(channel_name="train", data_source=DataSource(s3_data_source=source))],
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/training"),
            resource_config=ResourceConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
            stopping_condition=StoppingCondition(max_runtime_in_seconds=seconds),
            environment={"FLAG": "on"},
            tags=[{"key": "portfolio", "value": "case"}],
        )

    return start


def done(job):
    """Wait until a job has ended; return it."""
    return await_status(job, "training_job_status", "Completed", "Failed", "Stopped")


def await_line(logs, job, line):
    """Wait until a job's log has a line."""
    for _ in range(1200):
        with contextlib.suppress(AssertionError, logs.exceptions.ResourceNotFoundException):
            if line in log_messages(logs, "/aws/sagemaker/TrainingJobs", f"{job.training_job_name}/algo-1-"):
                return
        time.sleep(0.05)
    raise AssertionError(f"no line {line!r}")


def archive(client, bucket, key):
    body = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as content:
        return {item.name: content.extractfile(item).read() for item in content if item.isfile()}


def test_a_job_trains_and_leaves_its_artifacts(create, client, bucket):
    job = create()
    job.wait(poll=1, timeout=60)
    job.refresh()
    assert job.training_job_status == "Completed"
    assert [t.status for t in job.secondary_status_transitions] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert job.billable_time_in_seconds >= 1
    assert job.environment == {"FLAG": "on"}
    assert [(m.metric_name, m.value) for m in job.final_metric_data_list] == [("roc_auc", 0.75)]
    prefix = f"training/{job.training_job_name}/output"
    assert job.model_artifacts.s3_model_artifacts == f"s3://{bucket}/{prefix}/model.tar.gz"
    model = json.loads(archive(client, bucket, f"{prefix}/model.tar.gz")["model.json"])
    assert (model["rows"], model["flag"]) == (3, "on")
    assert archive(client, bucket, f"{prefix}/output.tar.gz") == {"report.txt": b"report"}
    lines = log_messages(client("logs"), "/aws/sagemaker/TrainingJobs", f"{job.training_job_name}/algo-1-")
    assert f"starting {job.training_job_name}" in lines
    assert "holdout roc_auc=0.75" in lines
    tags = client("sagemaker").list_tags(ResourceArn=job.training_job_arn)["Tags"]
    assert tags == [{"Key": "portfolio", "Value": "case"}]


def test_a_failing_entry_point_gives_its_reason(create, client, bucket):
    job = done(create(fail="ValueError: column 'age' is missing"))
    assert job.training_job_status == "Failed"
    assert job.failure_reason == "AlgorithmError: ValueError: column 'age' is missing, exit code: 3"
    with pytest.raises(ClientError, match="Not Found"):
        client("s3").head_object(Bucket=bucket, Key=f"training/{job.training_job_name}/output/model.tar.gz")


def test_missing_data_fails_before_training(create):
    job = done(create(prefix="nowhere/"))
    assert job.training_job_status == "Failed"
    assert job.failure_reason.startswith("ClientError: Data download failed")
    assert "Training" not in [t.status for t in job.secondary_status_transitions]


def test_an_unknown_image_is_refused(create):
    with pytest.raises(ClientError, match="Cannot find repository: absent in registry ID: 123456789012"):
        create(image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/absent:1")


def test_names_are_unique(create):
    job = done(create())
    with pytest.raises(ClientError) as caught:
        create(name=job.training_job_name)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_a_stopped_job_may_save_before_it_ends(create, client, bucket):
    job = await_status(create(sleep="60", save_on_stop="1"), "secondary_status", "Training")
    await_line(client("logs"), job, f"starting {job.training_job_name}")
    time.sleep(0.5)
    job.stop()
    job = done(job)
    assert (job.training_job_status, job.secondary_status) == ("Stopped", "Stopped")
    saved = archive(client, bucket, f"training/{job.training_job_name}/output/model.tar.gz")
    assert json.loads(saved["model.json"]) == {"stopped": True}
    with pytest.raises(ClientError, match="in status Stopped"):
        client("sagemaker").stop_training_job(TrainingJobName=job.training_job_name)


def test_the_run_time_limit_stops_the_job_and_its_children(create, aws):
    job = done(create(seconds=1, sleep="60", child="1"))
    assert (job.training_job_status, job.secondary_status) == ("Stopped", "MaxRuntimeExceeded")
    folder = aws.state / "sagemaker" / "training-jobs" / job.training_job_name
    pid = int((folder / "child.pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_killed_from_outside_fails_the_job(create, aws):
    job = await_status(create(sleep="60", child="1"), "secondary_status", "Training")
    folder = aws.state / "sagemaker" / "training-jobs" / job.training_job_name
    for _ in range(100):
        if (folder / "child.pid").exists() and (folder / "child.pid").read_text():
            break
        time.sleep(0.05)
    psutil.Process(int((folder / "child.pid").read_text())).parent().kill()
    job = done(job)
    assert job.training_job_status == "Failed"
    assert job.failure_reason.endswith("exit code: 137")


def test_describing_an_unknown_job_is_refused(client):
    with pytest.raises(ClientError) as caught:
        TrainingJob.get("nothing-here")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_listing_filters_by_name_and_status(create, client):
    job = done(create(fail="no"))
    found = client("sagemaker").list_training_jobs(NameContains=job.training_job_name, StatusEquals="Failed")
    assert [item["TrainingJobName"] for item in found["TrainingJobSummaries"]] == [job.training_job_name]
    none = client("sagemaker").list_training_jobs(NameContains=job.training_job_name, StatusEquals="Completed")
    assert none["TrainingJobSummaries"] == []
