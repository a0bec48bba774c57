"""The server as a process: one line when ready, state in its folder, nothing left behind after SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import psutil
import pytest

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


def test_sigterm_ends_the_server_and_every_job(tmp_path):
    images = tmp_path / "images.json"
    images.write_text(json.dumps({"probe": [sys.executable, str(HERE / "probe_image.py")]}))
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.aws", "--state", str(tmp_path / "state")],
        cwd=REPOSITORY,
        env={**os.environ, "SANDBOX_IMAGES": str(images)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        endpoint = json.loads(process.stdout.readline())["endpoint"]
        here = {"endpoint_url": endpoint, "region_name": "eu-west-1"}
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        assert boto3.client("sts", **here, **keys).get_caller_identity()["Account"] == "123456789012"
        s3 = boto3.client("s3", **here, **keys)
        s3.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_object(Bucket="data", Key="train/x", Body=b"1")
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/train/"}}
        boto3.client("sagemaker", **here, **keys).create_training_job(
            TrainingJobName="long",
            RoleArn="arn:aws:iam::123456789012:role/train",
            AlgorithmSpecification={"TrainingImage": "probe", "TrainingInputMode": "File"},
            HyperParameters={"sleep": "600", "child": "1", "ignore_stop": "1", "auc": "1"},
            InputDataConfig=[{"ChannelName": "train", "DataSource": source}],
            OutputDataConfig={"S3OutputPath": "s3://data/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        child = tmp_path / "state" / "sagemaker" / "training-jobs" / "long" / "child.pid"
        for _ in range(200):
            if child.exists() and child.read_text():
                break
            time.sleep(0.05)
        time.sleep(0.3)
        below = psutil.Process(process.pid).children(recursive=True)
        assert len(below) >= 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        _, alive = psutil.wait_procs(below, timeout=2)
        assert not [item for item in alive if item.status() != psutil.STATUS_ZOMBIE]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
