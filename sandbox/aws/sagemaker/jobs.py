"""What training and transform jobs share: names, states, tags, worker threads and listing."""

import logging
import math
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

from sandbox.aws.context import Context
from sandbox.aws.errors import ApiError, JobError, SandboxAwsError
from sandbox.aws.logs import LogStream
from sandbox.aws.roles import access_key, credentials
from sandbox.aws.sagemaker import tokens
from sandbox.aws.storage import Storage

FINAL = {"Completed", "Failed", "Stopped"}
SERVER_GRACE = 5.0
STOP_GRACE = 120.0  # SageMaker's seconds between SIGTERM and SIGKILL
_log = logging.getLogger(__name__)


def now() -> datetime:
    """Return the current time with a time zone."""
    return datetime.now(UTC)


class Workload(Protocol):
    """The running part of a job: one container or several."""

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""

    def interrupt(self) -> None:
        """Send SIGTERM and return at once."""

    def end(self, grace: float) -> int:
        """Send SIGTERM, then SIGKILL after `grace` seconds; return the exit code."""


class Job:
    """One job of either kind.

    Attributes:
        request: The create request as sent.
        status: InProgress, Stopping or a final status.
    """

    kind = ""
    noun = ""

    def __init__(self, request: dict[str, Any], *, account: str, region: str, context: Context) -> None:
        self.request = request
        self.name: str = request[f"{self.kind}JobName"]
        self.arn = f"arn:aws:sagemaker:{region}:{account}:{self.noun}/{self.name}"
        self.region = region
        self.context = context
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.status = "InProgress"
        self.failure: str | None = None
        self.created = self.modified = now()
        self.started: datetime | None = None
        self.ended: datetime | None = None
        self.stopping = threading.Event()
        self.grace = STOP_GRACE
        self.container: Workload | None = None
        self.thread = threading.Thread(target=self._work, name=f"{self.noun}-{self.name}", daemon=True)

    @property
    def role(self) -> str | None:
        """The role of the job and its containers."""
        found: str | None = self.request.get("RoleArn")
        return found

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 clients are untyped
        """Return a client with the permissions of the job's role."""
        return self.context.client(service, self.region, access_key(self.role))

    def log(self, group: str, name: str) -> LogStream:
        """Return a log stream written with the job's role."""
        return LogStream(self.client("logs"), self.context.client("logs", self.region), group=group, name=name)

    @property
    def storage(self) -> Storage:
        """S3 of the sandbox."""
        return Storage(self.client("s3"), self.context.folder("sagemaker", "cache"))

    def folder(self) -> Path:
        """Return the job's own folder in the state folder."""
        return self.context.folder("sagemaker", f"{self.noun}s", self.name)

    def environment(self) -> dict[str, str]:
        """Return the environment variables of all containers of the job."""
        return {
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.context.endpoint,
            **credentials(self.role),
            "SAGEMAKER_REGION": self.region,
        }

    def stop(self, grace: float = STOP_GRACE) -> None:
        """Ask the job to stop: SIGTERM now, SIGKILL after `grace` seconds."""
        self.grace = grace
        if self.status not in FINAL:
            self.status, self.modified = "Stopping", now()
        self.stopping.set()

    def perform(self) -> None:
        """Run the job.

        Raises:
            SandboxAwsError: It failed; the message is the reason.
        """
        raise NotImplementedError

    def finish(self, status: str, reason: str | None = None) -> None:
        """Enter a final state."""
        self.failure, self.ended, self.modified = reason, now(), now()
        self.status = status

    def describe(self) -> dict[str, Any]:
        """Return the Describe response."""
        raise NotImplementedError

    def summary(self) -> dict[str, Any]:
        """Return the entry in List responses."""
        kind = self.kind
        found = {
            f"{kind}JobName": self.name,
            f"{kind}JobArn": self.arn,
            "CreationTime": self.created,
            f"{kind}EndTime": self.ended,
            "LastModifiedTime": self.modified,
            f"{kind}JobStatus": self.status,
            "FailureReason": self.failure if kind == "Transform" else None,
        }
        return {name: value for name, value in found.items() if value is not None}

    def _work(self) -> None:
        try:
            self.perform()
        except SandboxAwsError as error:
            self.finish("Failed", str(error) if isinstance(error, JobError) else f"ClientError: {error}")
        except Exception as error:  # a bug in the sandbox must fail the job and not block its client
            _log.exception("%s %s", self.noun, self.name)
            self.finish("Failed", f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            if self.container is not None:
                self.container.end(SERVER_GRACE)


class Jobs:
    """All jobs of one kind and region, by name.

    Args:
        make: Builds a job from its create request.
    """

    def __init__(self, make: Callable[[dict[str, Any]], Job]) -> None:
        self._make = make
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def create(self, request: dict[str, Any]) -> Job:
        """Start a job.

        Raises:
            ApiError: The name is taken (ResourceInUse).
        """
        job = self._make(request)
        with self._lock:
            known = self._jobs.get(job.name)
            if known is not None:
                raise ApiError(
                    "ResourceInUse",
                    f"{job.kind} job names must be unique within an AWS account and region, and a {job.kind.lower()} "
                    f"job with this name already exists ({known.arn})",
                )
            self._jobs[job.name] = job
        job.thread.start()
        return job

    def get(self, name: str) -> Job:
        """Return a job.

        Raises:
            ApiError: The job does not exist (ValidationException).
        """
        try:
            return self._jobs[name]
        except KeyError:
            raise ApiError("ValidationException", "Requested resource not found.") from None

    def stop(self, name: str) -> None:
        """Ask a job to stop.

        Raises:
            ApiError: The job does not exist or has ended.
        """
        job = self.get(name)
        if job.status in FINAL:
            raise ApiError(
                "ValidationException",
                f"The request was rejected because the {job.kind.lower()} job is in status {job.status}.",
            )
        job.stop()

    def all(self) -> Iterable[Job]:
        """Return every job."""
        return list(self._jobs.values())

    def by_arn(self, arn: str) -> Job | None:
        """Return the job with an ARN, if there is one."""
        return next((job for job in self.all() if job.arn == arn), None)

    def list(self, request: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
        """Filter, sort and page like the List actions; return summaries and the next token."""
        found = [job for job in self.all() if _listed(job, request)]
        by = {"Name": "name", "Status": "status"}.get(request.get("SortBy") or "", "created")
        found.sort(
            key=attrgetter(by),
            reverse=(request.get("SortOrder") or "Descending") == "Descending",
        )
        start, count = tokens.read(request.get("NextToken")), int(request.get("MaxResults") or 10)
        token = tokens.write(start + count) if len(found) > start + count else None
        return [job.summary() for job in found[start : start + count]], token

    def close(self) -> None:
        """Stop all jobs and wait until their processes have ended."""
        under_way = [job for job in self.all() if job.thread.is_alive()]
        for job in under_way:
            job.stop(SERVER_GRACE)
        for job in under_way:
            job.thread.join(3 * SERVER_GRACE)


def _listed(job: Job, request: dict[str, Any]) -> bool:
    created, modified = job.created.timestamp(), job.modified.timestamp()
    wanted = request.get
    return (
        (wanted("NameContains") or "") in job.name
        and (wanted("StatusEquals") or job.status) == job.status
        and created > (wanted("CreationTimeAfter") or 0)
        and created < (wanted("CreationTimeBefore") or math.inf)
        and modified > (wanted("LastModifiedTimeAfter") or 0)
        and modified < (wanted("LastModifiedTimeBefore") or math.inf)
    )
