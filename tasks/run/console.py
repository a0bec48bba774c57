"""Links into the AWS console, for people."""

import os
from urllib.parse import quote

from tasks import s3

PLACES = {"training": "jobs", "transform": "transform-jobs"}


def _console(service: str, rest: str) -> str:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")
    return f"https://{region}.console.aws.amazon.com/{service}/home?region={region}#{rest}"


def job(noun: str, name: str) -> str:
    """Return the console address of a SageMaker training or transform job."""
    return _console("sagemaker", f"/{PLACES[noun]}/{name}")


def log(noun: str, name: str) -> str:
    """Return the console address of a job's log streams."""
    # CloudWatch's console expects percent codes written with `$`, and everything escaped twice.
    group = quote(quote(f"/aws/sagemaker/{noun.capitalize()}Jobs", safe=""), safe="").replace("%", "$")
    return _console("cloudwatch", f"logsV2:log-groups/log-group/{group}$3FlogStreamNameFilter$3D{name}")


def stored(uri: str) -> str:
    """Return the console address of an S3 object, or of a prefix that ends in `/`.

    Example:
        >>> stored("s3://lake/models/case/1/report.html").partition("?")[0]
        'https://s3.console.aws.amazon.com/s3/object/lake'
    """
    bucket, key = s3.split(uri)
    kind = "buckets" if key.endswith("/") else "object"
    return f"https://s3.console.aws.amazon.com/s3/{kind}/{bucket}?prefix={quote(key)}"
