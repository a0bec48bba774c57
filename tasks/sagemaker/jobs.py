"""A SageMaker job of either kind from name to end: found or created once, followed, stopped on cancel, tagged."""

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
# How SageMaker says that there is no such thing; it has no error code of its own for that.
_ABSENT = re.compile(r"not found|could not find|does not exist", re.IGNORECASE)
Description = dict[str, Any]


@dataclass(frozen=True)
class JobKind:
    """Training or transform: how SageMaker's API names things.

    Attributes:
        noun: `training` or `transform`.
    """

    noun: str

    @property
    def title(self) -> str:
        """Return the first part of the API's field names."""
        return self.noun.capitalize()

    @property
    def log_group(self) -> str:
        """Return the log group of such jobs."""
        return f"/aws/sagemaker/{self.title}Jobs"

    def describe(self, name: str) -> Description:
        """Return what SageMaker knows of a job."""
        return self._call("describe", name)

    def describe_or_none(self, name: str) -> Description | None:
        """Return what SageMaker knows of a job, None where there is none of that name."""
        found: Description | None = or_none(lambda: self.describe(name))
        return found

    def stop(self, name: str) -> None:
        """Tell a job to stop."""
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
        """Return for how long an ended job ran, 0 where it never started."""
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
    """Return what `describe` returns, or None where SageMaker says that there is no such thing."""
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
    """Return the tag that says which flow run follows a job; none outside a flow run."""
    run = context.current()
    return [{"Key": f"{RUN_TAG}{run}", "Value": re.sub(r"[^\w\s.:/=+@-]", "", context.label())}] if run else []


def followers(arn: str) -> list[str]:
    """Return the ids of the flow runs that have followed a job."""
    pages = _client().get_paginator("list_tags").paginate(ResourceArn=arn)
    keys = [tag["Key"] for page in pages for tag in page["Tags"]]
    return [key.removeprefix(RUN_TAG) for key in keys if key.startswith(RUN_TAG)]


def attach_or_create(kind: JobKind, stem: str, create: Callable[[str], None]) -> Description:
    """Return the job under way or done under this name; after a failed one, start the next attempt.

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
        f"job {stem}: {MAX_ATTEMPTS} attempts have failed; mend the cause, then change a parameter or the image"
    )


def _attach(kind: JobKind, job: Description) -> None:
    get_run_logger().info("%s job %s exists (%s): attaching to it", kind.noun, kind.name(job), kind.status(job))
    if kind.status(job) in UNDER_WAY and (tags := own_tag()):
        _client().add_tags(ResourceArn=kind.arn(job), Tags=tags)


def _create_once(create: Callable[[str], None], name: str) -> None:
    """Create under a name that another run, or an attempt whose answer was lost, may have used a moment ago."""
    try:
        create(name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUse":
            raise


def follow(kind: JobKind, job: Description) -> Description:
    """Wait for a job's end with its log in the run's log and its progress in an artifact; return its description.

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
    """Stop the job where the run is cancelled; a run that is merely interrupted leaves it for the next to attach to."""
    try:
        yield
    except BaseException:
        if context.is_cancelling():
            kind.stop(name)
            get_run_logger().warning("run cancelled: %s job %s told to stop", kind.noun, name)
        raise
