"""One sandbox AWS for foreign suites, with what their own CloudFormation stacks would have made."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from sandbox import estate
from sandbox.services import Service

ROOT = Path(__file__).parents[4]
BUCKET = "suites-bucket"
DATABASE = "suites_database"


@contextmanager
def sandbox(state: Path) -> Iterator[dict[str, str]]:
    """Start a sandbox AWS; yield the variables that its clients and the plugins read."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    region = {"AWS_DEFAULT_REGION": estate.REGION, "AWS_REGION": estate.REGION}
    command = [sys.executable, "-m", "sandbox.aws", "--state", str(state)]
    server = Service("aws", command, state=state, env={**keys, **region}, cwd=ROOT)
    try:
        endpoint = server.announced()["endpoint"]
        outputs = _furnish(boto3.Session("test", "test", region_name=estate.REGION), endpoint)
        yield {**keys, **region, "AWS_ENDPOINT_URL": endpoint, "SUITE_OUTPUTS": json.dumps(outputs)}
    finally:
        server.stop()


def _furnish(session: boto3.Session, endpoint: str) -> dict[str, str]:
    """Make the bucket, database and key of the suites; return the outputs of their stacks."""

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint)

    client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": session.region_name or estate.REGION}
    )
    # Every account in which Athena has been used has the database `default`.
    for name in (DATABASE, "default"):
        client("glue").create_database(DatabaseInput={"Name": name})
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    return {
        "Region": session.region_name or estate.REGION,
        "BucketName": BUCKET,
        "GlueDatabaseName": DATABASE,
        "KmsKeyArn": key,
    }
