"""What is asked of SageMaker: jobs and models under the stage's key, without a network where they need none."""

from typing import Any

import boto3
import botocore.client
import pytest

from tasks.lake.snapshot import Snapshot, Split
from tasks.sagemaker import requests
from tasks.sagemaker.sizing import TransformSize
from tasks.settings import settings

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1b2c3d4e-0000-4000-8000-000000000000"
ROLE = "arn:aws:iam::123456789012:role/credit-sagemaker"
SIZE = TransformSize(instance_count=1, max_payload_mb=6)
SNAPSHOT = Snapshot.model_construct(
    snapshot_id="s", portfolio="case", uri="s3://lake/snapshots/s/", split=Split.model_construct(method="time")
)


@pytest.fixture
def asked(monkeypatch):
    """What is sent to AWS, by operation, after botocore has held it against the service's own model."""
    sent: dict[str, dict[str, Any]] = {}

    def answer(self, operation_name, api_params):
        model = self.meta.service_model.operation_model(operation_name)
        self._convert_to_request_dict(api_params, model, "https://sagemaker.eu-west-1.amazonaws.com")
        sent[operation_name] = api_params
        names = {"ModelName": "m", "TrainingJobName": "t", "TransformJobName": "f"}
        return {} if operation_name.startswith("Create") else names

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", answer)
    for name, value in {"BUCKET": "lake", "DATABASE": "d", "SAGEMAKER_ROLE": ROLE, "DATA_KEY": KEY}.items():
        monkeypatch.setenv(f"CREDIT_{name}", value)
    for image in ("TRAIN", "SERVE"):
        monkeypatch.setenv(
            f"CREDIT_{image}_IMAGE", f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/x@sha256:{'5e' * 32}"
        )
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    boto3.setup_default_session()
    settings.cache_clear()
    yield sent
    settings.cache_clear()


def train() -> None:
    requests.create_training("credit-case-1", stem="x", snapshot=SNAPSHOT, hyperparameters={"seed": "1"}, tags=[])


def test_a_training_keeps_disk_and_output_under_the_stages_key_and_has_no_network(asked):
    train()
    sent = asked["CreateTrainingJob"]
    assert sent["ResourceConfig"]["VolumeKmsKeyId"] == sent["OutputDataConfig"]["KmsKeyId"] == KEY
    assert sent["EnableNetworkIsolation"] is True


def test_hosts_that_share_a_training_reach_each_other_and_nobody_listens(asked, monkeypatch):
    monkeypatch.setenv("CREDIT_TRAIN_INSTANCE_COUNT", "2")
    settings.cache_clear()
    train()
    assert asked["CreateTrainingJob"]["EnableNetworkIsolation"] is False
    assert asked["CreateTrainingJob"]["EnableInterContainerTrafficEncryption"] is True


def test_a_transform_keeps_disk_and_output_under_the_stages_key(asked):
    requests.create_transform("n", model="m", input_uri="s3://lake/i/", output_uri="s3://lake/o/", size=SIZE, tags=[])
    sent = asked["CreateTransformJob"]
    assert sent["TransformResources"]["VolumeKmsKeyId"] == sent["TransformOutput"]["KmsKeyId"] == KEY


def test_a_model_has_no_network(asked):
    requests.create_model("m", "s3://lake/models/m/model.tar.gz")
    assert asked["CreateModel"]["EnableNetworkIsolation"] is True


def test_without_a_key_of_its_own_a_stage_names_none(asked, monkeypatch):
    monkeypatch.setenv("CREDIT_DATA_KEY", "")
    settings.cache_clear()
    train()
    assert "KmsKeyId" not in str(asked["CreateTrainingJob"])
