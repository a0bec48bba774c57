"""Relays a job's CloudWatch Logs to the Prefect run log as they arrive."""

import re
from collections import deque
from typing import Any

import boto3
from botocore.exceptions import ClientError
from prefect import get_run_logger

TAIL_LINES = 50
# The train image's progress lines: `[ 70%] fit: …`.
_SHARE = re.compile(r"^\[ *(\d{1,3})%\] (.*)")


class JobLog:
    """The log streams of one job, `{job}/…`; each read continues where the last one ended.

    Attributes:
        percent: Progress that the job last reported, None before the first report.
        doing: Activity that the job last reported.
    """

    def __init__(self, group: str, job_name: str) -> None:
        self.group = group
        self.prefix = f"{job_name}/"
        self.percent: float | None = None
        self.doing = ""
        self._client: Any = boto3.client("logs")
        self._tokens: dict[str, str] = {}
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def relay(self) -> None:
        """Write every new line to the run log."""
        logger = get_run_logger()
        for stream in self._streams():
            for line in self._new_lines(stream):
                self._tail.append(line)
                logger.info("[job] %s", line)
                if found := _SHARE.match(line):
                    self.percent, self.doing = min(float(found[1]), 100.0), found[2]

    def tail(self) -> str:
        """Return the last lines seen."""
        return "\n".join(self._tail)

    def _streams(self) -> list[str]:
        try:
            found = self._client.describe_log_streams(logGroupName=self.group, logStreamNamePrefix=self.prefix)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return []
            raise
        return [stream["logStreamName"] for stream in found["logStreams"]]

    def _new_lines(self, stream: str) -> list[str]:
        lines: list[str] = []
        while True:
            token = self._tokens.get(stream)
            extra = {"nextToken": token} if token else {}
            page = self._client.get_log_events(
                logGroupName=self.group, logStreamName=stream, startFromHead=True, **extra
            )
            lines += [event["message"] for event in page["events"]]
            self._tokens[stream] = page["nextForwardToken"]
            if page["nextForwardToken"] == token or not page["events"]:
                return lines
