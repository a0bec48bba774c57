"""Fixtures of the AWS sandbox tests: a client, a bucket and a database for each test."""

import uuid

import boto3
import pytest

from sandbox.estate import REGION


@pytest.fixture
def client(aws):
    """Return a function that makes a boto3 client of a service."""
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
