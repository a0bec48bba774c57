"""One AWS sandbox per test process, and the official clients pointed at it."""

import json
import os
import sys
import uuid
from pathlib import Path

import boto3
import pytest

from sandbox.aws.server import AwsServer

HERE = Path(__file__).parent
REGION = "eu-west-1"


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    """The sandbox's endpoint, with the environment every client reads."""
    images = tmp_path_factory.mktemp("images") / "images.json"
    python = sys.executable
    images.write_text(
        json.dumps(
            {
                "probe": [python, str(HERE / "probe_image.py")],
                "broken": [python, str(HERE / "probe_image.py"), "--broken"],
            }
        )
    )
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "SANDBOX_IMAGES": str(images),
    }
    before = {name: os.environ.get(name) for name in [*settings, "AWS_ENDPOINT_URL"]}
    os.environ.update(settings)
    server = AwsServer(state=tmp_path_factory.mktemp("aws"))
    server.start()
    os.environ["AWS_ENDPOINT_URL"] = server.endpoint
    boto3.setup_default_session(region_name=REGION)
    yield server
    server.stop()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture
def client(aws):
    """Return a boto3 client of a service."""
    return lambda service: boto3.client(service, region_name=REGION, endpoint_url=aws.endpoint)


@pytest.fixture
def bucket(client):
    name = f"b-{uuid.uuid4().hex[:12]}"
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture
def database(client):
    name = f"db_{uuid.uuid4().hex[:12]}"
    client("glue").create_database(DatabaseInput={"Name": name})
    return name
