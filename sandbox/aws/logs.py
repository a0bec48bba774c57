"""A job's output in CloudWatch Logs, line by line as it is written."""

import contextlib
import threading
import time
from typing import Any

_FLUSH_SECONDS = 0.2
_FLUSH_LINES = 500


class LogStream:
    """A log stream to append lines to; it sends them in batches, each at most a fifth of a second old.

    Args:
        client: The writer's boto3 CloudWatch Logs client.
        owner: A client that may create the log group if it is missing; None if nobody may.
        group: For example `/aws/sagemaker/TrainingJobs`.
        name: For example `<job>/algo-1-<epoch>`.
    """

    def __init__(self, client: Any, owner: Any, *, group: str, name: str) -> None:  # noqa: ANN401 - boto3 clients
        self._client = client
        self._group = group
        self._name = name
        self._pending: list[dict[str, object]] = []
        self._lock = threading.Lock()
        self._sent = time.monotonic()
        if owner is not None:
            with contextlib.suppress(owner.exceptions.ResourceAlreadyExistsException):
                owner.create_log_group(logGroupName=group)
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_stream(logGroupName=group, logStreamName=name)

    def line(self, text: str) -> None:
        """Append one line."""
        with self._lock:
            self._pending.append({"timestamp": int(time.time() * 1000), "message": text or " "})
            due = len(self._pending) >= _FLUSH_LINES or time.monotonic() - self._sent > _FLUSH_SECONDS
        if due:
            self.flush()

    def flush(self) -> None:
        """Send the pending lines."""
        with self._lock:
            lines, self._pending = self._pending, []
            self._sent = time.monotonic()
            if lines:
                self._client.put_log_events(logGroupName=self._group, logStreamName=self._name, logEvents=lines)
