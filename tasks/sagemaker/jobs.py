"""SageMaker jobs of either kind: created once or attached to, tagged, followed to the end, stopped on cancel."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError
from prefect import get_run_logger

from tasks.errors import JobError
from tasks.naming import dashed
from tasks.run import console, context
from tasks.sagemaker.log_relay import JobLog
from tasks.sagemaker.progress import Progress
from tasks.settings import settings

MAX_ATTEMPTS = 20
RUN_TAG = "credit:flow-run:"
UNDER_WAY = ("InProgress", "Stopping")
# SageMaker's wordings for a missing resource; it has no error code for that.
_ABSENT = re.compile(r"not found|could not find|does not exist", re.IGNORECASE)
Description = dict[str, Any]


@dataclass(frozen=True)
class JobKind:
    """The kind of a job, training or transform, and its names in SageMaker's API.

    Attributes:
        noun: `training` or `transform`.
    """

    noun: str

    @property
    def title(self) -> str:
        """Return the prefix of the API's field names."""
        return self.noun.capitalize()

    @property
    def log_group(self) -> str:
        """Return the log group of these jobs."""
        return f"/aws/sagemaker/{self.title}Jobs"

    def describe(self, name: str) -> Description:
        """Return SageMaker's description of a job."""
        return self._call("describe", name)

    def describe_or_none(self, name: str) -> Description | None:
        """Return SageMaker's description of a job, None if there is no such job."""
        found: Description | None = or_none(lambda: self.describe(name))
        return found

    def stop(self, name: str) -> None:
        """Stop a job."""
        self._call("stop", name)

    def under_way(self, portfolio: str) -> list[Description]:
        """Return the list entries of a portfolio's jobs that are in progress."""
        stem = f"credit-{dashed(portfolio)}-"
        ours = re.compile(rf"{stem}[0-9a-f]{{16}}(-\d+)?")
        pages = _client().get_paginator(f"list_{self.noun}_jobs").paginate(NameContains=stem, StatusEquals="InProgress")
        jobs = [job for page in pages for job in page[f"{self.title}JobSummaries"]]
        return [job for job in jobs if ours.fullmatch(self.name(job))]

    def name(self, job: Description) -> str:
        """Return a job's name."""
        return str(job[f"{self.title}JobName"])

    def arn(self, job: Description) -> str:
        """Return a job's ARN."""
        return str(job[f"{self.title}JobArn"])

    def status(self, job: Description) -> str:
        """Return a job's status."""
        return str(job[f"{self.title}JobStatus"])

    def seconds(self, job: Description) -> int:
        """Return how many seconds an ended job ran, 0 if it never started."""
        first: datetime | None = job.get(f"{self.title}StartTime")
        last: datetime | None = job.get(f"{self.title}EndTime")
        return round((last - first).total_seconds()) if first and last else 0

    def _call(self, verb: str, name: str) -> Description:
        answer: Description = getattr(_client(), f"{verb}_{self.noun}_job")(**{f"{self.title}JobName": name})
        return answer


TRAINING, TRANSFORM = JobKind("training"), JobKind("transform")


def _client() -> Any:  # noqa: ANN401 - boto3 builds its clients at run time
    return boto3.client("sagemaker")


def or_none(describe: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever is described
    """Return what `describe` returns, None if SageMaker reports a missing resource."""
    try:
        return describe()
    except ClientError as error:
        code, said = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code in ("ResourceNotFound", "ResourceNotFoundException"):
            return None
        if code == "ValidationException" and _ABSENT.search(said):
            return None
        raise


def own_tag() -> list[dict[str, str]]:
    """Return the tag that names the flow run following a job; none outside a flow run."""
    run = context.current()
    return [{"Key": f"{RUN_TAG}{run}", "Value": re.sub(r"[^\w\s.:/=+@-]", "", context.label())}] if run else []


def followers(arn: str) -> list[str]:
    """Return the ids of the flow runs that have followed a job."""
    pages = _client().get_paginator("list_tags").paginate(ResourceArn=arn)
    keys = [tag["Key"] for page in pages for tag in page["Tags"]]
    return [key.removeprefix(RUN_TAG) for key in keys if key.startswith(RUN_TAG)]


def attach_or_create(kind: JobKind, stem: str, create: Callable[[str], None]) -> Description:
    """Return the running or finished job of this name; after a failed one, start the next attempt.

    Raises:
        JobError: too many attempts have failed.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        name = stem if attempt == 1 else f"{stem}-{attempt}"
        job = kind.describe_or_none(name)
        if job is None:
            _create_once(create, name)
            return kind.describe(name)
        if kind.status(job) not in ("Failed", "Stopped", "Stopping"):
            _attach(kind, job)
            return job
    raise JobError(
        f"job {stem}: {MAX_ATTEMPTS} attempts have failed; fix the cause, then change a parameter or the image"
    )


def _attach(kind: JobKind, job: Description) -> None:
    get_run_logger().info("%s job %s already exists (%s): attaching to it", kind.noun, kind.name(job), kind.status(job))
    if kind.status(job) in UNDER_WAY and (tags := own_tag()):
        _client().add_tags(ResourceArn=kind.arn(job), Tags=tags)


def _create_once(create: Callable[[str], None], name: str) -> None:
    """Create a job; another run, or an attempt whose answer was lost, may have created it a moment ago."""
    try:
        create(name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUse":
            raise


def follow(kind: JobKind, job: Description) -> Description:
    """Follow a job to its end, relaying its log and progress; return its description.

    Raises:
        JobError: it failed or was stopped; the message has SageMaker's reason and the last log lines.
    """
    name = kind.name(job)
    log, progress = JobLog(kind.log_group, name), Progress(f"{kind.noun} job [{name}]({console.job(kind.noun, name)})")
    get_run_logger().info("%s job: %s", kind.noun, console.job(kind.noun, name))
    with _stopped_on_cancel(kind, name):
        while kind.status(job) in UNDER_WAY:
            log.relay()
            progress.show(log.percent, log.doing or str(job.get("SecondaryStatus", kind.status(job))))
            time.sleep(settings().poll_seconds)
            job = kind.describe(name)
    log.relay()
    if kind.status(job) != "Completed":
        progress.end(f"{kind.status(job)}")
        reason = job.get("FailureReason", "no reason given")
        raise JobError(
            f"job {name} ended {kind.status(job)}: {reason}\nlast log lines ({kind.log_group}):\n{log.tail()}"
        )
    progress.show(100.0, "completed")
    return job


@contextmanager
def _stopped_on_cancel(kind: JobKind, name: str) -> Iterator[None]:
    """Stop the job if the run is cancelled; an interrupted run leaves it for the next run to attach to."""
    try:
        yield
    except BaseException:
        if context.is_cancelling():
            kind.stop(name)
            get_run_logger().warning("run cancelled: stopping %s job %s", kind.noun, name)
        raise
