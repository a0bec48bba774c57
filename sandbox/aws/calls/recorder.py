"""Writes each combination of role, operation and resource once, as a line of JSON."""

import json
import threading
from pathlib import Path
from typing import Any

from sandbox.aws.calls import requests, s3
from sandbox.aws.calls.resources import Call, Place
from sandbox.aws.roles import NOBODY, caller


class Recorder:
    """Records the calls of roles; calls without a role are not recorded.

    Args:
        path: Where the lines go: `{"role": …, "operation": "s3:HeadObject", "resource": …}`. `resource` is an ARN, `*`
            if the operation has no resource, or null if the request names it by an id that does not give the ARN.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str, Call]] = set()

    def record(self, request: Any, resource: str) -> None:  # noqa: ANN401 - moto's response classes
        """Record one request.

        Args:
            request: Moto's response object, before it acts.
            resource: Moto's ARN of the resource, for S3 only.
        """
        role = caller(request.headers.get("Authorization"))
        if role == NOBODY:
            return
        service = request.service_name
        if service == "s3":
            calls = s3.calls(request, resource)
        else:
            calls = requests.calls(service, request, Place(request.partition, request.region, request.current_account))
        fresh = {(role, service, call) for call in calls} - self._seen
        if fresh:
            self._write(fresh)

    def close(self) -> None:
        """Close the file; later calls are not recorded."""
        with self._lock:
            self._file.close()

    def _write(self, entries: set[tuple[str, str, Call]]) -> None:
        with self._lock:
            for role, service, call in entries - self._seen:
                if not self._file.closed:
                    operation = call.operation if ":" in call.operation else f"{service}:{call.operation}"
                    entry = {"role": role, "operation": operation, "resource": call.resource}
                    self._file.write(json.dumps(entry) + "\n")
            self._seen |= entries
